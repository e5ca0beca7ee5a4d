"""Broadcast from the database and replay: what was committed, in the order of the commits (protocol 3.4, 3.5)."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.integration.realtime.conftest import Database
from tests.integration.realtime.wire import Wire, mint

Connect = Callable[..., Any]


def told(frame: Any) -> tuple[str, Any, Any]:
    """Event, payload and meta of a broadcast in either encoding."""
    if isinstance(frame, str):
        value = json.loads(frame)
        payload = value["payload"] if isinstance(value, dict) else value[4]
        return payload["event"], payload["payload"], payload["meta"]
    topic, event, meta = frame[1:4]
    parts = [frame[5:][:topic], frame[5 + topic :][:event], frame[5 + topic + event :][:meta]]
    body = frame[5 + topic + event + meta :]
    return parts[1].decode(), json.loads(body) if frame[4] else body, json.loads(parts[2])


async def listener(connect: Connect, version: str, topic: str, private: bool = True, **broadcast: Any) -> Wire:
    wire: Wire = await connect(version)
    assert (await wire.join(topic, private=private, broadcast=broadcast))["status"] == "ok"
    return wire


class TestSend:
    async def test_the_exact_frames(self, connect: Connect, database: Database) -> None:
        v1, v2 = await listener(connect, "1.0.0", "room:a"), await listener(connect, "2.0.0", "room:a")
        database.run("select realtime.send('{\"id\": 7, \"ü\": [1.50]}', 'hi', 'room:a')")
        [(message_id,)] = database.run("select id::text from realtime.messages where topic = 'room:a'")
        meta = f'{{"id":"{message_id}"}}'.encode()
        body = '{"id": 7, "ü": [1.50]}'.encode()
        assert await v2.frame() == b"\x04\x0f\x02" + bytes([len(meta)]) + b"\x01realtime:room:ahi" + meta + body
        payload = {"event": "hi", "payload": {"id": 7, "ü": [1.5]}, "type": "broadcast", "meta": {"id": message_id}}
        sent = {"topic": "realtime:room:a", "event": "broadcast", "ref": None, "payload": payload}
        assert json.loads(await v1.frame()) == sent

    async def test_an_id_is_added_to_a_payload_without_one(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        wire = await listener(connect, version, "room:b")
        database.run("select realtime.send('{\"a\": 1}', 'hi', 'room:b')")
        event, payload, meta = told(await wire.frame())
        assert (event, payload) == ("hi", {"a": 1, "id": meta["id"]})
        assert UUID(meta["id"])

    async def test_public_and_private_are_two_rooms(self, connect: Connect, database: Database, version: str) -> None:
        public, private = await listener(connect, version, "room:c", False), await listener(connect, version, "room:c")
        database.run("select realtime.send('{}', 'private', 'room:c'), realtime.send('{}', 'public', 'room:c', false)")
        assert told(await public.frame())[0] == "public"
        assert told(await private.frame())[0] == "private"
        await public.silence()
        await private.silence()

    async def test_bytes_reach_version_2_only(self, connect: Connect, database: Database) -> None:
        v1, v2 = await listener(connect, "1.0.0", "room:d"), await listener(connect, "2.0.0", "room:d")
        database.run("select realtime.send_binary('\\x00ff', 'raw', 'room:d')")
        assert told(await v2.frame())[:2] == ("raw", b"\x00\xff")
        await v1.silence()

    async def test_a_large_payload_arrives_whole(self, connect: Connect, database: Database, version: str) -> None:
        wire = await listener(connect, version, "room:large")
        database.run("select realtime.send(jsonb_build_object('x', repeat('y', 2000000)), 'large', 'room:large')")
        assert len(told(await wire.frame())[1]["x"]) == 2_000_000

    async def test_a_payload_over_the_limit_is_dropped(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        wire = await listener(connect, version, "room:larger")
        database.run("select realtime.send(jsonb_build_object('x', repeat('y', 3100000)), 'large', 'room:larger')")
        database.run("select realtime.send('{}', 'small', 'room:larger')")
        assert told(await wire.frame())[0] == "small"

    async def test_row_changes_are_broadcast_by_a_trigger(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        wire = await listener(connect, version, "room:changes")
        database.run("insert into likes values (1, 1); update likes set n = 2; delete from likes")
        seen = [told(await wire.frame()) for _ in range(3)]
        old, new = {"id": 1, "n": 1}, {"id": 1, "n": 2}
        rows = [("INSERT", None, old), ("UPDATE", old, new), ("DELETE", new, None)]
        for (event, payload, meta), (operation, before, after) in zip(seen, rows, strict=True):
            assert event == operation
            assert payload == {
                "id": meta["id"],
                "schema": "public",
                "table": "likes",
                "operation": operation,
                "old_record": before,
                "record": after,
            }

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                "'INSERT', 't', 's', null, null, 'STATEMENT'",
                "function can only be triggered for each row, not for each statement",
            ),
            ("'TRUNCATE', 't', 's', null, null", "Unexpected operation type: TRUNCATE"),
        ],
    )
    def test_what_is_no_row_change_is_an_error(self, database: Database, arguments: str, message: str) -> None:
        with pytest.raises(psycopg.errors.RaiseException, match=f"Failed to process the row: {message}"):
            database.run(f"select realtime.broadcast_changes('t', 'e', {arguments})")


class TestOrder:
    async def test_a_rollback_is_never_heard(self, connect: Connect, database: Database, version: str) -> None:
        wire = await listener(connect, version, "room:e")
        database.run("begin; select realtime.send('{}', 'never', 'room:e'); rollback")
        database.run("begin; savepoint s; select realtime.send('{}', 'never', 'room:e'); rollback to s; commit")
        database.run("select realtime.send('{}', 'kept', 'room:e')")
        assert told(await wire.frame())[0] == "kept"

    async def test_commits_decide_the_order(self, connect: Connect, database: Database, version: str) -> None:
        wire = await listener(connect, version, "room:f")
        with psycopg.connect(database.url()) as first, psycopg.connect(database.url()) as second:
            first.execute("select realtime.send('{}', 'sent first', 'room:f')")
            second.execute("select realtime.send('{}', 'committed first', 'room:f')")
            second.commit()
            first.execute("select realtime.send('{}', 'last', 'room:f')")
            first.commit()
        assert [told(await wire.frame())[0] for _ in range(3)] == ["committed first", "sent first", "last"]

    async def test_many_messages_of_one_transaction_keep_their_order(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        wire = await listener(connect, version, "room:g")
        database.run("select realtime.send('{}', n::text, 'room:g') from generate_series(1, 500) n")
        assert [told(await wire.frame())[0] for _ in range(500)] == [str(n) for n in range(1, 501)]


class TestRows:
    @pytest.mark.parametrize("column", ["event", "payload", "private"])
    async def test_a_row_that_lacks_something_is_skipped(
        self, connect: Connect, database: Database, version: str, column: str
    ) -> None:
        wire = await listener(connect, version, "room:h")
        values = {"event": "'skipped'", "payload": "'{}'", "private": "true", column: "null"}
        columns, literals = ", ".join(values), ", ".join(values.values())
        insert = (
            f"insert into realtime.messages (topic, extension, {columns}) values ('room:h', 'broadcast', {literals})"
        )
        database.run(insert)
        database.run("insert into realtime.messages values ('room:h', 'presence', '{}', 'direct', true)")
        assert told(await wire.frame())[0] == "direct"

    def test_a_caller_without_a_grant_gets_a_warning_only(self, database: Database) -> None:
        warnings: list[str] = []
        with psycopg.connect(database.url()) as connection:
            connection.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
            connection.execute("set local role authenticated")
            connection.execute("select realtime.send('{}', 'e', 'read:1')")
            connection.execute("select realtime.send('{}', 'e', 'room:1')")
            connection.execute("select realtime.send('[]', 'e', 'room:1')")
            connection.execute("select realtime.send_binary('', 'e', 'read:1')")
            connection.rollback()
        refused = 'WarnSendingBroadcastMessage: new row violates row-level security policy for table "messages"'
        assert [warnings[0], warnings[2]] == [refused, refused]
        assert len(warnings) == 3
        assert warnings[1].startswith("WarnSendingBroadcastMessage: ")

    def test_the_janitor_keeps_the_days_around_today(self, database: Database) -> None:
        def partitions() -> list[Any]:
            rows = database.run(
                "select inhrelid::regclass::text from pg_inherits where inhparent = 'realtime.messages'::regclass"
            )
            return sorted(str(row[0]) for row in rows)

        before = partitions()
        assert len(before) == 5
        old = "partition of realtime.messages for values from ('2020-01-01') to ('2020-01-02')"
        database.run(f"create table realtime.messages_2020_01_01 {old}")
        tomorrow = before[2]
        database.run(f"drop table {tomorrow}")
        database.run("select realtime.maintain_partitions()")
        assert partitions() == before


class TestReplay:
    def send(self, database: Database, topic: str, *events: str) -> None:
        for event in events:
            database.run(f"select realtime.send('{{}}', '{event}', '{topic}')")

    def moment(self, database: Database) -> int:
        """A millisecond of the database's clock that is later than all before it."""
        [(_, now)] = database.run("select pg_sleep(0.002), (extract(epoch from clock_timestamp()) * 1000)::bigint")
        return int(str(now))

    async def replay(self, connect: Connect, version: str, topic: str, count: int, **wish: Any) -> list[Any]:
        wire: Wire = await connect(version)
        reply = await wire.join(topic, private=True, broadcast={"replay": {"since": 0, **wish}})
        assert reply["status"] == "ok"
        seen = [await wire.message() for _ in range(count)]
        await wire.silence()
        return seen

    async def test_the_newest_come_oldest_first(self, connect: Connect, database: Database, version: str) -> None:
        topic = f"room:{uuid4()}"
        self.send(database, topic, "a", "b", "c")
        seen = await self.replay(connect, version, topic, 2, limit=2)
        assert [message[4]["event"] for message in seen] == ["b", "c"]
        [(message_id,)] = database.run(
            f"select id::text from realtime.messages where event = 'c' and topic = '{topic}'"
        )
        payload = {"event": "c", "payload": {"id": message_id}, "type": "broadcast"}
        meta = {"meta": {"replayed": True, "id": message_id}}
        join_ref = None if version == "1.0.0" else "1"
        assert seen[1] == [join_ref, None, f"realtime:{topic}", "broadcast", payload | meta]

    async def test_at_most_25_come_and_in_their_order(self, connect: Connect, database: Database, version: str) -> None:
        topic = f"room:{uuid4()}"
        database.run(f"select realtime.send('{{}}', n::text, '{topic}') from generate_series(1, 30) n")
        seen = await self.replay(connect, version, topic, 25, limit=99)
        assert [message[4]["event"] for message in seen] == [str(number) for number in range(6, 31)]

    async def test_nothing_before_since_and_nothing_public(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        topic = f"room:{uuid4()}"
        self.send(database, topic, "old")
        database.run(f"select realtime.send('{{}}', 'public', '{topic}', false)")
        database.run(f"insert into realtime.messages values ('{topic}', 'presence', '{{}}', 'presence', true)")
        since = self.moment(database)
        self.send(database, topic, "new")
        seen = await self.replay(connect, version, topic, 1, since=since)
        assert seen[0][4]["event"] == "new"

    async def test_bytes_are_replayed_as_bytes(self, connect: Connect, database: Database) -> None:
        topic = f"room:{uuid4()}"
        database.run(f"select realtime.send_binary('\\x00ff', 'raw', '{topic}')")
        wire: Wire = await connect("2.0.0")
        await wire.join(topic, private=True, broadcast={"replay": {"since": 0}})
        event, body, meta = told(await wire.frame())
        assert (event, body, meta["replayed"]) == ("raw", b"\x00\xff", True)

    async def test_what_a_user_may_not_read_is_not_replayed(
        self, connect: Connect, database: Database, version: str
    ) -> None:
        topic = f"user:{uuid4()}"
        self.send(database, topic, "secret")
        wire: Wire = await connect(version)
        reply = await wire.join(topic, mint(sub=str(uuid4())), private=True, broadcast={"replay": {"since": 0}})
        assert reply["status"] == "error"
        await wire.silence()
