"""What must hold whenever nothing is going on, after whatever went on before."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, LiteralString
from uuid import UUID

from tests.integration.engine.session import Content, Session
from tests.integration.engine.world import Message, World

# Each row of each of these is something that is wrong.
_WRONG: dict[str, LiteralString] = {
    "unsettled": "select c.content_id from likes.counters c where c.dirty",
    "to be swept": "select found from jsonb_array_elements(public.unsettled_likes()) found",
    "drift": "select * from monitoring.drift",
    "not taken up": "select user_id from likes.changes union all select user_id from likes.departures",
    "more than one slot": "select content_id from likes.counters group by content_type, content_id having count(*) > 1",
    "due or failing": """
        select content_id, settle_due_at, failures, last_error from likes.activity
        where settle_due_at is not null or unsettled_since is not null or failures > 0""",
    "counts that differ": """
        select c.content_id, l.count as liked, n.likes as counted, a.announced_total, p.likes_count
        from likes.counters c
        join likes.activity a using (content_type, content_id)
        join public.posts p on p.id = c.content_id
        cross join lateral (
          select count(*) from likes.content_likes l
          where l.content_type = c.content_type and l.content_id = c.content_id and l.liked) l
        cross join lateral (
          select sum(s.likes) as likes from likes.counters s
          where s.content_type = c.content_type and s.content_id = c.content_id) n
        where not (l.count = n.likes and l.count = a.announced_total and l.count = p.likes_count)""",
    "likes of deleted content": """
        select content_id from likes.content_likes where content_id not in (select id from public.posts)""",
    "likes not told, or told though taken back": """
        select l.content_id, l.user_id, l.liked, l.notification_id from likes.content_likes l
        join public.posts p on p.id = l.content_id
        where (l.liked and l.user_id <> p.user_id) <> (l.notification_id is not null)""",
    "notifications that count wrongly": """
        select n.id, n.liker_count, n.liker_ids, t.ids from likes.notifications n
        cross join lateral (
          select coalesce(array_agg(l.user_id), '{}') as ids from likes.content_likes l
          where l.notification_id = n.id) t
        where n.liker_count <> cardinality(t.ids)
          or not (n.liker_ids <@ t.ids) or cardinality(n.liker_ids) <> least(50, n.liker_count)""",
}


def assert_quiet_and_exact(world: World) -> None:
    """Sum of slots = likes = announced = the host's count, each like told once, nothing left to do, no deadlock."""
    assert wrong(world.db) == {}
    assert world.deadlocks() == 0


def wrong(db: Session) -> dict[str, list[tuple[Any, ...]]]:
    """What is not settled, not exact or not told, by name; empty when all is well."""
    found = {name: db.rows(query) for name, query in _WRONG.items()}
    return {name: rows for name, rows in found.items() if rows}


def assert_channels_tell_the_truth(world: World, contents: Iterable[Content]) -> None:
    """On each channel versions grow strictly and the last event has the total; replayed notifications are the list."""
    for content in contents:
        total = world.total(content)
        events = world.messages(content.topic)
        _assert_growing(events)
        assert total == (events[-1].payload["totalLikes"] if events else 0), content
        to_author = [
            message
            for message in world.messages(f"user:{content.author}")
            if message.event.startswith("post:") and content_id(message) == str(content.id)
        ]
        _assert_growing(to_author)
    for author in {content.author for content in contents}:
        _assert_replay(world, author)


def content_id(message: Message) -> str:
    """Which content an event speaks of."""
    found: str = message.payload.get("postId") or message.payload["contentId"]
    return found


def _assert_growing(events: list[Message]) -> None:
    versions = [event.payload["version"] for event in events]
    assert all(earlier < later for earlier, later in pairwise(versions)), versions


def _assert_replay(world: World, author: UUID) -> None:
    """Needs settings.notify_again_after = 0: what is told again at once changes the list without an event."""
    counts: dict[str, int] = {}
    for message in world.messages(f"user:{author}"):
        if message.event == "notification:removed":
            del counts[message.payload["id"]]
        elif message.event.startswith("notification:"):
            assert (message.event == "notification:new") == (message.payload["id"] not in counts), message
            counts[message.payload["id"]] = message.payload["data"]["likerCount"]
    assert counts == dict(
        world.db.rows("select id::text, liker_count from likes.notifications where user_id = %s", author)
    )
