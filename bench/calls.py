"""An HTTP client that costs a benchmark little: one kept connection, requests as bytes, answers read and timed."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Calls:
    """One connection to a server on this machine. A context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.close()

    def post(self, request: bytes) -> float:
        """Milliseconds until the whole answer is there. Raises RuntimeError unless it is a 200."""
        begun = time.perf_counter()
        self._socket.sendall(request)
        answer = self._answer()
        took = 1000 * (time.perf_counter() - begun)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        return took

    def _answer(self) -> bytes:
        answer = b""
        while not _is_whole(answer):
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError(f"The server closed the connection after {answer!r}")
            answer += more
        return answer


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    length = head.lower().partition(b"content-length:")[2]
    if length:
        return len(body) >= int(length.partition(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")  # chunked, as PostgREST answers


def request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST of JSON."""
    lines = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def rate(port: int, make: Callable[[], bytes], clients: int, seconds: float) -> float:
    """Requests per second of so many connections at once."""
    end = time.perf_counter() + seconds

    def client(_: int) -> int:
        done = 0
        with Calls(port) as calls:
            while time.perf_counter() < end:
                calls.post(make())
                done += 1
        return done

    with ThreadPoolExecutor(clients) as threads:
        return sum(threads.map(client, range(clients))) / seconds
