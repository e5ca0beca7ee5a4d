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
from local.realtime.patience import Patience
from local.realtime.web import Doors


async def serve(environment: Environment) -> None:
    """Serves until SIGTERM or SIGINT; clients are then told to come again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = Hub(environment.settings, environment.verifier, RandomIds(), time.time())
    engine = Engine(hub, environment.database_url, environment.max_buffer)
    patience = Patience(environment.header_timeout)
    application = Doors(engine, environment.keys, patience).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    doors = patience.doors(runner)
    try:
        async with engine.running():
            listener = await loop.create_server(doors, environment.host, environment.port, backlog=1024)
            await stop.wait()
            listener.close()
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
