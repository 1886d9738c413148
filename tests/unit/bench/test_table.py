"""What the tables say of results."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import deliver, document, growth, table
from tests.bench.drawing import Chart, Line
from tests.bench.kept import Kept
from tests.bench.mailer import Sample
from tests.bench.peers.turn import SMTP
from tests.bench.results import Results

_FACTS = {
    "at": "2026-11-25 12:00",
    "commit": "abc",
    "machine": "two cores",
    "load": "0.1",
    "database": "PostgreSQL",
}


def _kept(row: str, values: dict[str, dict[str, list[float]]], *, unit: str = "/s") -> Kept:
    """`values` by contestant, measurement and round."""
    keep = Kept(row=row, facts=_FACTS)
    for contestant, measured in values.items():
        for number in range(len(next(iter(measured.values())))):
            samples = [Sample(row=name, value=rounds[number], unit=unit) for name, rounds in measured.items()]
            keep.turns.append(
                {
                    "contestant": contestant,
                    "round": number + 1,
                    "seconds": 1.0,
                    "samples": [{"row": s.row, "value": s.value, "unit": s.unit} for s in samples],
                }
            )
    return keep


def test_others_stand_beside_ours_with_how_many_times_better_ours_is() -> None:
    row = _kept("deliver", {"Mailgrid": {"x": [300.0, 200.0, 400.0]}, "conventional": {"x": [100.0]}})

    assert table.values(Results([row]), "deliver") == [
        {"measured": "x (/s)", "Mailgrid": "300", "rounds": "200 – 400", "conventional": "100 (3.0x)"}
    ]


def test_of_a_latency_less_is_better() -> None:
    row = _kept("urgent", {"Mailgrid": {"x": [10.0]}, "conventional": {"x": [40.0]}}, unit="ms")

    assert table.values(Results([row]), "urgent")[0]["conventional"] == "40.0 (4.0x)"


def test_a_target_that_is_missed_says_so() -> None:
    ours = _kept("deliver", {"Mailgrid": {deliver.ONE: [1_400.0]}, "conventional": {deliver.ONE: [100.0]}})

    assert table.targets(Results([ours])) == [
        {
            "target": "SendEmail against the conventional mailer",
            "bound": "≥ 15 x",
            "measured": "14.00 x",
            "": "MISSED",
        }
    ]


def test_a_target_is_held_against_the_best_peer() -> None:
    ours = _kept("deliver", {"Mailgrid": {deliver.ONE: [2_000.0]}})
    peers = _kept("peers", {"Mailgrid": {SMTP: [1_500.0]}, "one": {SMTP: [100.0]}, "two": {SMTP: [500.0]}})

    measured = {row["target"]: row["measured"] for row in table.targets(Results([ours, peers]))}

    assert measured["SendEmail against the best peer over SMTP"] == "4.00 x"
    assert measured["our SMTP transport against the best peer"] == "3.00 x"


def test_the_worst_growth_counts() -> None:
    grown = {
        "10,000 messages": {"claim, per email": [10.0], "settle, per email": [10.0]},
        "1,000,000 messages": {"claim, per email": [11.0], "settle, per email": [15.0]},
    }

    rows = table.targets(Results([_kept("growth", grown, unit="µs")]))

    assert [(row["measured"], row[""]) for row in rows] == [("1.50 x", "MISSED")]


def test_the_growth_picture_has_a_line_for_each_operation() -> None:
    grown = {
        name: {operation: [cost] for operation in growth.OPERATIONS}
        for name, cost in (("10,000 messages", 10.0), ("1,000,000 messages", 12.0))
    }

    chart = document.growth_chart(Results([_kept("growth", grown, unit="µs")]))

    assert [line.points for line in chart.lines] == [[(10_000, 1.0), (1_000_000, 1.2)]] * len(
        growth.OPERATIONS
    )


def test_a_chart_is_a_picture_with_its_points_in_place() -> None:
    chart = Chart(title="a < b", x="x", y="y", lines=[Line("one", [(1, 0), (100, 4)])], by_tens=True)

    picture = ElementTree.fromstring(chart.svg())
    (line,) = picture.iter("{http://www.w3.org/2000/svg}polyline")

    assert line.attrib["points"] == "72.0,328.0 736.0,104.0"  # of an axis that ends at five


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- begin x -->\nold\n<!-- end x -->\nafter\n")

    document.write_between_marks(path, "x", "new")

    assert path.read_text() == "before\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nafter\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n")

    with pytest.raises(ValueError, match="0 places"):
        document.write_between_marks(path, "x", "new")

    assert path.read_text() == "before\n"
