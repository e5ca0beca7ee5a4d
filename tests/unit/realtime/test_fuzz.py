"""Any sequence of frames, answers and times: the core never raises, answers twice, or tells who may not read."""

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.realtime.core.project import Database
from local.realtime.core.questions import Fault, Grant, Question, ReadPolicies, Replay, Stored, WritePolicies
from local.realtime.core.rest import Request, broadcast_batch, broadcast_one
from tests.unit.realtime.world import START, VERSIONS, Client, Message, World, mint, user_push

SECRET = "for members only"
# What policies say to each subject, on every topic; who is not in WRITE may not write.
READ = {
    "member": Grant(True, True),
    "reader": Grant(True, True),
    "onlooker": Grant(False, True),
    "listener": Grant(True, False),
    "stranger": Grant(False, False),
}
WRITE = {"member": Grant(True, True), "onlooker": Grant(False, True)}
LIMITS: list[dict[str, Any]] = [
    *[{}] * 8,
    {"events_per_second": 3},
    {"joins_per_second": 2},
    {"presence_events_per_second": 2},
    {"max_users": 2},
    {"max_channels": 1},
    {"payload_kilobytes": 0},
    {"channel_backoff": 5},
    {"private_only": True},
]


class Server:
    """A server with clients who each stay with one subject, so that it is known what may never reach them."""

    def __init__(self, limits: dict[str, Any], versions: list[str]) -> None:
        self.world = World(**limits)
        self.world.policies = self.policies
        self.world.stored = [
            Stored("s", "room", True, "e", json.dumps(SECRET)),
            Stored("t", "room", True, "e", SECRET.encode()),
        ]
        self.refs = 0
        self.replies: Counter[tuple[int, Any]] = Counter()
        self.clients = [self.connect(version, name) for version, name in zip(versions, READ, strict=False)]
        self.subjects = list(READ)

    def connect(self, version: str, subject: str) -> Client:
        return self.world.client(version, token=mint(sub=subject, exp=int(self.world.now) + 400))

    def policies(self, question: Question) -> Grant | Fault:
        assert isinstance(question, ReadPolicies | WritePolicies)
        subject = question.caller.claims["sub"]
        return READ[subject] if isinstance(question, ReadPolicies) else WRITE.get(subject, Grant(False, False))

    def ref(self) -> str:
        self.refs += 1
        return f"ref{self.refs}"

    def come_back(self, client: int, version: str) -> None:
        """The client connects anew, if it may."""
        project, subject = self.world.hub.project, self.subjects[client]
        self.world.leave(self.clients[client])
        if project.users < project.settings.max_users and not project.joins.triggered:
            self.clients[client] = self.connect(version, subject)

    def join(self, client: int, topic: str, private: bool, config: dict[str, Any]) -> None:
        ref = self.ref()
        payload = {"config": {"private": private, **config}}
        self.clients[client].push(f"realtime:{topic}", "phx_join", payload, ref, ref)

    def leave(self, client: int, topic: str) -> None:
        channel = self.clients[client].socket.channels.get(topic)
        if channel:
            self.clients[client].push(f"realtime:{topic}", "phx_leave", {}, self.ref(), channel.join_ref)

    def cast(self, client: int, topic: str) -> None:
        self.clients[client].cast(self._words(client, topic), topic, self.ref())

    def cast_binary(self, client: int, topic: str, is_json: bool) -> None:
        body = json.dumps(self._words(client, topic)).encode()
        self.clients[client].send(user_push("e", body, is_json=is_json, topic=topic, ref=self.ref()))

    def track(self, client: int, topic: str, event: str) -> None:
        payload = {"type": "presence", "event": event, "payload": {"words": self._words(client, topic)}}
        self.clients[client].push(f"realtime:{topic}", "presence", payload, self.ref())

    def _words(self, client: int, topic: str) -> str:
        """A secret only if it is sure to be said in private: not while frames wait behind a join."""
        speaker = self.clients[client]
        channel, heard = speaker.socket.channels.get(topic), len(speaker.received)
        speaker.push("phoenix", "heartbeat", {}, None)
        return SECRET if channel and channel.private and len(speaker.received) > heard else "hello"

    def refresh(self, client: int, topic: str, seconds: int) -> None:
        token = mint(sub=self.subjects[client], exp=int(self.world.now) + seconds)
        self.clients[client].push(f"realtime:{topic}", "access_token", {"access_token": token}, self.ref())

    def babble(self, client: int, data: str | bytes) -> None:
        self.clients[client].send(data)

    def push(self, client: int, topic: str, event: str, payload: Any) -> None:
        self.clients[client].push(f"realtime:{topic}", event, payload, self.ref())

    def commit(self, topic: str, private: bool, binary: bool, number: int) -> None:
        words = json.dumps(SECRET if private else "hello")
        self.world.commit(words.encode() if binary else words, id=str(number), topic=topic, private=private)

    def rest(self, subject: str, private: bool, one: bool) -> None:
        headers = {"authorization": f"Bearer {mint(sub=subject, exp=int(self.world.now) + 400)}"}
        payload = {"words": SECRET if private else "hello"}
        batch = {"messages": [{"topic": "room", "event": "e", "payload": payload, "private": private}]}
        request = Request(headers, json.dumps(payload if one else batch).encode(), "room", "e", private)
        project = self.world.hub.project

        def steps() -> Any:
            yield from (broadcast_one if one else broadcast_batch)(project, request)

        self.world.do(self.world.hub.perform(steps(), self.world.now))

    def answer_late(self) -> None:
        self.world.prompt = False

    def answer(self, number: int, fault: Fault | None) -> None:
        if number < len(self.world.pending):
            ask = self.world.pending.pop(number)
            if fault and not isinstance(ask.question, Replay):
                self.world.do(self.world.hub.answer(ask.answered, fault, self.world.now))
            else:
                self.world.answer(ask)

    def answer_promptly(self) -> None:
        self.world.prompt = True
        while self.world.pending:
            self.world.answer(self.world.pending.pop(0))

    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    def database(self, state: Database) -> None:
        self.world.do(self.world.hub.database_is(state, self.world.now))

    def check(self) -> None:
        """Strangers learn nothing; onlookers see who is present, but hear no broadcast; a ref is answered once."""
        for subject, client in zip(self.subjects, self.clients, strict=True):
            for message in client.take():
                presence = isinstance(message, Message) and message.event.startswith("presence_")
                if SECRET in str(message):
                    assert READ[subject].presence if presence else READ[subject].broadcast
                if isinstance(message, Message) and message.event == "phx_reply":
                    self.replies[id(client), str(message.ref)] += str(message.ref).startswith("ref")
        assert not self.replies or max(self.replies.values()) <= 1
        sockets = [client.socket for client in self.world.clients.values()]
        assert not any(socket.gone and socket.channels for socket in sockets)
        assert self.world.hub.project.users == sum(bool(socket.channels) for socket in sockets)


