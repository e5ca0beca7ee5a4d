"""The two entry points as doors of one shape, so that each test of the contract goes through both."""

from __future__ import annotations

import base64
import importlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import functions_framework
import pytest

from realtime_likes import compose

MAIN = "functions/main.py"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["code"])


class Door(Protocol):
    def send(self, function: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer: ...


class FrameworkDoor:
    """functions-framework's own Flask application around main.py."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._clients: dict[str, Any] = {}

    def send(self, function: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if function not in self._clients:
            self._monkeypatch.setenv("FUNCTION_TARGET", function)  # the framework sets it too, and never back
            self._monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "http")
            create_app: Any = functions_framework.create_app
            self._clients[function] = create_app(function, MAIN).test_client()
        given = self._clients[function].open(path, method=method, headers=dict(headers), data=body)
        return Answer(given.status_code, {k.lower(): v for k, v in given.headers.items()}, given.data)


class LambdaDoor:
    """Events of a Lambda function URL (payload format 2.0), given to the handlers in aws.py."""

    def __init__(self, *, as_base64: bool) -> None:
        self._as_base64 = as_base64
        self._aws = importlib.import_module("aws")

    def send(self, function: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        raw_path, _, query = path.partition("?")
        event: dict[str, Any] = {
            "version": "2.0",
            "rawPath": raw_path,
            "rawQueryString": query,
            "headers": {name.lower(): value for name, value in headers.items()},
            "requestContext": {"http": {"method": method, "path": raw_path}, "requestId": "abc"},
            "isBase64Encoded": self._as_base64,
        }
        if body:
            event["headers"].setdefault("content-length", str(len(body)))
            event["body"] = (
                base64.b64encode(body).decode() if self._as_base64 else body.decode("utf-8", "surrogateescape")
            )
        given = getattr(self._aws, function)(event, None)
        assert given["isBase64Encoded"] is False
        return Answer(given["statusCode"], given["headers"], given["body"].encode())


class Api:
    """What a test says to a function."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def __call__(
        self,
        function: str,
        method: str = "GET",
        path: str = "/",
        *,
        query: Mapping[str, object] | None = None,
        json_body: Any = None,
        body: bytes | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("authorization", f"Bearer {token}")
        if body is None:
            body = b"" if json_body is None else json.dumps(json_body).encode()
        if body:
            sent.setdefault("content-type", "application/json")
        target = f"{path}?{urlencode(query)}" if query else path
        return self.door.send(function, method, target, {k: v for k, v in sent.items() if v}, body)


def forget_built_functions() -> None:
    for built in (compose.application, compose.drain, compose.settings_of):
        built.cache_clear()
    # Powertools sets up a logger once per process, with the output and the level of that moment
    for function in ("likes", "authors", "notifications", "health", "drain"):
        logging.Logger.manager.loggerDict.pop(function, None)
