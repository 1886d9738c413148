"""Rounds of the fetch queue: beat rings for them now and then, and the watch makes those that nobody has made.

Without a broker no bell arrives. The rounds are needed all the same: a doubt on an idle account waits for a canary.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from emails.delivery.canary import send_canaries
from mailgrid.core.clock import now
from mailgrid.core.models import Pulse
from workers.process import holdings
from workers.schedule import ENTRIES
from workers.surveying import survey_accounts

Summary = Counter[str]

SEND_CANARIES: Final = "send-canaries"
SURVEY_ACCOUNTS: Final = "survey-accounts"
MISSED: Final = 2  # times its period without a round: beat's bell did not arrive

_WORK: Final[dict[str, Callable[[], Summary]]] = {
    SEND_CANARIES: lambda: send_canaries(transports=holdings().transports, now=now()),
    SURVEY_ACCOUNTS: survey_accounts,
}


def make(name: str) -> Summary:
    """Make a round, and write down when; what it did."""
    Pulse.objects.update_or_create(name=name, defaults={"at": now()})
    return _WORK[name]()


def make_if_missed(name: str) -> Summary:
    """The same where it is overdue still: of several processes one makes it."""
    moment = now()
    taken = Pulse.objects.filter(name=name, at__lt=_latest(name, moment)).update(at=moment)
    return _WORK[name]() if taken else Summary()


def missed() -> list[str]:
    """Rounds that are overdue. A round that was never made counts from the first look."""
    moment = now()
    made = dict(Pulse.objects.filter(name__in=_WORK).values_list("name", "at"))
    Pulse.objects.bulk_create(
        [Pulse(name=name, at=moment) for name in _WORK if name not in made], ignore_conflicts=True
    )
    return [name for name, at in made.items() if at < _latest(name, moment)]


def _latest(name: str, moment: datetime) -> datetime:
    return moment - timedelta(seconds=MISSED * ENTRIES[name]["schedule"])
