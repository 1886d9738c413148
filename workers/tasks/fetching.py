"""Bells of the fetch queue: calls to hosts that tenants name."""

from typing import Any

from celery import shared_task

from mailgrid.core import bells
from workers import fetching, rounds
from workers.process import holdings


@shared_task(name="workers.tasks.fetching.fetch")
def fetch(**_newer: Any) -> dict[str, int]:
    """Checks of transports and attachments that are due; how many ended how."""
    holdings().looked_at(bells.FETCH)
    return dict(fetching.work_off())


@shared_task(name="workers.tasks.fetching.send_canaries")
def send_canaries(**_newer: Any) -> dict[str, int]:
    """See whether events arrive, where a doubt waits for them."""
    return dict(rounds.make(rounds.SEND_CANARIES))


@shared_task(name="workers.tasks.fetching.survey_accounts")
def survey_accounts(**_newer: Any) -> dict[str, int]:
    """How fast each account may send."""
    return dict(rounds.make(rounds.SURVEY_ACCOUNTS))
