"""Translates what PostgREST says went wrong into our own errors.

The client library keeps the JSON of an error and drops status and headers, so the status is read back from the code:
`PTnnn` is one that our SQL raised, `PGRST…` PostgREST's own, five characters a Postgres SQLSTATE, and three digits the
status of an answer that was no JSON.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from realtime_likes import errors

if TYPE_CHECKING:
    from postgrest import APIError

# What our SQL raises, by the word that every layer shares.
_BY_WORD: dict[str, type[errors.LikesError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidRequestError,
        errors.IntentInFutureError,
        errors.TooManyItemsError,
        errors.InvalidCursorError,
        errors.TokenMissingError,
        errors.BlockedError,
        errors.ContentNotFoundError,
        errors.UserNotFoundError,
    )
}
# PostgREST has no connection (000, 001), no schema yet (002), or its pool is exhausted (003).
_AWAY = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
# Expired, invalid and missing tokens; older versions say 301 for all of it.
_TOKEN = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303"})
# SQLSTATE classes in which the same call can succeed a moment later: connection, transaction rollback (deadlock,
# serialization), resources, operator intervention (restart, statement timeout), lock not available.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "57"})
_LOCK_NOT_AVAILABLE = "55P03"
_MAX_RETRY_AFTER = 3600


def translate(error: APIError, *, as_user: bool) -> errors.LikesError:
    """The error of ours that an answer of PostgREST stands for.

    `as_user`: the call carried the caller's own token, so a refused token is the caller's affair; else it is our key.
    """
    code, word = str(error.code or ""), str(error.message or "")
    if "rate_limited" in (code, word):
        return errors.RateLimitedError(error.hint or None, retry_after=_retry_after(error.details))
    if code.startswith("PT4") and word in _BY_WORD:
        return _BY_WORD[word](error.hint or None)
    if code in _TOKEN and as_user:
        return errors.TokenExpiredError() if "expired" in word.lower() else errors.TokenInvalidError()
    if _is_away(code):
        return errors.DatabaseUnavailableError()
    return errors.InternalError()


def _is_away(code: str) -> bool:
    if code.isdecimal() and len(code) == 3:
        return code in {"408", "429"} or code.startswith("5")  # a proxy speaks, not PostgREST
    return code in _AWAY or code == _LOCK_NOT_AVAILABLE or (len(code) == 5 and code[:2] in _TRANSIENT_CLASSES)


def _retry_after(details: object) -> int:
    """The seconds in `{"retry_after": seconds}`, rounded up; 1 where nothing sensible stands there."""
    try:
        found: Any = json.loads(details) if isinstance(details, str) else details
        return min(max(math.ceil(float(found["retry_after"])), 1), _MAX_RETRY_AFTER)
    except (ValueError, TypeError, KeyError, OverflowError):
        return 1
