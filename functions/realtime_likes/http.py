"""An HTTP request and its answer, as every handler sees them and every platform can make them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

JSON = "application/json"


def _no_body(_limit: int) -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case, `query` is the undecoded query string.

    `read(limit)` gives at most `limit` bytes of the body, so that a body is never taken in before its size is judged.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    read: Callable[[int], bytes] = field(default=_no_body, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; the platform adds nothing to it but its own framing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same answer with more headers; one that it already has stays as it is."""
        return replace(self, headers={**headers, **self.headers})


def ok(model: BaseModel) -> Response:
    """200 with a model as JSON."""
    return Response(200, {"content-type": JSON}, model.model_dump_json(exclude_unset=False).encode())
