"""Postgres Changes is not part of this server: a join that asks for it is told so in the words of the real one."""

import zlib
from typing import Final

from local.realtime.core.text import Json, dumps

FILTERS: Final = ("eq", "neq", "lt", "lte", "gt", "gte", "in", "like", "ilike", "is", "match", "imatch", "isdistinct")
MAX_ID: Final = 2**27 - 1


def requested_changes(config: Json) -> list[Json]:
    """The subscriptions as the join's reply echoes them, each with an id; realtime-js takes zero for none."""
    wanted = config.get("postgres_changes") if isinstance(config, dict) else None
    if not isinstance(wanted, list):
        return []
    return [{**change, "id": _id(change)} for change in wanted if isinstance(change, dict)]


def refuse_changes(changes: list[Json]) -> str:
    """The message for the first subscription: no table here is published."""
    change = changes[0]
    schema, table, text = change.get("schema"), change.get("table"), change.get("filter")
    if schema is None and table is None:
        return "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: %{}"
    filters = _filters(text)
    if filters is None:
        return f"Error parsing `filter` params: {_split(str(text))}"
    event, select = change.get("event") or "*", change.get("select")
    return (
        "Unable to subscribe to changes with given parameters. "
        "Please check Realtime is enabled for the given connect parameters: "
        f"[event: {event}, schema: {schema or 'public'}, table: {table or '*'}, filters: {filters}, "
        f"select: {'nil' if select is None else dumps(select)}]"
    )


def _filters(text: Json) -> str | None:
    """The filter as the real server prints it: a list of {column, operator, value}. None if it cannot be read."""
    if not text:
        return "[]"
    column, _, rest = str(text).partition("=")
    operator, dot, value = rest.partition(".")
    if not dot or operator not in FILTERS:
        return None
    return f"[{{{dumps(column)}, {dumps(operator)}, {dumps(value)}}}]"


def _split(text: str) -> str:
    """The pieces that the real server was left with, as it prints them."""
    _, equals, rest = text.partition("=")
    pieces = rest.split(".", 1) if equals else [text]
    return f"[{', '.join(map(dumps, pieces))}]"


def _id(change: dict[str, Json]) -> int:
    return zlib.crc32(dumps(sorted(change.items(), key=lambda item: item[0])).encode()) % MAX_ID + 1