flags = st.booleans()
mostly = st.sampled_from([True, True, True, False])
topics = st.sampled_from(["room", "room", "room", "hall", ""])
scalars = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
configs = st.fixed_dictionaries(
    {
        "presence": st.fixed_dictionaries({"enabled": mostly}),
        "broadcast": st.fixed_dictionaries(
            {"self": flags, "ack": mostly}, optional={"replication_ready": flags, "replay": st.just({"since": 1})}
        ),
    }
)
events = st.sampled_from(["phx_join", "phx_leave", "broadcast", "presence", "access_token", "heartbeat", "x"])
who_and_where = {"client": st.integers(0, 4), "topic": topics}

# How often, what, with which arguments.
ACTIONS: list[tuple[int, str, dict[str, st.SearchStrategy[Any]]]] = [
    (6, "join", {**who_and_where, "private": mostly, "config": configs}),
    (1, "come_back", {"client": st.integers(0, 4), "version": st.sampled_from(VERSIONS)}),
    (1, "leave", who_and_where),
    (3, "cast", who_and_where),
    (2, "cast_binary", {**who_and_where, "is_json": flags}),
    (3, "track", {**who_and_where, "event": st.sampled_from(["track", "track", "untrack"])}),
    (1, "refresh", {**who_and_where, "seconds": st.sampled_from([-1, 1, 400])}),
    (1, "babble", {"client": st.integers(0, 4), "data": st.text() | st.binary() | values.map(json.dumps)}),
    (1, "push", {**who_and_where, "event": events, "payload": values}),
    (3, "commit", {"topic": topics, "private": mostly, "binary": flags, "number": st.integers(0, 3)}),
    (1, "rest", {"subject": st.sampled_from(list(READ)), "private": mostly, "one": flags}),
    (1, "answer_late", {}),
    (1, "answer", {"number": st.integers(0, 5), "fault": st.none() | st.sampled_from(Fault)}),
    (2, "answer_promptly", {}),
    (1, "wait", {"seconds": st.sampled_from([0.5, 0.5, 5, 5, 30, 61])}),
    (1, "database", {"state": st.sampled_from([Database.UP, Database.UP, Database.DOWN])}),
]
actions = st.one_of(
    [
        st.tuples(st.just(name), st.fixed_dictionaries(arguments))
        for often, name, arguments in ACTIONS
        for _ in range(often)
    ]
)


@given(
    limits=st.sampled_from(LIMITS),
    versions=st.lists(st.sampled_from(VERSIONS), min_size=5, max_size=5),
    story=st.lists(actions, min_size=10, max_size=60),
)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
def test_any_story_ends_well(
    limits: dict[str, Any], versions: list[str], story: list[tuple[str, dict[str, Any]]]
) -> None:
    server = Server(limits, versions)
    for action, arguments in story:
        getattr(server, action)(**arguments)
        server.check()
    assert server.world.now >= START
