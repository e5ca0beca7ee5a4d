"""The database as the server uses it: keeps the stream up, keeps partitions, answers the core's questions."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import errors
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from local.realtime.core.project import Database
from local.realtime.core.questions import Answer, Fault, Pause, Question, ReadPolicies, Replay, Stored, WritePolicies
from local.realtime.database.policies import Connection, may_read, may_write
from local.realtime.database.stream import stream

SCHEMA: Final = Path(__file__).parents[1] / "schema.sql"
JANITOR_SECONDS: Final = 3600.0  # often enough for a laptop that was asleep
RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

# Read as the superuser: whoever may join may have what was sent, row by row it is not asked again. Messages of one
# transaction have one time; the place in the table, to which rows are only added, keeps them apart.
MISSED: Final = """
select id::text, topic, private, event, payload::text, binary_payload from (
  select *, ctid as place from realtime.messages
  where topic = %(topic)s and private and extension = 'broadcast'
    and inserted_at >= timestamp 'epoch' + %(since)s * interval '1 millisecond'
    and inserted_at < (now() at time zone 'utc') + interval '1 minute'
  order by inserted_at desc, place desc
  limit %(limit)s
) newest order by inserted_at, place
"""

log = logging.getLogger("realtime.database")


class ProjectDatabase:
    """Connections of one project, as a superuser.

    Args:
        changed: told when the stream begins or ends.
        committed: told of each committed message, in commit order.
    """

    def __init__(self, url: str, changed: Callable[[Database], None], committed: Callable[[Stored], None]) -> None:
        self._url = url
        self._state = Database.INITIALIZING
        self._tell = changed
        self._committed = committed
        self._attempts = 0
        # Policies that never end must not hold a connection for ever.
        settings = {"autocommit": True, "options": "-c statement_timeout=10s"}
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url, kwargs=settings, min_size=1, max_size=5, timeout=5, reconnect_timeout=10, open=False
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the stream and the partitions while the context lasts."""
        async with asyncio.TaskGroup() as tasks:
            keepers = [tasks.create_task(self._keep_streaming()), tasks.create_task(self._keep_partitions())]
            try:
                yield
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await self._pool.close()

    async def answer(self, question: Question) -> Answer:
        """The answer to a question of the core; a failure is an answer, too."""
        if self._state is not Database.UP:
            return Fault.INITIALIZING if self._state is Database.INITIALIZING else Fault.UNAVAILABLE
        try:
            async with self._pool.connection() as connection:
                return await _ask(connection, question)
        except (psycopg.Error, PoolTimeout) as error:
            fault = _fault(error)
            log.warning("%s: %s", fault.name, error)
            return fault

    async def _keep_streaming(self) -> None:
        while True:
            try:
                await self._prepare()
                await stream(self._url, self._started, self._committed)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                if not self._attempts:  # the first of an outage tells it all
                    log.warning("no stream of messages: %s", error)
            self._changed(Database.DOWN)
            await asyncio.sleep(RETRY_SECONDS[min(self._attempts, len(RETRY_SECONDS) - 1)])
            self._attempts += 1

    def _changed(self, state: Database) -> None:
        self._state = state
        self._tell(state)

    def _started(self) -> None:
        self._attempts = 0
        self._changed(Database.UP)

    async def _prepare(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            row = await (
                await connection.execute("select to_regprocedure('realtime.maintain_partitions()')")
            ).fetchone()
            if not row or row[0] is None:
                await connection.execute(SCHEMA.read_bytes())
            await connection.execute("select realtime.maintain_partitions()")
        if self._pool.closed:
            await self._pool.open()
        await self._pool.check()  # connections that did not survive a restart

    async def _keep_partitions(self) -> None:
        while True:
            await asyncio.sleep(JANITOR_SECONDS)
            try:
                async with self._pool.connection() as connection:
                    await connection.execute("select realtime.maintain_partitions()")
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("partitions not maintained: %s", error)


async def _ask(connection: Connection, question: Question) -> Answer:
    match question:
        case ReadPolicies():
            return await _undone(connection, may_read(connection, question))
        case WritePolicies():
            return await _undone(connection, may_write(connection, question.caller))
        case Replay():
            return await _missed(connection, question)
        case Pause():
            return None


async def _undone(connection: Connection, probing: Awaitable[Answer]) -> Answer:
    try:
        return await probing
    finally:
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE and not connection.closed:
            await connection.rollback()


async def _missed(connection: Connection, question: Replay) -> Sequence[Stored]:
    parameters = {"topic": question.topic, "since": question.since, "limit": question.limit}
    rows = await (await connection.execute(MISSED, parameters)).fetchall()
    return [
        Stored(message_id, topic, private, event, binary if text is None else text)
        for message_id, topic, private, event, text, binary in rows
    ]


def _fault(error: Exception) -> Fault:
    match error:
        case PoolTimeout():
            return Fault.POOL_EXHAUSTED
        case errors.QueryCanceled():
            return Fault.CANCELED
        case errors.CheckViolation() if error.diag.table_name == "messages":
            return Fault.MISSING_PARTITION
        case errors.TooManyConnections():
            return Fault.TOO_MANY_CONNECTIONS
        case psycopg.OperationalError() if error.sqlstate is None or error.sqlstate[:2] in ("08", "57"):
            return Fault.UNAVAILABLE
    return Fault.POLICY
