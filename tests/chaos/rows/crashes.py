"""R: processes end, at random and at the worst moments there are.

On two cores the dying of processes costs more than the sending: the numbers of mails are the catalogue's in short, its
own are in `figures`.
"""

from tests.chaos import killer, probes
from tests.chaos.case import Case
from tests.chaos.registry import row


@row("R01", budget=90, quick=True)
def r01(case: Case) -> None:
    """Mail is queued; a random pool process is killed every 300 ms while it is sent: nothing lost, nothing twice."""
    with case.killing(killer.pool_process, every=0.3):
        case.submit(1_500)
        case.sent(case.size(1_400), patience=30)
    assert case.judge().dups == 0


@row("R02", budget=90)
def r02(case: Case) -> None:
    """The same, and a whole worker is killed every two seconds."""
    with case.killing(killer.group, every=2.0):
        case.submit(1_500)
        case.sent(case.size(1_400), patience=30)
    assert case.judge().dups == 0


@row("R03", budget=120)
def r03(case: Case) -> None:
    """The same as R01, while 7.5 % of SES's answers are refusals, errors, hangs and lost connections."""
    case.ses.misbehave(*probes.FAULTS, seed=case.seed)
    with case.killing(killer.pool_process, every=0.3):
        case.submit(1_500)
        case.sent(case.size(1_400), patience=30)
    case.ses.misbehave()
    verdict = case.judge()
    assert verdict.dups == case.counter("mailgrid_duplicate_sends_total")


@row("R14", budget=90)
def r14(case: Case) -> None:
    """Web, ingest and sweep die at each of their crash points, from reading a request to recording an event."""
    web = ("accept.before_commit", "accept.after_commit", "bell.before_publish", "bell.after_publish")
    web += ("notification.before_commit", "notification.after_commit")
    parts = ("expired", "leases_ended", "decided", "released", "due")
    sweep = [f"sweep.before_{part}" for part in parts]
    with (
        case.armed("web", *web),
        case.armed("worker-events", "ingest.before_commit"),
        case.armed("worker-maintenance", *sweep),
    ):
        case.submit(300, batch=5)
        case.sent(case.size(300))
        case.wait(case.all_struck)
    assert case.judge().dups == 0


@row("R15", budget=90)
def r15(case: Case) -> None:
    """A worker dies at each crash point between two commits: claimed, composed, calling, called, settled."""
    points = ("claim.before_commit", "claim.after_commit", "compose", "send.before_call", "send.after_call")
    points += ("settle.before_commit", "settle.after_commit")
    with case.armed("worker-send", *points):
        case.submit(600)
        case.wait(case.all_struck)
    assert case.judge().dups == 0


@row("R16", budget=90)
def r16(case: Case) -> None:
    """A worker freezes before its call, and another one before it settles; both are swept; then they go on."""
    points = ("send.before_call", "settle.before_commit")
    with case.fleet.another("worker-send"), case.armed("worker-send", *points, action="stop", times=1):
        with case.steadily(rate=10, threads=2):
            case.wait(case.all_struck)
            case.sleep(6)  # two leases
        left = case.settle(seconds=40)
        assert not left, f"while they are frozen: {left}"
        assert case.fleet.go_on("worker-send") == 2
        case.sleep(3)
    assert case.judge().dups <= 1


@row("R16b", budget=60)
def r16b(case: Case) -> None:
    """A worker freezes with a refusal in its hand, its mail is claimed again, and it goes on in the middle of that."""
    case.ses.misbehave("throttle", count=1)
    with case.armed("worker-send", "settle.before_commit", action="stop", times=1):
        case.load.submit(1, batch=1)
        case.wait(case.all_struck)
        case.ses.misbehave("ok", latency_ms=2_000)
        case.hope_for("SELECT 1 FROM emails_delivery WHERE state = 'sending' AND fence = 2")
        assert case.fleet.go_on("worker-send") == 1
        states = probes.states_within(case, seconds=4, question="fence = 2")
        assert states == {"sending", "sent"}
    assert case.judge().dups == 0


@row("R23", budget=110)
def r23(case: Case) -> None:
    """Composing one mail of fifty kills its process each time: it is quarantined, its neighbours are sent."""
    with case.armed("worker-send", "compose=poison", times=100):
        case.load.submit(1, batch=1, subject="poison")
        case.load.submit(49, batch=49)
        verdict = case.judge(quarantined=1)
    assert (verdict.accepts, verdict.dups, verdict.states) == (
        verdict.sends - 1,
        0,
        {"held": 1, "sent": verdict.sends - 1},
    )
    poison = case.fleet.rows("SELECT id, status FROM emails_message WHERE subject = 'poison'")
    assert [status for _, status in poison] == ["held"]
