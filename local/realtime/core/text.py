"""JSON as the wire has it: strict on the way in, compact on the way out."""

import json
import math
from typing import Any, TypeAlias

Json: TypeAlias = Any  # null, bool, int, float, str, list and dict of these; mypy has no useful recursive form of it

# Deeper values are refused at the door, so that nothing inside can run into the interpreter's recursion limit.
MAX_DEPTH = 200

dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def parse(text: str | bytes) -> Json:
    """The value of a JSON text.

    Raises ValueError for everything that other parsers refuse too: NaN, numbers beyond a double, half a surrogate pair.
    """
    if isinstance(text, bytes):
        text = text.decode()
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError("nested too deep")
    if "\\u" in text:
        dumps(value).encode()  # UnicodeEncodeError, a ValueError, for half a surrogate pair
    return value


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError("number out of range")
    return number


def _no_constant(literal: str) -> float:
    raise ValueError(f"{literal} is not JSON")


def _depth(value: Json) -> int:
    depth, level = 0, [value]
    while level := [inner for outer in level for inner in _items(outer)]:
        depth += 1
    return depth


def _items(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
