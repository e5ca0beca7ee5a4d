"""Calls the drain every minute, as Cloud Scheduler and EventBridge do where the functions are deployed."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Final, NoReturn

import aiohttp

PERIOD_SECONDS: Final = 60
# One drain ends before the next is due, and leaves a moment for what it has in hand.
DRAIN_SECONDS: Final = 58


async def call_every_minute(url: str, log: Path, period: float = PERIOD_SECONDS) -> NoReturn:
    """Post to the drain at once and then at every period. A failure is logged: the next call is the retry."""
    logger = _logger(log)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=10)) as session:
        due = asyncio.get_running_loop().time()
        while True:
            logger.info(await _call(session, url))
            due = max(due + period, asyncio.get_running_loop().time())
            await asyncio.sleep(due - asyncio.get_running_loop().time())


async def _call(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.post(url, json={}) as answer:
            return f"drain answered {answer.status} {_readable(await answer.text())}"
    except aiohttp.ClientError as error:
        return f"drain could not be called: {error}"


def _readable(text: str) -> str:
    """The figures of a drain as a person reads them; anything else as it came."""
    try:
        figures = {name: float(value) for name, value in json.loads(text).items() if value}
    except (ValueError, TypeError, AttributeError):
        return text[:500]
    return ", ".join(f"{name} {value:.0f}" for name, value in figures.items()) or "nothing to do"


def _logger(log: Path) -> logging.Logger:
    logger = logging.getLogger("local.schedule")
    handler = logging.FileHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
