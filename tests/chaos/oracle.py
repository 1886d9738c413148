"""The judge: what was promised, what the provider took, and what Mailgrid says about it (fault_tests.md, section 1).

The stand-in's journal is the ground truth: it is written before an answer leaves, and it knows nothing of us.
"""

import json
import re
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import psycopg

from emails.messages.lifecycle import message_status
from mailgrid.core.vocabulary import Status
from tests.chaos.fleet import TIME_SCALE, ChaosFleet, Sender
from tests.fakes.ses import Accept
from tests.fakes.ses.faults import ANSWER_LOST

GRACE: Final = 120 / TIME_SCALE  # seconds; the shortest one, that of immediate mail
_NEVER: Final = float("inf")
_NOT_SENT: Final = frozenset({"failed", "canceled", "expired", "suppressed", "unknown"})
_TERMINAL: Final = _NOT_SENT | {"sent"}
_LOST_ANSWERS: Final = frozenset(mode.value for mode in ANSWER_LOST)
CANARY: Final = "0"  # the fence of mail that is nobody's; claims begin at 1

# Whatever is still to happen by itself, and is not the future's. Held mail waits for somebody, but for what a probe of
# the account releases.
_RESTLESS: Final = """
SELECT 'delivery ' || state, count(*) FROM emails_delivery
 WHERE state IN ('queued', 'deferred', 'sending', 'in_doubt')
    OR state = 'scheduled' AND due_at < now() + interval '1 minute'
    OR state = 'held' AND hold_reason IN ('quota', 'account_paused') GROUP BY 1
 UNION ALL
SELECT 'notification ' || state, count(*) FROM emails_notification
 WHERE state IN ('pending', 'processing') GROUP BY 1"""

_CROSSINGS: Final = """
SELECT (SELECT count(*) FROM emails_delivery d JOIN emails_message m ON m.id = d.message_id
         WHERE d.tenant_id <> m.tenant_id)
     + (SELECT count(*) FROM emails_recipient r JOIN emails_delivery d ON d.id = r.delivery_id
         WHERE r.tenant_id <> d.tenant_id OR r.message_id <> d.message_id)
     + (SELECT count(*) FROM emails_event e JOIN emails_recipient r ON r.id = e.recipient_id
         WHERE e.tenant_id <> r.tenant_id OR e.message_id <> r.message_id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The figures of one run. `dishonest` are sentences; everything else is a count."""

    sends: int
    accepts: int
    lost: int
    dups: int
    bound: int
    phantom: int
    cross: int
    unknown: int
    quarantined: int
    open: int  # neither ended nor held when patience did
    unasked: int  # stored, and promised to nobody: a repeated request became another message
    states: Mapping[str, int]
    doubts: Mapping[str, int]  # by what settled them
    dishonest: Sequence[str] = field(default=())

    def complaints(self, *, unknown_allowed: bool, quarantined: int) -> list[str]:
        """What every row must hold and this one does not."""
        found = [f"{name} {count}" for name in ("lost", "phantom", "cross") if (count := getattr(self, name))]
        if self.unasked:
            found.append(f"{self.unasked} messages that nobody was promised")
        if self.open:
            found.append(f"never settled: {self.open}")
        if self.dups > self.bound:
            found.append(f"{self.dups} duplicates, bound {self.bound}")
        if self.unknown and not unknown_allowed:
            found.append(f"unknown {self.unknown}")
        if self.quarantined != quarantined:
            found.append(f"quarantined {self.quarantined} instead of {quarantined}")
        return found + list(self.dishonest)

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Restless:
    """What is still going on."""

    counts: Mapping[str, int]

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def only_doubts(self) -> bool:
        """Nothing else would tell how far the events have come."""
        return bool(self.counts) and self.counts.keys() <= {"delivery in_doubt", "delivery sending"}

    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing"


def restless(fleet: ChaosFleet) -> Restless:
    """What has not come to rest; a database that is away counts as such."""
    try:
        found = {str(what): int(count) for what, count in fleet.rows(_RESTLESS)}
        if pending := fleet.ses.counters()["events.pending"]:
            found["events on their way"] = pending
    except (psycopg.OperationalError, OSError) as error:
        return Restless({type(error).__name__: 1})
    return Restless(found)


