"""The events of docs/contracts.md as one line each, for a developer to read."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Payload = Mapping[str, Any]


def sentence(name: str, payload: Payload) -> str:
    """What an event says. `payload` is as it came, so nothing in it is taken for granted."""
    try:
        return _SENTENCES[name](payload)
    except (KeyError, TypeError):
        return json.dumps(payload)  # not one of ours, or not as the contract has it


def _one(payload: Payload) -> str:
    who = payload["username"] or "somebody private"
    verb = "likes" if payload["isLiked"] else "no longer likes"
    return f"{who} {verb} {payload['contentType']} {payload['postId']}: {_state(payload)}"


def _many(payload: Payload) -> str:
    count, named = payload["likerCount"], len(payload["likerIds"])
    content = f"{payload['contentType']} {payload['contentId']}"
    return f"{_number(count, 'new like')} ({named} named) of {content}: {_state(payload)}"


def _state(payload: Payload) -> str:
    viewers = _number(payload["viewers"], "viewer")
    return f"{_number(payload['totalLikes'], 'like')}, version {payload['version']}, {viewers}"


def _notification(payload: Payload) -> str:
    read = "read" if payload["isRead"] else "unread"
    return f"{payload['title']} {payload['message']} ({read}, id {payload['id']})"


def _removed(payload: Payload) -> str:
    return f"id {payload['id']}"


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


_SENTENCES: Final[Mapping[str, Callable[[Payload], str]]] = {
    "post:liked": _one,
    "post:unliked": _one,
    "post:likes_batched": _many,
    "notification:new": _notification,
    "notification:updated": _notification,
    "notification:removed": _removed,
}
