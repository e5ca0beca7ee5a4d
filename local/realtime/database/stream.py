"""The stream of committed messages: logical replication, so rows come in commit order and never from a rollback."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Final

from psycopg import AsyncConnection, OperationalError, generators, pq

from local.realtime.core.questions import Stored
from local.realtime.database.pgoutput import Decoder

PUBLICATION: Final = "supabase_realtime_messages_publication"
SLOT: Final = "supabase_realtime_messages_replication_slot_"
STATUS_SECONDS: Final = 10.0  # well under the server's wal_sender_timeout of 60 s


async def stream(url: str, started: Callable[[], None], received: Callable[[Stored], None]) -> None:
    """Reports every row inserted into realtime.messages from now on.

    Calls `started` when no further commit can be missed, and `received` for each row. Runs until it is cancelled.

    Raises:
        OperationalError: the connection is lost.
    """
    connection = await AsyncConnection.connect(url, autocommit=True, replication="database")
    try:
        slot = SLOT + secrets.token_hex(4)
        create = f"CREATE_REPLICATION_SLOT \"{slot}\" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')"
        await connection.execute(create.encode())
        options = f"proto_version '2', publication_names '{PUBLICATION}', binary 'true'"
        await _begin_copy(connection, f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0 ({options})')
        started()
        await _Copy(connection.pgconn, received).run()
    finally:
        await connection.close()


async def _begin_copy(connection: AsyncConnection, command: str) -> None:
    """Sends the command that turns the connection into a stream; cursors know of no such state."""
    pgconn = connection.pgconn
    pgconn.send_query(command.encode())
    result = (await connection.wait(generators.execute(pgconn)))[-1]
    if result.status != pq.ExecStatus.COPY_BOTH:
        raise OperationalError(f"no replication: {pgconn.get_error_message()}")


class _Copy:
    """Reads the stream whenever its socket has something, without a task switch per message."""

    def __init__(self, pgconn: pq.abc.PGconn, received: Callable[[Stored], None]) -> None:
        self._pgconn = pgconn
        self._received = received
        self._decoder = Decoder()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        loop, descriptor = asyncio.get_running_loop(), self._pgconn.socket
        loop.add_reader(descriptor, self._readable)
        try:
            while True:
                await asyncio.wait([self._failure], timeout=STATUS_SECONDS)
                if self._failure.done():
                    return self._failure.result()
                self._send_status()
        finally:
            loop.remove_reader(descriptor)

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            self._drain()
        except Exception as error:  # a reader has nobody to raise to: `run` does it
            if not self._failure.done():
                self._failure.set_exception(error)

    def _drain(self) -> None:
        while True:
            size, data = self._pgconn.get_copy_data(1)
            if size == 0:
                return
            if size < 0:
                raise OperationalError("the server ended the stream")
            row, wants_status = self._decoder.feed(bytes(data))
            if row:
                self._received(row)
            if wants_status:
                self._send_status()

    def _send_status(self) -> None:
        self._pgconn.put_copy_data(self._decoder.status(time.time()))
        self._pgconn.flush()