def metrics(fleet: ChaosFleet) -> dict[str, float]:
    """The counters of the whole fleet by name and labels, as any of its web processes tells them."""
    with urllib.request.urlopen(f"{fleet.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def judge(
    fleet: ChaosFleet,
    *,
    journal: Sequence[Accept],
    promised: Mapping[str, str],
    before: Mapping[str, float] | None,
    exact: bool,
) -> Verdict:
    """Compare.

    `journal` is what providers took, `promised` maps message ids to their tenants, `before` are the counters at the
    row's begin.

    `exact`: no process was ended, so that counters must equal the truth; else, or where events were lost for ever,
    they may lag behind it.
    """
    deliveries = fleet.rows(
        "SELECT id::text, message_id::text, tenant_id::text, state, hold_reason FROM emails_delivery"
    )
    by_delivery: dict[str, list[Accept]] = defaultdict(list)
    for accept in journal:
        if accept.fence != CANARY:
            by_delivery[str(accept.delivery)].append(accept)
    stored = {message for _, message, _, _, _ in deliveries}
    ours = [row for row in deliveries if row[1] in promised]
    never_taken = [row for row in ours if row[0] not in by_delivery and row[3] not in _NOT_SENT]
    held = [row for row in never_taken if row[4] == "quarantined"]
    dups = sum(len(taken) - 1 for taken in by_delivery.values())
    states = Counter(state for *_, state, _ in deliveries)
    return Verdict(
        sends=len(ours) + len(promised.keys() - stored),
        accepts=len(journal),
        lost=len(promised.keys() - stored) + len(never_taken) - len(held),
        dups=dups,
        bound=_bound(fleet, by_delivery),
        phantom=sum(state == "sent" and id_ not in by_delivery for id_, _, _, state, _ in deliveries),
        cross=_crossings(fleet, deliveries, promised, by_delivery),
        unknown=states["unknown"],
        quarantined=sum(row[4] == "quarantined" for row in deliveries),
        open=sum(state not in _TERMINAL and state != "held" for *_, state, _ in deliveries),
        unasked=len(stored - promised.keys()),
        states=dict(states),
        doubts=_doubts(fleet),
        dishonest=[
            *_wrong_projections(fleet),
            *_wrong_counters(fleet, before, dups=dups, exact=exact and not fleet.ses.withheld()),
        ],
    )


def _bound(fleet: ChaosFleet, by_delivery: Mapping[str, Sequence[Accept]]) -> int:
    """Deliveries whose answer was lost and whose SEND event came too late or never: N · a · e, counted.

    An answer is lost by the stand-in, which says so, or with the process that read it, which its attempt tells. An
    event is late when it came after the grace, before which nothing may be repeated whatever we know.
    """
    heard = _heard(fleet)
    answered = {
        (delivery, str(fence))
        for delivery, fence in fleet.rows(
            "SELECT delivery_id::text, fence FROM emails_attempt WHERE settled_by = 'answer'"
        )
    }
    return sum(
        any(
            heard.get(accept.ses_id, _NEVER) > accept.time + GRACE
            and (accept.answer in _LOST_ANSWERS or (delivery, str(accept.fence)) not in answered)
            for accept in accepts
        )
        for delivery, accepts in by_delivery.items()
    )


def _heard(fleet: ChaosFleet) -> dict[str, float]:
    """When we have stored the SEND event of each mail, by SES's id; in seconds since 1970."""
    found: dict[str, float] = {}
    for body, at in fleet.rows("SELECT body, extract(epoch FROM received_at) FROM emails_notification"):
        if (event := _sending(body)) is not None:
            found[event] = min(found.get(event, _NEVER), float(at))
    return found


def _sending(body: str) -> str | None:
    """The SES id of a SEND event, None for everything else that was posted to us."""
    try:
        event = json.loads(json.loads(body)["Message"])
        return str(event["mail"]["messageId"]) if event["eventType"] == "Send" else None
    except (ValueError, TypeError, KeyError):
        return None


