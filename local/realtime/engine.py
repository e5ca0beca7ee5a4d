"""Carries out what the core wants: writes frames, closes sockets, asks the database, keeps the time."""

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from local.realtime.core.effects import Ask, Close, Deliver, Effect
from local.realtime.core.hub import Hub
from local.realtime.core.project import Database, Project
from local.realtime.core.questions import Steps, Stored
from local.realtime.core.rest import Response
from local.realtime.core.socket import Socket
from local.realtime.database.adapter import ProjectDatabase

LINGER_SECONDS: Final = 2.0
CLOSE_FRAME: Final = 0x88
MAX_BACKLOG: Final = 64  # frames of one socket that wait for an answer of the database, before reading it pauses

log = logging.getLogger("realtime")


class Connection:
    """The transport of one socket. Frames are written to it as they are: the core encodes each only once."""

    def __init__(self, transport: asyncio.Transport, max_buffer: int) -> None:
        self.closing = False
        self._transport = transport
        self._max_buffer = max_buffer

    def write(self, wire: bytes) -> None:
        """Sends, or drops a client that reads too slowly: what waits for it must not fill the memory."""
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(wire)
        if transport.get_write_buffer_size() > self._max_buffer:
            log.warning("a client reads too slowly and is dropped")
            transport.abort()

    def close(self, code: int | None) -> None:
        """Says goodbye with this code and gives the client time to answer, or cuts the line.

        Whoever reads the socket goes on until then: unread data at the end would turn the goodbye into a reset.
        """
        if code is None:
            self._transport.abort()
        elif not self.closing:
            self.closing = True
            self.write(struct.pack("!BBH", CLOSE_FRAME, 2, code))
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)


class Engine:
    """The core's hands and clock.

    Args:
        max_buffer: bytes that may wait for one slow client.
    """

    def __init__(self, hub: Hub, database_url: str, max_buffer: int) -> None:
        self.hub = hub
        self.ready = asyncio.Event()  # set while committed messages stream in
        self._database = ProjectDatabase(database_url, self._database_is, self._committed)
        self._max_buffer = max_buffer
        self._connections: dict[Socket, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._answered = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves the core while the context lasts; at its end every client is told to come again."""
        async with self._database.running():
            self._keep_time()
            yield
            self.do(self.hub.stop(time.time()))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), LINGER_SECONDS + 1)
            for task in self._tasks:
                task.cancel()
            if self._timer:
                self._timer.cancel()

    def attach(self, socket: Socket, transport: asyncio.Transport) -> Connection:
        """Binds a socket of the core to its line."""
        self._connections[socket] = connection = Connection(transport, self._max_buffer)
        self._empty.clear()
        return connection

    def detach(self, socket: Socket) -> None:
        """The line is gone."""
        self._connections.pop(socket, None)
        self.do(self.hub.disconnect(socket, time.time()))
        if not self._connections:
            self._empty.set()

    async def caught_up(self, socket: Socket) -> None:
        """Waits while too many frames of a socket are still unanswered: its client may not fill the memory."""
        while socket.backlog > MAX_BACKLOG and not socket.gone:
            self._answered.clear()
            await self._answered.wait()

    async def perform(self, process: Callable[[Project], Steps[Response]]) -> Response:
        """Runs a process that belongs to no socket, to its result."""
        result: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def steps() -> Steps[None]:
            response = yield from process(self.hub.project)
            if not result.done():  # the client may be gone
                result.set_result(response)

        self.do(self.hub.perform(steps(), time.time()))
        return await result

    def do(self, effects: list[Effect]) -> None:
        """Carries out effects in their order."""
        for effect in effects:
            match effect:
                case Deliver(frame, sockets):
                    wire, connections = frame.wire, self._connections
                    for socket in sockets:
                        if connection := connections.get(socket):
                            connection.write(wire)
                case Ask():
                    self._start(self._ask(effect))
                case Close(socket, code):
                    if connection := self._connections.get(socket):
                        connection.close(code)
        self._keep_time()

    async def _ask(self, ask: Ask) -> None:
        answer = await self._database.answer(ask.question)
        self.do(self.hub.answer(ask.answered, answer, time.time()))
        self._answered.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _keep_time(self) -> None:
        """Wakes up when the core next has something to do."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(self.hub.next_tick - time.time(), 0)
        if self._timer and not self._timer.cancelled() and self._timer.when() <= due:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.do(self.hub.tick(time.time()))
        self._answered.set()

    def _database_is(self, state: Database) -> None:
        if state is Database.UP:
            self.ready.set()
        else:
            self.ready.clear()
        self.do(self.hub.database_is(state, time.time()))

    def _committed(self, message: Stored) -> None:
        self.do(self.hub.committed(message, time.time()))
