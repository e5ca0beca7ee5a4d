"""All that a Lambda function talks to, in one small server: the Runtime API, Auth's keys, PostgREST, SSM, SQS."""

import hashlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

USER: Final = str(uuid.uuid4())
CONTENT: Final = str(uuid.uuid4())
SECRET_KEY: Final = "sb_secret_of_ssm"
SECRET_KEY_PARAMETER: Final = "/realtime-likes/bench/supabase-secret-key"
TOGGLED: Final = {
    "liked": True,
    "total_likes": 8,
    "changed": True,
    "version": 17,
    "intent": 1,
    "viewers": 3,
    "author": {"id": str(uuid.uuid4()), "username": "ada", "display_name": "Ada"},
}


class LambdaWorld:
    """Gives each process one event, a like with an ES256 token, and takes the answer. A context manager.

    `wakes`: the database asks for a wake-up, so the function has a message to send.
    """

    def __init__(self) -> None:
        self.wakes = False
        self.messages = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._given = threading.Event()
        self._answered = threading.Event()
        self._over = threading.Event()
        self._answer: dict[str, Any] = {}
        self._answered_at = 0.0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.world = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def await_event(self) -> None:
        """Make the like ready for the next process."""
        self._given.clear()
        self._answered.clear()

    def wait_for_answer(self, within: float) -> float:
        """When the answer came, by `time.perf_counter`. Raises TimeoutError, and RuntimeError if it is no success."""
        if not self._answered.wait(within):
            raise TimeoutError("the function did not answer")
        if self._answer.get("statusCode") != 200:
            raise RuntimeError(f"the function answered {self._answer}")
        return self._answered_at

    def next_event(self) -> bytes | None:
        """The like, for who asks first; all others wait until it is over, as on Lambda."""
        if self._given.is_set():
            self._over.wait()
            return None
        self._given.set()
        return json.dumps(self.event()).encode()

    def take_answer(self, body: bytes) -> None:
        """Notes the time before anything else."""
        self._answered_at = time.perf_counter()
        self._answer = json.loads(body)
        self._answered.set()

    def keys(self) -> bytes:
        """What Auth publishes."""
        key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**key, "kid": "1", "alg": "ES256", "use": "sig"}]}).encode()

    def toggled(self) -> bytes:
        """What the database says of the like."""
        return json.dumps({**TOGGLED, "wake_after_ms": 1000 if self.wakes else None}).encode()

    def secrets(self) -> bytes:
        """What SSM has."""
        found = {"Name": SECRET_KEY_PARAMETER, "Type": "SecureString", "Value": SECRET_KEY, "Version": 1}
        return json.dumps({"Parameters": [found], "InvalidParameters": []}).encode()

    def sent(self, body: bytes) -> bytes:
        """What SQS says of a message; its client compares the hash."""
        self.messages += 1
        text = json.loads(body)["MessageBody"]
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return json.dumps({"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest}).encode()

    def event(self) -> dict[str, Any]:
        """A like, as a function URL passes it on."""
        claims = {
            "sub": USER,
            "aud": "authenticated",
            "role": "authenticated",
            "iss": f"http://{self.address}/auth/v1",
            "exp": int(time.time()) + 3600,
        }
        token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "1"})
        return {
            "version": "2.0",
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {"content-type": "application/json", "authorization": f"Bearer {token}"},
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "body": json.dumps({"content_type": "post", "content_id": CONTENT, "liked": True, "intent": 1}),
            "isBase64Encoded": False,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    world: LambdaWorld

    def handle_error(self, *_: object) -> None:
        """A function that was stopped after its answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path.endswith("/invocation/next"):
            event = self.server.world.next_event()
            if event is not None:
                self._reply(200, event, self._invocation())
        else:
            self._reply(200, self.server.world.keys(), {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/2018-06-01/"):
            self.server.world.take_answer(body)
            self._reply(202, b"{}", {})
        elif self.path == "/rest/v1/rpc/toggle_like":
            known = self.headers["apikey"] == SECRET_KEY
            self._reply(200, self.server.world.toggled(), {}) if known else self._reply(401, b"{}", {})
        elif self.headers["x-amz-target"] == "AmazonSSM.GetParameters":
            self._reply(200, self.server.world.secrets(), {})
        else:
            self._reply(200, self.server.world.sent(body), {})

    def _invocation(self) -> dict[str, str]:
        return {
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 30_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:000000000000:function:likes",
        }

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