def _crossings(
    fleet: ChaosFleet,
    deliveries: Iterable[tuple[Any, ...]],
    promised: Mapping[str, str],
    by_delivery: Mapping[str, Sequence[Accept]],
) -> int:
    """Rows, events, answers and mails in which two tenants meet."""
    senders: dict[str, Sender] = {sender.tenant_id: sender for sender in fleet.tenants}
    count = int(fleet.rows(_CROSSINGS)[0][0])
    for id_, message, tenant, _, _ in deliveries:
        count += promised.get(message, tenant) != tenant
        domain = f"@{senders[tenant].recipients}"
        count += sum(
            not recipient.strip(">").endswith(domain)
            for accept in by_delivery.get(id_, ())
            for recipient in accept.recipients
        )
    return count + len(by_delivery.keys() - {id_ for id_, *_ in deliveries})


def _doubts(fleet: ChaosFleet) -> dict[str, int]:
    found = fleet.rows(
        "SELECT settled_by, count(*) FROM emails_attempt WHERE settled_by NOT IN ('answer', '') GROUP BY 1"
    )
    return {str(by): int(count) for by, count in found}


def _wrong_projections(fleet: ChaosFleet) -> list[str]:
    """Messages whose stored status is not that of their recipients."""
    statuses: dict[str, list[Status]] = defaultdict(list)
    stored: dict[str, str] = {}
    for message, said, status in fleet.rows(
        """SELECT m.id::text, m.status, coalesce(nullif(r.status, ''), d.state) FROM emails_message m
             JOIN emails_recipient r ON r.message_id = m.id JOIN emails_delivery d ON d.id = r.delivery_id"""
    ):
        stored[message] = said
        statuses[message].append(Status(status))
    wrong = Counter(
        f"{stored[message]} instead of {true}"
        for message, of_recipients in statuses.items()
        if stored[message] != (true := message_status(of_recipients))
    )
    return [f"{count} messages say {words}" for words, count in wrong.items()]


_COUNTED: Final = (
    # What a counter must say, as a question to the rows: its name, what its labels contain, the least and the most.
    ("mailgrid_accepted_recipients_total", "", "SELECT count(*), count(*) FROM emails_recipient"),
    (  # an answer whose attempt an event had settled before is counted too
        "mailgrid_delivery_outcomes_total",
        'outcome="sent"',
        "SELECT count(*) FILTER (WHERE settled_by = 'answer'), count(*) FROM emails_attempt WHERE outcome = 'sent'",
    ),
    (
        "mailgrid_in_doubt_total",
        'outcome="resent"',
        """SELECT count(*), count(*) FROM emails_attempt a JOIN emails_delivery d ON d.id = a.delivery_id
            WHERE a.settled_by = 'silence' AND a.outcome = 'deferred'
               OR a.settled_by = 'grace' AND d.fence > a.fence""",
    ),
    (  # an event may also be quicker than the answer, and then there was no doubt
        "mailgrid_in_doubt_total",
        'outcome="confirmed"',
        "SELECT 0, count(*) FROM emails_attempt WHERE settled_by IN ('event', 'question')",
    ),
)


def _wrong_counters(
    fleet: ChaosFleet, before: Mapping[str, float] | None, *, dups: int, exact: bool
) -> list[str]:
    """Counters that say something else than the rows and the journal."""
    if before is None:
        return []
    now = metrics(fleet)

    def moved(name: str, label: str = "") -> int:
        return round(total(now, name, label) - total(before, name, label))

    wrong: list[str] = []
    for name, label, question in _COUNTED:
        least, most = fleet.rows(question)[0]
        wrong += _outside(f"{name} {label}".strip(), moved(name, label), least if exact else 0, most)
    name = "mailgrid_duplicate_sends_total"
    return wrong + _outside(name, moved(name), dups if exact else 0, dups)


def _outside(name: str, said: int, least: int, most: int) -> list[str]:
    if least <= said <= most:
        return []
    return [f"{name} is {said} instead of {least if least == most else f'{least} to {most}'}"]


def total(values: Mapping[str, float], name: str, label: str = "") -> float:
    """A counter over all its labels that contain `label`."""
    return sum(value for key, value in values.items() if re.match(rf"{name}(\{{|$)", key) and label in key)
