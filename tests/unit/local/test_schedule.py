"""The drain's schedule: at once, then at every period, whatever the answer."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local.schedule import call_every_minute


async def test_the_drain_is_called_at_once_and_again_though_it_fails(tmp_path: Path) -> None:
    calls: asyncio.Queue[str] = asyncio.Queue()

    async def drain(request: web.Request) -> web.Response:
        calls.put_nowait(request.method)
        return web.Response(status=500 if calls.qsize() == 1 else 200, text="done")

    application = web.Application()
    application.router.add_post("/drain", drain)
    async with TestServer(application) as server:
        log = tmp_path / "schedule.log"
        schedule = asyncio.create_task(call_every_minute(str(server.make_url("/drain")), log, period=0.01))
        for _ in range(3):
            assert await asyncio.wait_for(calls.get(), 5) == "POST"
        schedule.cancel()
    assert "drain answered 500 done" in log.read_text()


async def test_a_drain_that_cannot_be_reached_is_called_again(tmp_path: Path) -> None:
    log = tmp_path / "schedule.log"
    schedule = asyncio.create_task(call_every_minute("http://127.0.0.1:1/drain", log, period=0.01))
    async with asyncio.timeout(5):
        while not log.exists() or log.read_text().count("could not be called") < 2:
            await asyncio.sleep(0.01)
    schedule.cancel()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            '{"ItemsSettled": 46, "SettleMilliseconds": 1562.4, "QueueErrors": 0}',
            "ItemsSettled 46, SettleMilliseconds 1562",
        ),
        ("{}", "nothing to do"),
        ("<html>no drain</html>", "<html>no drain</html>"),
    ],
)
async def test_the_figures_of_a_drain_are_logged_to_be_read(tmp_path: Path, answer: str, line: str) -> None:
    async def drain(_: web.Request) -> web.Response:
        return web.Response(text=answer)

    application = web.Application()
    application.router.add_post("/drain", drain)
    log = tmp_path / "schedule.log"
    async with TestServer(application) as server:
        schedule = asyncio.create_task(call_every_minute(str(server.make_url("/drain")), log))
        async with asyncio.timeout(5):
            while not log.exists() or not log.read_text():
                await asyncio.sleep(0.01)
        schedule.cancel()
    assert log.read_text().strip().endswith(f"drain answered 200 {line}")
