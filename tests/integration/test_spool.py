"""Receipts survive a database that stays away for longer than their lease."""

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from emails.delivery import services, settle, spool
from emails.models import Attempt, Delivery
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from tests.conftest import Work

pytestmark = pytest.mark.django_db


def test_what_was_taken_is_settled_by_the_next_process(
    acme: Any, api: Any, mail: dict[str, Any], work: Work, monkeypatch: Any, settings: Any, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    for _ in range(3):
        assert api(acme).post("/api/emails", mail).status_code == 200

    def away(*_: object, **__: object) -> int:
        raise OperationalError("the database is away")

    with monkeypatch.context() as outage:
        outage.setattr(settle, "_with_cancels", away)
        outage.setattr(services, "DEADLINE_SECONDS", 0.5)
        with pytest.raises(OperationalError):
            work.deliver(Priority.HIGH)
    assert set(Delivery.across_tenants.values_list("state", flat=True)) == {"sending"}
    (file,) = (tmp_path / "spool").iterdir()
    assert file.suffix == ".receipts"
    assert spool.take_in(now=now()) == 3
    assert set(Delivery.across_tenants.values_list("state", flat=True)) == {"sent"}
    assert set(Attempt.objects.values_list("outcome", "settled_by")) == {("sent", "answer")}
    assert list((tmp_path / "spool").iterdir()) == []
    assert spool.take_in(now=now()) == 0
