"""What a check found, and how checks are run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Check = Callable[[], Iterable["Finding"]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing. A finding that is not well says what to do."""

    subject: str
    well: bool
    sentence: str


def well(subject: str, sentence: str) -> Finding:
    """All is well with `subject`."""
    return Finding(subject, True, sentence)


def ill(subject: str, sentence: str) -> Finding:
    """Something is to be done."""
    return Finding(subject, False, sentence)


def run(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """The findings of each check; one that fails itself is a finding too."""
    for subject, check in checks:
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - a doctor looks at sick things
            yield ill(subject, f"The check itself failed: {type(error).__name__}: {error}".splitlines()[0])
