"""Channels on the wire, with policies evaluated by the real database (protocol 2, 3.1, 4, 5)."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.realtime.conftest import Database
from tests.integration.realtime.wire import Wire, mint

OK = {"status": "ok", "response": {"postgres_changes": []}}
EMPTY = {"status": "ok", "response": {}}
Connect = Callable[..., Any]


def refused(topic: str) -> dict[str, Any]:
    reason = f"Unauthorized: You do not have permissions to read from this Channel topic: {topic}"
    return {"status": "error", "response": {"reason": reason}}


class TestLiterally:
    """The exact text of frames, as the real server writes them."""

    async def test_version_1(self, connect: Connect) -> None:
        wire: Wire = await connect("1.0.0")
        await wire.socket.send_str(
            '{"topic":"realtime:room:1","event":"phx_join","payload":{},"ref":"6","join_ref":"6"}'
        )
        reply = await wire.frame()
        assert json.loads(reply) == {"topic": "realtime:room:1", "event": "phx_reply", "ref": "6", "payload": OK}
        await wire.socket.send_str('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":null}')
        beat = {"topic": "phoenix", "event": "phx_reply", "ref": None, "payload": EMPTY}
        assert json.loads(await wire.frame()) == beat

    async def test_version_2(self, connect: Connect) -> None:
        wire: Wire = await connect("2.0.0")
        await wire.socket.send_str('["6","6","realtime:room:1","phx_join",{}]')
        ok = '{"status":"ok","response":{"postgres_changes":[]}}'
        assert await wire.frame() == f'["6","6","realtime:room:1","phx_reply",{ok}]'
        await wire.socket.send_str('["6","7","realtime:room:1","phx_leave",{}]')
        assert await wire.frame() == '["6","7","realtime:room:1","phx_reply",{"status":"ok","response":{}}]'
        assert await wire.frame() == '["6","6","realtime:room:1","phx_close",{}]'
        await wire.socket.send_str('["6","8","realtime:room:1","broadcast",{}]')
        unmatched = '{"status":"error","response":{"reason":"unmatched topic"}}'
        assert await wire.frame() == f'[null,"8","realtime:room:1","phx_reply",{unmatched}]'

    async def test_a_binary_broadcast(self, connect: Connect) -> None:
        sender, receiver = await connect("2.0.0"), await connect("2.0.0")
        for wire in (sender, receiver):
            await wire.join("room:1")
        await sender.socket.send_bytes(b"\x03\x01\x01\x0f\x02\x00\x0112realtime:room:1hi" + b'{"a": 1}')
        assert await receiver.frame() == b"\x04\x0f\x02\x00\x01realtime:room:1hi" + b'{"a": 1}'


class TestPolicies:
    async def test_each_user_has_an_own_channel(self, connect: Connect, version: str) -> None:
        me, other = str(uuid4()), str(uuid4())
        wire: Wire = await connect(version)
        assert await wire.join(f"user:{me}", mint(sub=me), private=True) == OK
        assert await wire.join(f"user:{other}", mint(sub=me), private=True) == refused(f"user:{other}")
        assert await wire.join(f"user:{me}", mint(), private=True) == refused(f"user:{me}")

    @pytest.mark.parametrize(
        ("role", "joins"),
        [("authenticated", True), ("anon", False), ("service_role", True), ("no_such_role", False), (5, False)],
    )
    async def test_the_role_of_the_token_counts(self, connect: Connect, version: str, role: Any, joins: bool) -> None:
        wire: Wire = await connect(version)
        reply = await wire.join("room:1", mint(role=role), private=True)
        assert reply == (OK if joins else refused("room:1"))

    async def test_service_role_reads_what_nobody_may(self, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version)
        assert await wire.join("nobody", private=True) == refused("nobody")
        assert await wire.join("nobody", mint(role="service_role"), private=True) == OK

    async def test_a_policy_that_raises_is_a_refusal(self, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version)
        assert await wire.join("broken:1", private=True) == refused("broken:1")
        assert await wire.join("room:1", private=True) == OK  # the connection to the database is as good as before

    async def test_policies_see_the_headers_of_the_upgrade(self, connect: Connect, version: str) -> None:
        wire, other = await connect(version, headers={"X-Pass": "yes"}), await connect(version)
        assert await wire.join("header:1", private=True) == OK
        assert await other.join("header:1", private=True) == refused("header:1")

    async def test_a_presence_only_member_must_ask_for_presence(self, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version)
        assert await wire.join("presence:1", private=True) == refused("presence:1")
        assert await wire.join("presence:1", private=True, presence={"enabled": True}) == OK

    @pytest.mark.parametrize("topic", ["room:'; drop table x; --", "room:%s %(topic)s", "room:\\", "room:ü😀"])
    async def test_a_topic_is_data(self, connect: Connect, version: str, topic: str) -> None:
        wire: Wire = await connect(version)
        assert await wire.join(topic, private=True) == OK
        await wire.push(f"realtime:{topic}", "broadcast", {})
        await wire.silence()

    @pytest.mark.parametrize(("topic", "arrives"), [("room:1", True), ("read:1", False)])
    async def test_who_may_not_write_is_met_with_silence(
        self, connect: Connect, version: str, topic: str, arrives: bool
    ) -> None:
        sender, receiver = await connect(version), await connect(version)
        for wire in (sender, receiver):
            await wire.join(topic, private=True, broadcast={"ack": True})
        payload = {"type": "broadcast", "event": "e", "payload": {}}
        await sender.push(f"realtime:{topic}", "broadcast", payload, "b")
        if arrives:
            assert await sender.message() == [
                None if version == "1.0.0" else "1",
                "b",
                f"realtime:{topic}",
                "phx_reply",
                EMPTY,
            ]
            assert await receiver.message() == [None, None, f"realtime:{topic}", "broadcast", payload]
        else:
            await sender.silence()
            await receiver.silence()

    async def test_probes_are_never_heard_nor_stored(self, connect: Connect, database: Database, version: str) -> None:
        topic = f"room:{uuid4()}"
        listener, wire = await connect(version), await connect(version)
        await listener.join(topic, private=True, presence={"enabled": True})
        await listener.message()  # presence_state
        await wire.join(topic, private=True, presence={"enabled": True})
        await wire.message()
        await wire.push(f"realtime:{topic}", "broadcast", {})
        await listener.message()
        database.run(f"select realtime.send('{{}}', 'after', '{topic}')")
        last = await listener.frame()
        assert "after" in str(last)
        assert database.run(f"select event from realtime.messages where topic = '{topic}'") == [("after",)]

    async def test_a_grant_withdrawn_shows_at_the_next_token(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        database.run("create policy extra on realtime.messages for select to anon using (realtime.topic() = 'extra')")
        wire: Wire = await connect(version)
        assert await wire.join("extra", mint(role="anon"), private=True) == OK
        database.run("drop policy extra on realtime.messages")
        database.run("select realtime.send('{}', 'still', 'extra')")
        assert "still" in str(await wire.frame())
        await wire.push("realtime:extra", "access_token", {"access_token": mint(role="anon", jti="2")})
        system, close = await wire.message(), await wire.message()
        assert system[4]["message"] == "You do not have permissions to read from this Channel topic: extra"
        assert close[3:] == ["phx_close", {}]


class TestPresence:
    async def test_two_clients_see_each_other_come_and_go(self, connect: Connect, version: str) -> None:
        one, two = await connect(version), await connect(version)
        for key, wire in (("one", one), ("two", two)):
            await wire.join("room:presence", private=True, presence={"enabled": True, "key": key})
            assert (await wire.message())[3:] == ["presence_state", {}]
        track = {"type": "presence", "event": "track", "payload": {"mood": "good"}}
        await one.push("realtime:room:presence", "presence", track)
        assert (await one.message())[3:] == ["phx_reply", EMPTY]
        meta = (await two.message())[4]["joins"]["one"]["metas"][0]
        assert meta["mood"] == "good"
        assert len(meta["phx_ref"]) == 16
        await one.close()
        assert (await two.message())[4] == {"joins": {}, "leaves": {"one": {"metas": [meta]}}}

    async def test_who_may_not_write_presence_is_told(self, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version)
        await wire.join("read:1", private=True, presence={"enabled": True})
        await wire.message()
        await wire.push("realtime:read:1", "presence", {"event": "track", "payload": {}})
        assert (await wire.message())[4] == {"status": "error", "response": {}}

    async def test_a_presence_key_is_made_for_who_brings_none(self, connect: Connect, version: str) -> None:
        wire: Wire = await connect(version)
        await wire.join("keys")
        await wire.push("realtime:keys", "presence", {"event": "track", "payload": {}})
        await wire.message()
        [key] = (await wire.message())[4]["joins"]
        assert len(key) == 36
