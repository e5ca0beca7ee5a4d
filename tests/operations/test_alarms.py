"""Alarms and dashboard as CloudFormation makes them: they watch what is published, change their state, and help (C3).

The emulator (ministack; moto evaluates no alarm at all) judges a metric by all its values of the evaluation time at
once: it knows neither dimensions nor missing data nor "3 of 5 minutes". What rests on those is asserted of the
configuration, and CloudWatch alone can show it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.engine.world import World
from tests.operations import published
from tests.operations.emulator import STACK, Emulator
from tests.stack import ROOT


@dataclass(frozen=True)
class Case:
    """Values that leave an alarm quiet, and values that raise it."""

    alarm: str
    quiet: Sequence[float]
    loud: Sequence[float]


CASES = [
    Case("error-rate", quiet=[0] * 99 + [1], loud=[1] * 10),
    Case("crashes", quiet=[0] * 99 + [1], loud=[1] * 10),
    Case("latency", quiet=[40] * 100 + [499], loud=[501] * 10),
    Case("queue-age", quiet=[0, 90], loud=[121]),
    Case("drift", quiet=[0], loud=[1]),
    Case("budget", quiet=[0.1, 0.79], loud=[0.81]),
]


def by_name(emulator: Emulator, alarm: str) -> dict[str, Any]:
    return next(found for found in emulator.alarms() if found["AlarmName"] == f"{STACK}-{alarm}")


def publish(emulator: Emulator, alarm: dict[str, Any], values: Sequence[float]) -> None:
    emulator.publish(alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"][0], values)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alarm)
def test_an_alarm_is_quiet_below_its_threshold_and_loud_above(emulator: Emulator, case: Case) -> None:
    alarm = by_name(emulator, case.alarm)
    publish(emulator, alarm, case.quiet)
    assert emulator.state(case.alarm) == "OK"
    publish(emulator, alarm, case.loud)
    assert emulator.state(case.alarm) == "ALARM"


def test_one_dead_letter_is_enough(emulator: Emulator) -> None:
    alarm = by_name(emulator, "dead-letters")
    publish(emulator, alarm, [0, 0])
    assert emulator.state("dead-letters") == "OK"
    publish(emulator, alarm, [1])
    assert emulator.state("dead-letters") == "ALARM"


def test_a_drain_that_publishes_is_alive_and_silence_of_three_minutes_is_an_alarm(emulator: Emulator) -> None:
    """The emulator leaves an alarm without data alone, so that silence counts is asserted of the configuration."""
    alarm = by_name(emulator, "drain")
    assert (alarm["TreatMissingData"], alarm["Period"], alarm["EvaluationPeriods"]) == ("breaching", 60, 3)
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        "SampleCount",
        "LessThanThreshold",
        1,
    )
    publish(emulator, alarm, [0])  # a drain that found nothing to do publishes zeros
    assert emulator.state("drain") == "OK"


def test_whoever_subscribes_to_the_topic_is_told_with_the_runbook(emulator: Emulator) -> None:
    emulator.cloudwatch.set_alarm_state(AlarmName=f"{STACK}-budget", StateValue="OK", StateReason="for the test")
    receive = emulator.subscribe("pager")
    publish(emulator, by_name(emulator, "budget"), [0.95])
    (told,) = receive()
    assert (told["AlarmName"], told["NewStateValue"]) == (f"{STACK}-budget", "ALARM")
    assert told["AlarmDescription"].endswith("Runbook: docs/operations/budget.md")


def test_every_alarm_tells_somebody_and_has_a_runbook(emulator: Emulator) -> None:
    names = {alarm["AlarmName"].removeprefix(f"{STACK}-") for alarm in emulator.alarms()}
    assert names == {case.alarm for case in CASES} | {"dead-letters", "drain"}
    for alarm in emulator.alarms():
        named = re.search(r"Runbook: (docs/operations/[\w-]+\.md)$", alarm["AlarmDescription"])
        assert named is not None, alarm["AlarmName"]
        runbook = (ROOT / named[1]).read_text()
        for heading in ("What it means", "How to look", "How to fix", "When to roll back"):
            assert f"\n## {heading}\n" in runbook, f"{named[1]} lacks {heading}"
        assert alarm["AlarmActions"] == alarm["OKActions"] != []
        # silence is bad news of the drain alone: the others have nothing to say while nobody likes anything
        assert alarm["TreatMissingData"] == ("breaching" if alarm["AlarmName"].endswith("-drain") else "notBreaching")


def test_every_metric_of_alarms_and_dashboard_is_one_that_is_published(emulator: Emulator, world: World) -> None:
    of_drain = published.by_a_drain(world.db)
    known = dict(published.OF_AWS)
    known["RealtimeLikes", "service"] = published.by_the_functions() | of_drain
    services = {file.stem for file in (ROOT / "functions/realtime_likes/handlers").glob("[a-z]*.py")} | {"drain"}
    for namespace, metric, dimension, value in watched(emulator):
        assert metric in known[namespace, dimension]
        assert namespace != "RealtimeLikes" or value.removeprefix(f"{STACK}-") in services
        assert metric not in of_drain or value == f"{STACK}-drain", f"{metric} is the drain's"


def watched(emulator: Emulator) -> list[tuple[str, str, str, str]]:
    """Namespace, metric, and dimension of all that alarms and dashboard look at."""
    of_alarms = [
        (alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"][0]["Name"], alarm["Dimensions"][0]["Value"])
        for alarm in emulator.alarms()
    ]
    metrics = [metric for widget in widgets(emulator) for metric in widget["properties"].get("metrics", [])]
    of_dashboard = [tuple(metric[:4]) for metric in metrics if isinstance(metric[0], str)]
    assert len(of_dashboard) > 30
    return [*of_alarms, *of_dashboard]


def widgets(emulator: Emulator) -> list[dict[str, Any]]:
    body = emulator.cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"]
    found: list[dict[str, Any]] = json.loads(body)["widgets"]
    return found


def test_the_dashboard_shows_every_alarm_and_no_two_widgets_in_one_place(emulator: Emulator) -> None:
    shown = widgets(emulator)
    assert set(shown[0]["properties"]["alarms"]) == {alarm["AlarmArn"] for alarm in emulator.alarms()}
    taken = [
        (x, y)
        for widget in shown
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_the_expressions_of_the_dashboard_use_the_metrics_beside_them(emulator: Emulator) -> None:
    for widget in widgets(emulator):
        metrics = widget["properties"].get("metrics", [])
        ids = {metric[-1]["id"] for metric in metrics if isinstance(metric[-1], dict) and "id" in metric[-1]}
        for metric in metrics:
            if "expression" in metric[0]:
                assert set(re.findall(r"[a-z]\w*", metric[0]["expression"])) <= ids
