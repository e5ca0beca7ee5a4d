"""Asks row-level security what a caller may do on a topic: probe rows in transactions that are always rolled back."""

from typing import Any, Final
from uuid import uuid4

from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.errors import InsufficientPrivilege

from local.realtime.core.questions import Caller, Grant, ReadPolicies
from local.realtime.core.text import dumps

Connection = AsyncConnection[tuple[Any, ...]]

IMPERSONATE: Final = """
select set_config('role', %(role)s, true), set_config('realtime.topic', %(topic)s, true),
  set_config('request.jwt.claims', %(claims)s, true), set_config('request.jwt.claim.sub', %(sub)s, true),
  set_config('request.jwt.claim.role', %(role)s, true), set_config('request.headers', %(headers)s, true);
"""
PROBE: Final = "(%(topic)s, '{0}', now() at time zone 'utc', now() at time zone 'utc', %({0})s)"

# One message, one round trip: the rows go in as the superuser, the question is asked as the caller.
READ: Final = f"""
begin;
insert into realtime.messages (topic, extension, inserted_at, updated_at, id) values {{probes}};
{IMPERSONATE}
select id from realtime.messages where id in (%(broadcast)s, %(presence)s);
rollback
"""  # noqa: S608 (constant text: values are bound)
# No `returning`: that would ask the policies for reading, too.
WRITE: Final = """
savepoint probe;
insert into realtime.messages (topic, extension, inserted_at, updated_at)
values (%(topic)s, %(extension)s, now() at time zone 'utc', now() at time zone 'utc')
"""


async def may_read(connection: Connection, question: ReadPolicies) -> Grant:
    """Whether the caller would see a broadcast (and presence) row of the topic."""
    extensions = ["broadcast", "presence"] if question.presence else ["broadcast"]
    ids = {"broadcast": uuid4(), "presence": uuid4()}
    query = READ.format(probes=", ".join(map(PROBE.format, extensions)))
    async with AsyncClientCursor(connection) as cursor:
        await cursor.execute(query.encode(), {**_impersonation(question.caller), **ids})
        for _ in range(3):  # to the result of the last select
            cursor.nextset()
        seen = {row[0] for row in await cursor.fetchall()}
    return Grant(ids["broadcast"] in seen, ids["presence"] in seen if question.presence else None)


async def may_write(connection: Connection, caller: Caller) -> Grant:
    """Whether the caller could insert a broadcast row of the topic, and a presence row."""
    async with AsyncClientCursor(connection) as cursor:
        await cursor.execute(f"begin; {IMPERSONATE}".encode(), _impersonation(caller))
        granted = {extension: await _insert(cursor, caller, extension) for extension in ("broadcast", "presence")}
        await cursor.execute("rollback")
    return Grant(granted["broadcast"], granted["presence"])


async def _insert(cursor: AsyncClientCursor[tuple[Any, ...]], caller: Caller, extension: str) -> bool:
    try:
        await cursor.execute(WRITE, {"topic": caller.topic, "extension": extension})
    except InsufficientPrivilege:
        await cursor.execute("rollback to savepoint probe")
        return False
    return True


def _impersonation(caller: Caller) -> dict[str, str | None]:
    sub = caller.claims.get("sub")
    return {
        "role": _text(caller.claims["role"]),
        "topic": caller.topic,
        "claims": dumps(caller.claims),
        "sub": None if sub is None else _text(sub),
        "headers": dumps(dict(caller.headers)),
    }


def _text(claim: object) -> str:
    return claim if isinstance(claim, str) else dumps(claim)
