"""`bin/tail user:<id>` or `bin/tail content:<type>:<id>`: did it arrive? Prints the events of a channel as they come.

It is a client like any other: the official one, on the running local stack or on any project.
"""

import argparse
import asyncio
import json
import logging
import re
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
from realtime import RealtimeSubscribeStates
from realtime.types import BroadcastPayload
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthError

from local.console import say
from local.errors import StackError
from local.events import sentence

_STACK: Final = Path(__file__).resolve().parent.parent / ".local" / "stack.json"
_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_USER: Final = re.compile(f"user:({_UUID})")
_CONTENT: Final = re.compile(f"content:[a-z_]+:{_UUID}")
# A first connection that takes longer will not come; a lost one is tried again for as long as the developer waits.
_CONNECT_SECONDS: Final = 10
_TOKEN_SECONDS: Final = 7 * 24 * 3600


@dataclass(frozen=True)
class Follower:
    """Who listens, and where. Without `token` and `email` it is a visitor."""

    url: str
    key: str
    token: str | None = None
    email: str | None = None
    password: str | None = None

    async def connect(self) -> AsyncClient:
        """A client with this identity, whose session renews itself.

        Raises:
            StackError: nobody answers, or the sign-in is refused.
        """
        client = await acreate_client(self.url, self.key, AsyncClientOptions(auto_refresh_token=True))
        client.realtime.max_retries = sys.maxsize
        try:
            await self._knock()
            if self.email is not None:
                await client.auth.sign_in_with_password({"email": self.email, "password": self.password or ""})
            await asyncio.wait_for(client.realtime.connect(), _CONNECT_SECONDS)
        except AuthError as error:
            raise StackError(f"The sign-in of {self.email} was refused: {error.message}") from error
        except TimeoutError as error:
            raise StackError(f"Realtime does not answer at {self.url}.") from error
        except httpx.HTTPError as error:
            raise StackError(f"Nothing answers at {self.url}: {error or type(error).__name__}.") from error
        if self.token is not None:
            await client.realtime.set_auth(self.token)
        return client

    async def _knock(self) -> None:
        async with httpx.AsyncClient(timeout=_CONNECT_SECONDS) as http:
            answer = await http.get(f"{self.url}/auth/v1/health", headers={"apikey": self.key})
        if answer.status_code in (401, 403):
            raise StackError(f"The key is refused at {self.url}.")


async def follow(follower: Follower, topic: str) -> None:
    """Print what is broadcast on a private channel, for ever.

    Raises:
        StackError: the channel, or the connection, was refused.
    """
    client = await follower.connect()
    options: Any = {"config": {"private": True}}  # The client's type asks for every option.
    channel = client.channel(topic, options)
    channel.on_broadcast("*", _show)
    state = _State(topic)
    await channel.subscribe(state.changed)
    try:
        await state.refused
    finally:
        await client.remove_all_channels()


class _State:
    """Tells how it stands with the channel; a refusal ends it, a lost connection does not: the client comes again."""

    def __init__(self, topic: str) -> None:
        self.refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._topic = topic
        self._was_joined = False

    def changed(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state is RealtimeSubscribeStates.SUBSCRIBED:
            self._was_joined = True
            _print("joined", self._topic)
        elif self._was_joined:
            _print("interrupted", f"{_reason(error)}; coming again")
        elif not self.refused.done():
            self.refused.set_exception(StackError(f"The channel {self._topic} was refused: {_reason(error)}"))


def _reason(error: Exception | None) -> str:
    text = str(error) if error is not None else "no answer in time"
    try:
        return str(json.loads(text)["reason"])
    except (ValueError, KeyError, TypeError):
        return text


def _show(message: BroadcastPayload) -> None:
    _print(message["event"], sentence(message["event"], message["payload"]))


def _print(name: str, text: str) -> None:
    now = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
    say(f"{now}  {name:<20}  {text}")


def main(arguments: list[str] | None = None) -> int:
    """Follow as the command line says, until Ctrl-C. Returns the exit status."""
    logging.getLogger("realtime").setLevel(logging.CRITICAL)  # What happens is told in our own lines.
    try:
        given = _parser().parse_args(arguments)
        topic = _topic(given.topic)
        asyncio.run(follow(_follower(given, topic), topic))
    except StackError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/tail", description="Prints the events of a channel, of the running local stack or of any project."
    )
    parser.add_argument("topic", help="user:<id> or content:<type>:<id>")
    parser.add_argument("--url", help="the project, such as https://abc.supabase.co (default: the local stack)")
    parser.add_argument("--key", help="its publishable key")
    parser.add_argument("--token", help="listen as whom this access token names")
    parser.add_argument("--email", help="listen as this user, with --password")
    parser.add_argument("--password")
    parser.add_argument("--stack", type=Path, default=_STACK, help="stack.json of the local stack")
    return parser


def _topic(text: str) -> str:
    topic = text.lower()
    if not (_USER.fullmatch(topic) or _CONTENT.fullmatch(topic)):
        raise StackError(f"{text} is no channel: name user:<id> or content:<type>:<id>, the id a UUID.")
    return topic


def _follower(given: argparse.Namespace, topic: str) -> Follower:
    if (given.email is None) != (given.password is None):
        raise StackError("--email and --password belong together.")
    who = {"token": given.token, "email": given.email, "password": given.password}
    if given.url is not None:
        if given.key is None:
            raise StackError("--url needs the project's publishable --key.")
        return Follower(given.url.rstrip("/"), given.key, **who)
    stack = _read(given.stack)
    owner = _USER.fullmatch(topic)
    if owner and given.token is None and given.email is None:
        # The secret of a local stack is known to all the world: whoever is asked for, one may be.
        claims = {"sub": owner[1], "role": "authenticated", "exp": int(time.time()) + _TOKEN_SECONDS}
        who["token"] = jwt.encode(claims, stack["jwt_secret"], algorithm="HS256")
    return Follower(stack["url"], stack["publishable_key"], **who)


def _read(path: Path) -> dict[str, Any]:
    try:
        stack: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StackError(f"No stack is running ({path} is missing): start bin/dev, or give --url and --key.") from error
    return stack


if __name__ == "__main__":
    sys.exit(main())
