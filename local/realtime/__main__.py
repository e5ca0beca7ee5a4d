"""`python -m local.realtime`: runs the server until it is told to stop. See `environment` for the settings."""

import asyncio
import logging
import os
import signal
import sys
import time

from aiohttp import web

from local.realtime.core.hub import Hub
from local.realtime.engine import Engine
from local.realtime.environment import Environment, RandomIds, read_environment
from local.realtime.web import Doors


async def serve(environment: Environment) -> None:
    """Serves until SIGTERM or SIGINT; clients are then told to come again."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hub = Hub(environment.settings, environment.verifier, RandomIds(), time.time())
    engine = Engine(hub, environment.database_url, environment.max_buffer)
    runner = web.AppRunner(Doors(engine, environment.keys).application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        async with engine.running():
            site = web.TCPSite(runner, environment.host, environment.port)
            await site.start()
            await stop.wait()
            await site.stop()
    finally:
        await runner.cleanup()


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        environment = read_environment(os.environ)
    except (KeyError, ValueError) as error:
        sys.exit(f"realtime: bad setting {error}")
    asyncio.run(serve(environment))


if __name__ == "__main__":
    main()
