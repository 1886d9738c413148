"""What doctor says about transports."""

from typing import Any

import pytest

from emails.transports.models import Transport
from tests.live import free_port
from workers.doctor.accounts import transports
from workers.doctor.findings import ill, well

pytestmark = pytest.mark.django_db


def test_the_sandbox_is_well() -> None:
    assert list(transports()) == [well("transport sandbox", "Connected and signed in.")]


def test_a_default_that_nobody_has_is_told(settings: Any) -> None:
    settings.DEFAULT_TRANSPORT = "nowhere"
    assert next(transports()) == ill(
        "transports",
        "DEFAULT_TRANSPORT is 'nowhere', and no shared transport has this name: tenants without a transport of their "
        "own get 503.",
    )


def test_a_host_that_does_not_answer_is_told_with_what_it_means(acme: Any, settings: Any) -> None:
    settings.UNSAFE_HOSTS = frozenset({"127.0.0.1"})
    port = free_port()
    Transport.across_tenants.create(
        tenant=acme.tenant, name="relay", kind="smtp", settings={"host": "127.0.0.1", "port": port}
    )
    assert next(finding for finding in transports() if not finding.well) == ill(
        "transport relay of acme",
        f"network: connect: 127.0.0.1:{port} cannot be reached: [Errno 111] Connection refused. Its mail waits; "
        "nothing is lost.",
    )
