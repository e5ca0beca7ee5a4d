"""Up to 32 sessions at once for some seconds; then, when it is quiet, every count, event and notification is exact."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tests.integration.engine.chaos import Chaos
from tests.integration.engine.invariants import assert_channels_tell_the_truth, assert_quiet_and_exact
from tests.integration.engine.session import Content
from tests.integration.engine.world import World

# What may be refused: nothing but sessions that were killed.
HARMLESS = {"killed"}
OUTCOMES = {"settled", "waiting"}


@pytest.fixture
def crowd(world: World) -> Chaos:
    authors, users = world.users(3), world.users(40)
    contents = [world.post(author) for author in (*authors, *authors, *authors)]
    # A like given again is news again: then every change of a notification is an event.
    world.set_limits(notify_again_after="0")
    return Chaos(world, [*users, *authors], contents, seed=20261122)


def add_everybody(chaos: Chaos) -> None:
    chaos.add(16, chaos.like)
    chaos.add(4, chaos.drain, every=0.01)
    chaos.add(4, chaos.watch, every=0.02)
    chaos.add(2, chaos.read, every=0.1)
    chaos.add(3, chaos.keep_house, every=0.05)


def settle_all(world: World, contents: Sequence[Content]) -> None:
    """The quiet after it: time passes until the sweep finds nothing and every window is over."""
    world.stop_clock()
    for _ in range(60):
        world.pass_time(seconds=30)
        settled = [*world.db.sweep(), *world.db.settle(*contents)]
        if all(result["wake_after_ms"] is None and result["outcome"] == "settled" for result in settled):
            return
    raise AssertionError("it never gets quiet")


def check(chaos: Chaos, harmless: set[str] = HARMLESS, outcomes: set[str] = OUTCOMES) -> None:
    world = chaos.world
    print(f"\n  {dict(chaos.done)} {dict(chaos.outcomes)} {dict(chaos.refusals)}")
    assert {reason.split()[0] for reason in chaos.refusals} <= harmless
    assert {outcome.split()[0] for outcome in chaos.outcomes} <= outcomes
    settle_all(world, chaos.contents)
    assert_quiet_and_exact(world)
    living = {row[0] for row in world.db.rows("select id from public.posts")}
    assert_channels_tell_the_truth(world, [content for content in chaos.contents if content.id in living])


def test_everything_is_exact_after_a_crowd_with_sessions_killed_among_it(crowd: Chaos) -> None:
    add_everybody(crowd)
    crowd.add(1, crowd.kill, every=0.1)
    crowd.run(6)
    assert crowd.done["like"] > 100
    assert crowd.refusals["killed"] > 5
    check(crowd)


def test_everything_is_exact_when_every_like_waits_for_the_same_few_slots(crowd: Chaos) -> None:
    crowd.world.set_limits(max_slots=2)
    add_everybody(crowd)
    crowd.run(4)
    check(crowd)


def test_everything_is_exact_when_the_budget_is_exhausted(crowd: Chaos) -> None:
    crowd.world.set_limits(messages_per_second=10, max_connections=5, grace_ms=500)
    add_everybody(crowd)
    crowd.run(5)
    check(crowd)


def test_everything_is_exact_when_users_and_contents_are_deleted_among_it(crowd: Chaos) -> None:
    add_everybody(crowd)
    crowd.add(2, crowd.delete_user, every=0.3)
    crowd.add(2, crowd.delete_content, every=0.5)
    crowd.run(5)
    # Those who are gone like no more; a like that was on its way when its user went is refused by the foreign key.
    check(crowd, HARMLESS | {"PT404", "23503"})


def test_everything_is_exact_when_messages_could_not_be_written_for_a_while(crowd: Chaos) -> None:
    superuser = crowd.world.session("supabase_admin")
    today = datetime.now(UTC).date()
    partition = f"realtime.messages_{today:%Y_%m_%d}"

    def without_partition() -> None:
        time.sleep(1)
        superuser.connection.execute(f"alter table realtime.messages detach partition {partition}".encode())
        failing = "select exists (select from likes.activity where last_error like '%event_not_sent%')"
        crowd.world.eventually(lambda: superuser.connection.execute(failing.encode()).fetchone() == (True,))
        time.sleep(1)
        bounds = f"for values from ('{today}') to ('{today}'::date + 1)"
        superuser.connection.execute(f"alter table realtime.messages attach partition {partition} {bounds}".encode())

    add_everybody(crowd)
    crowd.run(5, meanwhile=without_partition)
    check(crowd, outcomes=OUTCOMES | {"failed"})
