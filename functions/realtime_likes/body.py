"""Takes in what a caller sent, strictly: one meaning or an error that names the field.

JSON parsers disagree about duplicate keys, `NaN` and byte-order marks, and a difference between two parsers is a hole
between two checks; so all of these are refused (RFC 8259 leaves them open).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from realtime_likes.errors import BodyTooLargeError, FieldError, InvalidRequestError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from realtime_likes.http import Request

# 100 items are 9 KB.
MAX_BODY_BYTES = 16 * 1024
_MAX_ERRORS = 20
_MAX_ECHO = 100

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_json(request: Request, model: type[ModelT]) -> ModelT:
    """The body of a request as a model.

    Raises `UnsupportedMediaTypeError` unless it is declared as plain JSON in UTF-8, `BodyTooLargeError` over 16 KB
    (before parsing), `InvalidRequestError` with the fields otherwise.
    """
    _demand_json(request)
    return validate(model, parse_json(_read_limited(request)))


def read_query(request: Request, model: type[ModelT]) -> ModelT:
    """The query string of a request as a model. Raises `InvalidRequestError` with the fields."""
    try:
        pairs = parse_qsl(
            request.query, keep_blank_values=True, strict_parsing=False, errors="strict", max_num_fields=20
        )
    except ValueError:
        raise InvalidRequestError("The query string cannot be read.") from None
    return validate(model, _without_duplicates(pairs))


def parse_json(raw: bytes) -> object:
    """JSON of one meaning. Raises `InvalidRequestError`."""
    try:
        text = raw.decode("utf-8")
        parsed: object = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidRequestError("The body is nested too deeply.") from None
    except ValueError:
        raise InvalidRequestError("The body is not valid JSON in UTF-8.") from None
    return parsed


def validate(model: type[ModelT], data: object) -> ModelT:
    """Parsed data as a model. Raises `InvalidRequestError` with the fields, never with the values that came."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        fields = tuple(FieldError(_path(e["loc"]), e["msg"]) for e in found[:_MAX_ERRORS])
        raise InvalidRequestError(errors=fields) from None


def _demand_json(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    name, _, charset = parameters.strip().partition("=")
    plain = media_type.strip().lower() == "application/json" and "content-encoding" not in request.headers
    if not plain or (name.strip().lower() == "charset" and charset.strip(' "').lower() != "utf-8"):
        raise UnsupportedMediaTypeError


def _read_limited(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    # the digits are bounded because parsing a number of any length is itself an attack
    if declared.isdecimal() and (len(declared) > 9 or int(declared) > MAX_BODY_BYTES):
        raise BodyTooLargeError
    raw = request.read(MAX_BODY_BYTES + 1)
    if len(raw) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    return raw


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidRequestError(errors=(FieldError(key[:_MAX_ECHO], "is given twice"),))
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequestError(f"{name} is no JSON.")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location)[:_MAX_ECHO]
