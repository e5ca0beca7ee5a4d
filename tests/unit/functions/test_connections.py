"""Kept connections: each answer reaches its own request, and what breaks is told as httpx would tell it."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from realtime_likes import connections
from realtime_likes.connections import Connections
from realtime_likes.postgrest_database import open_http

CLOSE = b"{close}"


class Script:
    """A server that says what the script has for each request, word for word, and then goes on or closes."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.replies: queue.Queue[bytes] = queue.Queue()
        self.requests: list[tuple[int, bytes]] = []
        self.connections = 0
        self.closed = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def will_say(self, *replies: bytes) -> None:
        for reply in replies:
            self.replies.put(reply)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := _request(connection):
                self.requests.append((number, request))
                reply = self.replies.get(timeout=30).replace(b"{echo}", request.rpartition(b"\r\n\r\n")[2])
                connection.sendall(reply.removesuffix(CLOSE))
                if reply.endswith(CLOSE):
                    break
        except OSError:
            pass  # the other side broke off
        finally:
            connection.close()
            self.closed.set()


def _request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(65536)
        if not more:
            return b""
        request += more
    head, _, body = request.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    yield server
    server.stop()


@pytest.fixture
def http() -> Iterator[Connections]:
    with Connections(httpx.create_ssl_context(), httpx.Timeout(10, read=0.5)) as opened:
        yield opened


def ask(http: Connections, url: str, body: bytes = b"{}", **headers: str) -> httpx.Response:
    return http.request("POST", url, content=body, headers=headers)


def test_a_request_says_what_it_was_told_to(http: Connections, script: Script) -> None:
    script.will_say(reply(b"[]"))

    ask(http, f"{script.url}/rpc/name?a=b", b'{"x":"\xc3\xa9"}', apikey="key")

    (_, request), host = script.requests[0], script.url.removeprefix("http://").encode()
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /rpc/name?a=b HTTP/1.1\r\n")
    assert body == b'{"x":"\xc3\xa9"}'
    assert {b"Host: " + host, b"apikey: key", b"Content-Length: 10"} < set(head.split(b"\r\n"))


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com", "http://"])
def test_other_urls_are_refused(http: Connections, url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        ask(http, url)


def test_answers_of_every_kind_leave_the_connection_open(http: Connections, script: Script) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    packed = reply(gzip.compress(b"packed"), b"Content-Encoding: gzip")
    foreign = reply(b"x", "X-Name: Ren\xe9".encode("latin-1"), status=b"404 Nichts da")
    script.will_say(
        chunked, packed, foreign, reply(b""), b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 100\r\n\r\n" + reply(b"y")
    )

    answers = [ask(http, script.url) for _ in range(6)]

    assert [answer.content for answer in answers] == [b"abcde", b"packed", b"x", b"", b"", b"y"]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200, 204, 200]
    assert script.connections == 1


@pytest.mark.parametrize("last", [reply(b"a", b"Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"])
def test_a_server_that_says_goodbye_is_not_asked_on_the_same_connection(
    http: Connections, script: Script, last: bytes
) -> None:
    script.will_say(last, reply(b"b"))

    assert [ask(http, script.url).content for _ in range(2)] == [b"a", b"b"]
    assert [number for number, _ in script.requests] == [1, 2]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(http: Connections, script: Script) -> None:
    script.will_say(reply(b"a") + CLOSE, reply(b"b"))
    ask(http, script.url)
    assert script.closed.wait(10)

    assert ask(http, script.url).content == b"b"
    assert [number for number, _ in script.requests] == [1, 2]


def test_what_a_server_says_unasked_is_never_an_answer(http: Connections, script: Script) -> None:
    script.will_say(reply(b"a"), reply(b"c"))
    ask(http, script.url)
    ((_, connection),) = next(iter(http._kept.values()))
    mine, theirs = socket.socketpair()
    theirs.sendall(reply(b"b", status=b"408 Request Timeout"))
    connection.sock.close()
    connection.sock = mine

    assert ask(http, script.url).content == b"c"
    theirs.close()


def test_an_interim_answer_is_not_taken_for_the_answer(http: Connections, script: Script) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    script.will_say(hints + reply(b"of the first"), reply(b"of the second"))

    with pytest.raises(httpx.RemoteProtocolError):
        ask(http, script.url)
    assert ask(http, script.url).content == b"of the second"


def test_a_connection_is_kept_for_so_long_only(
    http: Connections, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.will_say(reply(b"a"), reply(b"b"))
    ask(http, script.url)
    monkeypatch.setattr(connections, "KEPT_SECONDS", 0)
    ask(http, script.url)

    assert [number for number, _ in script.requests] == [1, 2]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (CLOSE, httpx.RemoteProtocolError),
        (b"SSH-2.0-OpenSSH\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 OK\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", httpx.ReadTimeout),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200", httpx.ReadTimeout),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort" + CLOSE, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort" + CLOSE, httpx.RemoteProtocolError),
        (reply(b"no gzip", b"Content-Encoding: gzip"), httpx.DecodingError),
    ],
)
def test_an_answer_that_is_none_is_an_error_and_the_next_one_is_fresh(
    http: Connections, script: Script, said: bytes, expected: type[Exception]
) -> None:
    script.will_say(said, reply(b"good"))

    with pytest.raises(expected):
        ask(http, script.url)

    assert ask(http, script.url).content == b"good"


