"""The measured run that the model is held against, as a file."""

from collections.abc import Mapping
from typing import Any, Final

from mailgrid.env import BASE_DIR
from tests.bench import paced
from tests.bench.drawing import Chart, Line
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.results import Results
from tests.bench.simulation.model import Account, Arrivals, Course, Fleet, simulate

MEASURED: Final = BASE_DIR / "tests" / "data" / "bench" / "paced.json"
_NO_LIMIT: Final = (
    1_000_000.0  # mails a second that the workers could do: the account is what limits this run
)


def measured_case(found: Mapping[str, Any]) -> Course:
    """The run that was measured, simulated with what was known before it: its pace, and urgent mail's idle waits."""
    emails = found["emails"]
    arrivals = Arrivals(bulk=lambda _: emails, urgent=lambda at: paced.URGENT_PER_SECOND if at > 0.5 else 0)
    fleet = Fleet(
        bulk_per_second=_NO_LIMIT,
        urgent_p50=found["idle_ms"]["p50"] / 1000,
        urgent_p99=found["idle_ms"]["p99"] / 1000,
    )
    seconds = max(map(float, found["left"])) + 10
    return simulate(arrivals, Account(per_second=found["per_second"]), fleet, seconds=seconds)


def chart(found: Mapping[str, Any]) -> Chart:
    """Measured and simulated, one over the other."""
    course = measured_case(found)
    last = max(map(float, found["left"]))
    return Chart(
        title=f"{found['emails']:,} emails through an account with a pace of {found['per_second']:g} a second",
        x="seconds since the first was sent",
        y="left of the backlog",
        lines=[
            Line("measured", [(float(at), left) for at, left in found["left"].items()]),
            Line("simulated", [(at, left) for at, left in course.backlog[::20] if at <= last]),
        ],
    )


def keep(results: Results) -> dict[str, Any]:
    """The measured run as the test reads it. Raises KeyError when `paced` was not measured."""
    row, ours = results.rows["paced"], MailgridFleet.name
    prefix = f"{paced.LEFT} "
    left = {
        name.removeprefix(prefix).removesuffix(" s"): results.value("paced", name, ours)
        for name in results.measurements("paced")
        if name.startswith(prefix)
    }
    waits = {
        key: {share: results.value("paced", f"{name}, {share}", ours) for share in ("p50", "p99")}
        for key, name in (("idle_ms", paced.IDLE), ("beside_ms", paced.BESIDE))
    }
    known = {"per_second": paced.PER_SECOND, "emails": row.n or paced.EMAILS}
    return {"facts": row.facts, **known, **waits, "left": left}
