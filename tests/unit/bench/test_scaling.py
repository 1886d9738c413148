"""The arithmetic of docs/scaling.md, with costs that can be reckoned in the head."""

from dataclasses import replace

import pytest

from tests.bench import accept, deliver, events, growth
from tests.bench.kept import Kept
from tests.bench.results import Results
from tests.bench.scaling import (
    NOTIFICATIONS,
    PEAK_SHARE,
    SINGLE_SHARE,
    UTILISATION,
    Costs,
    costs,
    document,
    limits,
    plan,
)

_PARTS = {"web": 0.0, "worker": 0.0, "database": 0.0, "broker": 0.0, "redis": 0.0}
_COSTS = Costs(
    single=_PARTS | {"web": 1_000.0, "database": 300.0},
    bulk=_PARTS | {"web": 100.0, "database": 50.0},
    event=_PARTS | {"database": 10.0},
    single_wal=5_000.0,
    bulk_wal=4_000.0,
    event_wal=1_000.0,
    stored=2_400.0,
)


def test_the_assumptions_are_those_the_numbers_below_were_reckoned_with() -> None:
    assert (PEAK_SHARE, UTILISATION, SINGLE_SHARE, NOTIFICATIONS) == (0.1, 0.5, 0.2, 2.1)


def test_a_days_mail_is_reckoned_for_its_busiest_hour() -> None:
    found = plan(_COSTS, 36_000_000)

    assert found.mean == pytest.approx(416.67, abs=0.01)
    assert found.peak == pytest.approx(1_000.0)


def test_cores_are_the_mixed_cost_at_half_load() -> None:
    found = plan(_COSTS, 36_000_000)

    # 0.2 x 1,000 + 0.8 x 100 = 280 µs of 1,000 emails a second: 0.28 cores, half loaded
    assert found.cores["web"] == pytest.approx(0.56)
    # 0.2 x 300 + 0.8 x 50 + 2.1 x 10 = 121 µs
    assert found.cores["database"] == pytest.approx(0.242)


def test_log_and_storage_follow_from_bytes() -> None:
    found = plan(_COSTS, 36_000_000)

    # 0.2 x 5,000 + 0.8 x 4,000 + 2.1 x 1,000 = 6,300 bytes
    assert found.wal == pytest.approx(6_300_000)
    # 1,400 bytes for 30 days, the other 1,000 for 90
    assert found.stored == pytest.approx(36_000_000 * (1_400 * 30 + 1_000 * 90))


def test_one_primary_is_enough_until_its_cores_or_its_log_are_not() -> None:
    assert plan(_COSTS, 36_000_000).shards == 1
    # 264.5 times as many emails: 64 cores and a little
    assert plan(_COSTS, 9_522_000_000).shards == 9  # the log: 1,666 MB/s of 200 each
    heavy = replace(_COSTS, single_wal=0.0, bulk_wal=0.0, event_wal=0.0)
    assert plan(heavy, 9_522_000_000).shards == 2  # 64.01 cores of 64 each


def test_accounts_are_asked_for_where_one_is_not_enough() -> None:
    assert plan(_COSTS, 36_000_000).accounts == 1
    assert plan(_COSTS, 1_000_000_000).accounts == 14  # 27,778 a second, 2,000 each


def test_limits_are_emails_a_second_in_the_busiest_hour() -> None:
    found = limits(_COSTS)

    assert found["its log at 200 MB/s"] == pytest.approx(200e6 / 6_300)
    assert found["one PostgreSQL primary of 64 cores, CPU at 50%"] == pytest.approx(64 * 0.5 * 1e6 / 121)


def test_the_document_has_a_column_for_each_volume() -> None:
    assert "| 1,000,000 a day | 100,000,000 a day | 1,000,000,000 a day |" in document(_COSTS)


def test_costs_are_read_from_the_rows() -> None:
    found = costs(Results(_rows()))

    assert found is not None
    assert found.single == {"web": 3.0, "database": 3.0}  # accepted one by one, and sent by SendEmail
    assert found.bulk == {"web": 3.0, "database": 3.0}
    assert (found.single_wal, found.bulk_wal, found.event_wal) == (14.0, 14.0, 14.0)
    assert found.stored == 7.0
    assert "| web, cores |" in document(found)


@pytest.mark.parametrize("missing", ["accept", "deliver", "events", "growth"])
def test_what_was_not_measured_is_not_guessed(missing: str) -> None:
    assert costs(Results(row for row in _rows() if row.row != missing)) is None


def _rows() -> list[Kept]:
    """Every measurement is 7; a way's first step costs web 1 and the database 2 µs, its second the other way round."""
    first, second = {"web": 1.0, "database": 2.0}, {"web": 2.0, "database": 1.0}
    measured = {
        "accept": [
            (accept.one_by_one_row(32), first),
            (accept.batch_row(500), first),
            ("accept batches of 100, WAL per email", None),
            ("accept batches of 500, WAL per email", None),
        ],
        "deliver": [
            (deliver.ONE, second),
            (deliver.BULK, second),
            (f"{deliver.ONE}, WAL per email", None),
            (f"{deliver.BULK}, WAL per email", None),
        ],
        "events": [
            (events.STORED, first),
            (events.APPLIED, second),
            (f"{events.STORED}, WAL each", None),
            (f"{events.APPLIED}, WAL each", None),
        ],
        "growth": [(growth.STORED, None)],
    }
    return [
        Kept(
            row=row,
            turns=[
                {
                    "contestant": "Mailgrid",
                    "round": 1,
                    "samples": [{"row": name, "value": 7.0, "unit": "", "cpu": cpu} for name, cpu in samples],
                }
            ],
        )
        for row, samples in measured.items()
    ]