def test_a_reset_is_a_read_error(http: Connections, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def reset(*_: object) -> None:
        raise ConnectionResetError("reset")

    monkeypatch.setattr(connections, "_read", reset)
    script.will_say(reply(b"a"))
    with pytest.raises(httpx.ReadError):
        ask(http, script.url)
    assert script.closed.wait(10)


def test_a_connection_that_was_never_made_is_told_apart(http: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(httpx.ConnectError):
        ask(http, "http://127.0.0.1:9")

    def too_slow(*_: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", too_slow)
    with pytest.raises(httpx.ConnectTimeout):
        ask(http, "http://127.0.0.1:9")


@pytest.mark.parametrize("value", ["a\r\nX-Role: service", "a\nb", "a\rb"])
def test_a_header_cannot_become_two(http: Connections, script: Script, value: str) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        ask(http, script.url, authorization=value)

    assert script.closed.wait(10)
    assert script.requests == []


def test_each_of_many_threads_gets_its_own_answer(http: Connections, script: Script) -> None:
    bodies = [b"%d" % number for number in range(400)]
    script.will_say(*[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{echo}\r\n0\r\n\r\n"] * len(bodies))
    bodies = [body.rjust(3, b"0") for body in bodies]

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda body: ask(http, script.url, body).content, bodies))

    assert answers == bodies
    assert script.connections <= 16


def test_no_more_are_kept_than_useful(http: Connections, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_KEPT", 0)
    script.will_say(reply(b"a"), reply(b"b"))

    assert [ask(http, script.url).content for _ in range(2)] == [b"a", b"b"]
    assert [number for number, _ in script.requests] == [1, 2]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server that calls itself 127.0.0.1, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture
def guarded(certificate: Path) -> Iterator[Script]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = Script(context)
    yield server
    server.stop()


def test_tls_connections_are_kept_too(guarded: Script, certificate: Path) -> None:
    guarded.will_say(reply(b"a"), reply(b"b"))

    with Connections(ssl.create_default_context(cafile=str(certificate))) as http:
        assert [ask(http, guarded.url).content for _ in range(2)] == [b"a", b"b"]
    assert guarded.connections == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_server_that_cannot_prove_its_name_hears_nothing(guarded: Script, certificate: Path, name: str) -> None:
    trusting_nobody = httpx.create_ssl_context()
    tls = trusting_nobody if name == "127.0.0.1" else ssl.create_default_context(cafile=str(certificate))

    with Connections(tls) as http, pytest.raises(httpx.ConnectError):
        ask(http, guarded.url.replace("127.0.0.1", name))
    assert guarded.requests == []


def test_a_proxy_is_left_to_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    tls = httpx.create_ssl_context()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with open_http(tls) as direct:
        assert isinstance(direct, Connections)

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    with open_http(tls) as through_a_proxy:
        assert isinstance(through_a_proxy, httpx.Client)
