"""`python -m tests.bench.simulation`: simulate what the arguments say, tell, and draw; or keep the measured run."""

import argparse
import json
from pathlib import Path

from tests.bench.drawing import Chart, Line
from tests.bench.mails import SEED
from tests.bench.results import newest
from tests.bench.simulation.held import MEASURED, keep
from tests.bench.simulation.model import Account, Course, Fleet, simulate
from tests.bench.simulation.patterns import PATTERNS


def main() -> None:
    """Do it."""
    chosen = _arguments()
    if chosen.keep:
        MEASURED.parent.mkdir(parents=True, exist_ok=True)
        MEASURED.write_text(json.dumps(keep(newest(["paced"])), indent=1) + "\n")
        return
    fleet = Fleet(
        bulk_per_second=chosen.workers * chosen.per_worker,
        urgent_p50=chosen.idle[0] / 1000,
        urgent_p99=chosen.idle[1] / 1000,
        urgent_at_once=chosen.at_once,
    )
    arrivals = PATTERNS[chosen.pattern](chosen.emails, urgent=chosen.urgent)
    course = simulate(
        arrivals, Account(per_second=chosen.rate), fleet, seconds=chosen.seconds, seed=chosen.seed
    )
    gone = "not gone" if course.drained_at is None else f"gone after {course.drained_at:,.0f} s"
    waits = ", ".join(
        f"{name} {course.wait(share) * 1000:,.0f} ms" for name, share in (("p50", 0.5), ("p99", 0.99))
    )
    print(f"backlog {gone}; urgent mail {waits}")
    if chosen.picture:
        title = f"{chosen.pattern}: {chosen.emails:,} mails, {chosen.rate:g}/s, {chosen.workers} workers"
        chosen.picture.write_text(picture(course, title))


def picture(course: Course, title: str) -> str:
    """Backlog and urgent mail's waits over time, one above the other in the scale of their highest."""
    most = max(left for _, left in course.backlog) or 1.0
    longest = max((wait for _, wait in course.urgent), default=1.0)
    every = max(1, len(course.backlog) // 400)
    backlog = [(at, left / most * 100) for at, left in course.backlog[::every]]
    urgent = [(at, wait / longest * 100) for at, wait in course.urgent[:: max(1, len(course.urgent) // 400)]]
    lines = [
        Line(f"backlog, 100 = {most:,.0f} mails", backlog),
        Line(f"urgent mail, 100 = {longest * 1000:,.0f} ms", urgent),
    ]
    return Chart(title=title, x="seconds", y="percent of the highest", lines=lines).svg()


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.simulation")
    arguments.add_argument("--pattern", choices=sorted(PATTERNS), default="newsletter")
    arguments.add_argument("--emails", type=int, default=200_000, help="of bulk")
    arguments.add_argument("--urgent", type=float, default=5.0, help="urgent mails a second")
    arguments.add_argument("--rate", type=float, default=500.0, help="mails a second that the provider takes")
    arguments.add_argument("--workers", type=int, default=2, help="bulk workers")
    arguments.add_argument("--per-worker", type=float, default=2_000.0, help="mails a second of one of them")
    arguments.add_argument(
        "--idle", type=float, nargs=2, default=(15.0, 40.0), help="ms, p50 and p99 of urgent mail"
    )
    arguments.add_argument("--at-once", type=int, default=32, help="urgent mails under way at one time")
    arguments.add_argument("--seconds", type=float, default=600.0)
    arguments.add_argument("--seed", type=int, default=SEED)
    arguments.add_argument("--picture", type=Path, help="write an SVG here")
    arguments.add_argument("--keep", action="store_true", help="the measured run, for the test")
    return arguments.parse_args()


if __name__ == "__main__":
    main()
