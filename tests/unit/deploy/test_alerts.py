"""Every alert is about a number that Mailgrid counts, with words that occur."""

import re
from collections import defaultdict
from typing import Any, Final

import pytest
import yaml
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from emails.events.models import Notification
from mailgrid.core import metrics
from mailgrid.core.vocabulary import Status
from mailgrid.env import BASE_DIR
from tests.unit.deploy.declared import DEPLOY
from workers.fleet.observing import ALARMING

GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())[
    "groups"
]
ALERTS: Final = [rule for group in GROUPS for rule in group["rules"]]
TOLD_BY_PROMETHEUS: Final = {"up"}
SUFFIXES: Final = {Counter: "_total", Histogram: "_bucket", Gauge: ""}

# mailgrid_in_doubt_total{job="mailgrid", outcome="unknown"}
SERIES = re.compile(r"(\w+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)=~?"([^"]*)"')


def counted() -> dict[str, tuple[str, set[str]]]:
    """For each series of ours: the name in the code, and its labels."""
    found = {}
    for name, metric in vars(metrics).items():
        if isinstance(metric, Counter | Gauge | Histogram):
            found[metric._name + SUFFIXES[type(metric)]] = (name, set(metric._labelnames))
    return found


def used() -> dict[str, dict[str, set[str]]]:
    """For each series in an alert: its labels with the words they are compared with."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for alert in ALERTS:
        for name, labels in SERIES.findall(alert["expr"]):
            for label, words in LABEL.findall(labels):
                found[name][label] |= set(words.split("|"))
    return found


def test_alerts_are_found() -> None:
    assert len(ALERTS) > 8
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)


def test_every_series_is_one_that_is_counted_somewhere() -> None:
    ours = counted()
    source = "\n".join(
        path.read_text()
        for app in ("mailgrid", "emails", "workers")
        for path in (BASE_DIR / app).rglob("*.py")
    )
    for series in set(used()) - TOLD_BY_PROMETHEUS:
        assert f"metrics.{ours[series][0]}." in source, series


def test_labels_and_words_are_those_of_the_code() -> None:
    ours, words = counted(), used()
    for series in set(words) - TOLD_BY_PROMETHEUS:
        assert set(words[series]) - {"job"} <= ours[series][1], series
    assert words["mailgrid_delivery_outcomes_total"]["outcome"] <= set(Status)
    assert words["mailgrid_bells_dead_total"]["reason"] == ALARMING
    assert words["mailgrid_notifications_total"]["result"] <= set(Notification.State)
    assert '"unknown"' in (BASE_DIR / "emails" / "delivery" / "doubt.py").read_text()
    assert words["mailgrid_in_doubt_total"]["outcome"] == {"unknown"}


def test_series_are_grouped_by_labels_they_have() -> None:
    ours = counted()
    for alert in ALERTS:
        for labels, series in re.findall(r"sum by \(([^)]*)\)\s*\((?:increase|rate)\((\w+)", alert["expr"]):
            assert set(labels.split(", ")) <= ours[series][1] | {"instance", "le"}, alert["alert"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["description"].endswith((".", "?"))
    assert 'job="mailgrid"' in alert["expr"]


def test_the_registry_knows_them() -> None:
    assert {metric.name for metric in REGISTRY.collect()} >= {
        name.removesuffix("_total").removesuffix("_bucket") for name in counted()
    }
