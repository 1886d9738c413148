"""How checks are run."""

from collections.abc import Iterator

from workers.doctor.findings import Finding, ill, run, well


def _sick() -> Iterator[Finding]:
    yield well("work", "So far.")
    raise LookupError("no such table\nLINE 1: SELECT")


def test_a_check_that_fails_is_a_finding_of_one_line_and_the_next_one_runs() -> None:
    assert list(run([("work", _sick), ("blobs", lambda: [well("blobs", "There.")])])) == [
        well("work", "So far."),
        ill("work", "The check itself failed: LookupError: no such table"),
        well("blobs", "There."),
    ]
