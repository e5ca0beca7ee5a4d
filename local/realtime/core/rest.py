"""Broadcasting by HTTP: a batch of messages in one request, or one message whose body is the payload."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from local.realtime.core import reasons
from local.realtime.core.frames import Content, Named, Relayed
from local.realtime.core.limits import term_size
from local.realtime.core.project import Project
from local.realtime.core.questions import Caller, Fault, Steps, WritePolicies, ask_policies
from local.realtime.core.text import Json, dumps, parse
from local.realtime.core.tokens import BadToken, Token

BLANK: Final = "can't be blank"
INVALID: Final = "is invalid"
TOO_LARGE: Final = "Payload size exceeds tenant limit"
TRUE: Final = (True, "true", "1", 1)
FALSE: Final = (False, "false", "0", 0, None)


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler needs of an HTTP request. Header names are lower-case."""

    headers: Mapping[str, str]
    body: bytes
    topic: str = ""
    event: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """Status and JSON body; None is an empty one."""

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One validated message of a batch."""

    topic: str
    private: bool
    content: Content
    id: str | None


UNAUTHORIZED: Final = Response(401, {"message": "Unauthorized"})
BAD_REQUEST: Final = Response(400, {"errors": {"detail": "Bad Request"}})
NOT_ACCEPTABLE: Final = Response(406, {"errors": {"detail": "Not Acceptable"}})
UNSUPPORTED: Final = Response(
    415, {"error": "Unsupported Media Type. Use application/json or application/octet-stream"}
)
ACCEPTED: Final = Response(202)


def rate_headers(project: Project) -> dict[str, str]:
    """How much of the rate of events is used, in events per second."""
    meter = project.events
    return {
        "x-rate-rolling": f"{meter.average:.10g}",
        "x-rate-limit": f"{meter.limit:.10g}",
        "x-rate-limit-remaining": f"{max(meter.limit - meter.average, 0):.10g}",
    }


def broadcast_batch(project: Project, request: Request) -> Steps[Response]:
    """`{"messages": [{topic, event, payload, private?, id?}, …]}`. One bad message refuses all.

    Private messages that the caller may not write vanish silently, as in the real server.
    """
    try:
        body = parse(request.body) if request.body and _is_json(request) else {}
    except ValueError:
        return BAD_REQUEST
    refusal = _refuse(project, request)
    token = _caller_token(project, request)
    if refusal or isinstance(token, BadToken):
        return refusal or UNAUTHORIZED
    messages = _read_batch(body.get("messages") if isinstance(body, dict) else None, project.settings.payload_limit)
    if isinstance(messages, Response):
        return messages
    if len(messages) + project.events.average > project.events.limit:
        return Response(429, {"message": "Too many messages to broadcast, please reduce the batch size"})
    yield from _send_batch(project, messages, token, request.headers)
    return ACCEPTED


def broadcast_one(project: Project, request: Request) -> Steps[Response]:
    """The body is the payload: JSON, or bytes."""
    content = _read_one(request)
    if isinstance(content, Response):
        return content
    refusal = _refuse(project, request)
    token = _caller_token(project, request)
    if refusal or isinstance(token, BadToken):
        return refusal or UNAUTHORIZED
    errors = _single_errors(project, request, content)
    if errors:
        return Response(422, {"errors": errors})
    forbidden = (yield from _forbid(request, token)) if request.private else None
    if forbidden:
        return forbidden
    project.events.add()
    project.rooms.broadcast((request.topic, request.private), content)
    return ACCEPTED


def _forbid(request: Request, token: Token) -> Steps[Response | None]:
    grant = yield from ask_policies(WritePolicies(Caller(request.topic, token.claims, request.headers)))
    if isinstance(grant, Fault):
        status, message = reasons.rest_fault(grant)
        return Response(status, {"message": message})
    return None if grant.broadcast else Response(403, {"message": "Unauthorized"})


def _refuse(project: Project, request: Request) -> Response | None:
    accepted = request.headers.get("accept", "*/*").lower()
    if not any(kind in accepted for kind in ("json", "*/*", "application/*")):
        return NOT_ACCEPTABLE
    if project.events.triggered:
        return Response(429, {"message": "Too many requests"})
    return None


def _caller_token(project: Project, request: Request) -> Token | BadToken:
    """The JWT of Authorization, else of apikey; the gateway may have left out the word Bearer."""
    given = request.headers.get("authorization", "")
    scheme, _, credentials = given.partition(" ")
    text = credentials if scheme.lower() == "bearer" else request.headers.get("apikey", given)
    return project.verifier.verify(text, project.now)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "application/json")
    return kind.partition(";")[0].strip().lower() == "application/json"


def _is_binary(request: Request) -> bool:
    return request.headers["content-type"].partition(";")[0].strip().lower() == "application/octet-stream"


def _read_one(request: Request) -> Named | Response:
    if not _is_json(request):
        return Named(request.event, request.body, is_json=False) if _is_binary(request) else UNSUPPORTED
    try:
        value = parse(request.body) if request.body else {}
    except ValueError:
        return BAD_REQUEST
    payload = value if isinstance(value, dict) else {"_json": value}
    return Named(request.event, dumps(payload).encode(), is_json=True)


def _single_errors(project: Project, request: Request, content: Named) -> dict[str, list[str]]:
    errors = {name: [BLANK] for name in ("topic", "event") if not getattr(request, name).strip()}
    if len(content.body) > project.settings.payload_limit:
        errors["payload"] = [TOO_LARGE]
    return errors


def _read_batch(entries: Json, limit: int) -> list[Message] | Response:
    if entries is None or entries == []:
        return Response(422, {"errors": {"messages": [BLANK]}})
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return Response(422, {"errors": {"messages": [INVALID]}})
    errors = [_entry_errors(entry, limit) for entry in entries]
    if any(errors):
        return Response(422, {"errors": {"messages": errors}})
    return [_message(entry) for entry in entries]


def _entry_errors(entry: dict[str, Json], limit: int) -> dict[str, list[str]]:
    errors = {}
    for name in ("topic", "event"):
        value = entry.get(name)
        if not isinstance(value, str | None):
            errors[name] = [INVALID]
        elif not (value and value.strip()):
            errors[name] = [BLANK]
    payload = entry.get("payload")
    if not isinstance(payload, dict):
        errors["payload"] = [BLANK if payload is None else INVALID]
    elif term_size(payload) > limit:
        errors["payload"] = [TOO_LARGE]
    if not _is_flag(entry.get("private")):
        errors["private"] = [INVALID]
    if not _is_uuid(entry.get("id")):
        errors["id"] = [INVALID]
    return errors


def _is_flag(value: Json) -> bool:
    return not isinstance(value, float | list | dict) and value in TRUE + FALSE


def _is_uuid(value: Json) -> bool:
    try:
        return value is None or bool(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return False


def _message(entry: dict[str, Json]) -> Message:
    payload = {"event": entry["event"], "payload": entry["payload"], "type": "broadcast"}
    if entry.get("id") is not None:
        payload["meta"] = {"id": entry["id"]}
    private = entry.get("private") in TRUE
    return Message(entry["topic"], private, Relayed(dumps(payload)), entry.get("id"))


def _send_batch(project: Project, messages: list[Message], token: Token, headers: Mapping[str, str]) -> Steps[None]:
    """Public messages first, then the private ones topic by topic; policies are asked once per topic."""
    for message in messages:
        if not message.private:
            _send(project, message)
    topics: dict[str, list[Message]] = {}
    for message in messages:
        if message.private:
            topics.setdefault(message.topic, []).append(message)
    for topic, private in topics.items():
        grant = yield from ask_policies(WritePolicies(Caller(topic, token.claims, headers)))
        if not isinstance(grant, Fault) and grant.broadcast:
            for message in private:
                _send(project, message)


def _send(project: Project, message: Message) -> None:
    project.events.add()
    project.rooms.broadcast((message.topic, message.private), message.content, message_id=message.id)
