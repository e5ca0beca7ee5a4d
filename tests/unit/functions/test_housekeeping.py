"""What the drain does by the clock, and the figures that it publishes."""

from __future__ import annotations

import pytest

from tests.unit.functions.drain_world import NOON, World, message


@pytest.mark.parametrize(
    ("minutes", "reconciled", "pruned"),
    [(0, 0, 0), (1, 0, 0), (3, 1, 0), (8, 1, 0), (29, 0, 1), (89, 0, 1), (63, 1, 0)],
)
def test_housekeeping_follows_the_clock(world: World, minutes: int, reconciled: int, pruned: int) -> None:
    world.clock.now = NOON + 60 * minutes + 17

    world.run()

    assert world.settler.calls.count("reconcile_like_counts") == reconciled
    assert world.settler.calls.count("prune_likes") == pruned


def test_an_hour_of_drains_reconciles_twelve_times_and_prunes_once(world: World) -> None:
    for minute in range(60):
        world.clock.now = NOON + 60 * minute + 1.5
        world.run()

    assert world.settler.calls.count("reconcile_like_counts") == 12
    assert world.settler.calls.count("prune_likes") == 1


def test_drift_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.clock.now = NOON + 180
    for _ in range(130):
        world.likes.add_content()
    world.likes.drift = 4
    first = world.settler.likes.reconcile_like_counts
    checked = [100, 30]
    monkeypatch.setattr(world.likes, "reconcile_like_counts", lambda _: {**first(), "checked": checked.pop(0)})

    report = world.run()

    assert (report["CountDrift"], report["CountsRepaired"], report["CountsChecked"]) == (4, 1, 130)


def test_reconciling_a_large_site_is_bounded(world: World) -> None:
    world.clock.now = NOON + 180
    for _ in range(150):
        world.likes.add_content()

    world.run()

    assert world.settler.calls.count("reconcile_like_counts") == 10


def test_the_databases_own_figures_are_published(world: World) -> None:
    world.run(1)

    assert world.published["BudgetUsed"] == 0.5
    assert world.published["UnsettledContents"] == 0


def test_age_of_messages_is_measured(world: World) -> None:
    post = world.likes.add_content()
    world.queue.put(message(post))
    world.clock.sleep(7)
    world.run(3)

    assert 7000 <= world.published["MessageAgeMilliseconds"] < 7100
