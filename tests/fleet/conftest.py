"""A fleet whose one tenant sends through the SES stand-in, and hears back through its signed SNS."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.ses import FakeSes
from tests.live import wait_until
from tests.live_fleet import LiveFleet

UNLIMITED = {"requests_per_minute": 1_000_000, "recipients_per_minute": 10_000_000}


@dataclass(frozen=True, slots=True)
class Sending:
    """A fleet and its provider."""

    fleet: LiveFleet
    ses: FakeSes


def connect(fleet: LiveFleet, ses: FakeSes) -> None:
    """Give the tenant an SES account at the stand-in, and let its topic post to us."""
    code, answer = fleet.call("PATCH", f"/api/tenants/{fleet.tenant_id}", {"limits": UNLIMITED})
    assert code == 200, answer
    settings = {
        "region": "eu-west-1",
        "access_key_id": "AKIDTEST",
        "secret_access_key": "secret",
        "endpoint_url": ses.url,
        "configuration_set": "mailgrid",
        "topic_arns": [ses.topic_arn],
    }
    code, made = fleet.call("POST", "/api/transports", {"name": "main", "kind": "ses", "settings": settings})
    assert code == 201, made
    for stream in fleet.call("GET", "/api/streams")[1]["data"]:
        code, answer = fleet.call("PATCH", f"/api/streams/{stream['id']}", {"transport": "main"})
        assert code == 200, answer
    ses.subscribe(made["hook_url"].replace(made["hook_url"].partition("/hooks/")[0], fleet.url))
    # What is published before a worker has confirmed the subscription is lost, as at SNS.
    wait_until(lambda: ses.counters().get("subscriptions.confirmed"))


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sending]:
    """Shared by the tests of a module: starting ten processes takes seconds."""
    directory = tmp_path_factory.mktemp("fleet")
    identity: Path = directory / "sns.pem"
    with (
        FakeSes(
            own_process=True,
            identity=identity,
            journal=directory / "journal",
            keep_requests=10,
            max_send_rate=100_000,
        ) as ses,
        LiveFleet(directory, UNSAFE_HOSTS="127.0.0.1", FAKE_SNS_IDENTITY=identity) as fleet,
    ):
        connect(fleet, ses)
        ses.events(
            retry_ms=5_000
        )  # three times, as SNS does: web is away for longer than a moment when it is restarted
        yield Sending(fleet, ses)
