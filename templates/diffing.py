"""What changed between two texts, in unified lines. Pure, and bounded whatever the texts are."""

import difflib
from itertools import islice, takewhile
from typing import Final

MAX_COMPARED: Final = 1_000  # lines in which the texts differ; comparing takes the square of it
MAX_LINES: Final = 10_000  # of the answer
MAX_LENGTH: Final = 1_000  # characters of a line
CONTEXT: Final = 3
_HEAD: Final = 2  # lines with the names of files, which nobody needs here


def unified(before: str | None, after: str | None) -> list[str]:
    """Unified lines, `@@` headers included; empty where nothing changed. An absent text is an empty one.

    Texts that differ in more than a thousand lines are not compared line by line: the old ones go, the new ones come.
    """
    old, new = (before or "").splitlines(), (after or "").splitlines()
    if old == new:
        return []
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = zip(reversed(old[head:]), reversed(new[head:]), strict=False)
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    changed = max(len(old), len(new)) - head - tail
    if changed > MAX_COMPARED:
        lines = _replaced(old, new, head, tail)
    else:
        lines = list(_near(old, new, head, tail))
    shown = [line if len(line) <= MAX_LENGTH else f"{line[:MAX_LENGTH]}…" for line in lines[:MAX_LINES]]
    return [*shown, "…"] if len(lines) > MAX_LINES else shown


def _near(old: list[str], new: list[str], head: int, tail: int) -> list[str]:
    """The lines around the change compared, with their places in the whole texts."""
    start = max(0, head - CONTEXT)
    stop = max(0, tail - CONTEXT)
    some_old, some_new = old[start : len(old) - stop], new[start : len(new) - stop]
    pad = [""] * start  # so that line numbers are right; equal lines at the beginning cost nothing
    lines = difflib.unified_diff(some_old, some_new, lineterm="", n=CONTEXT)
    return [_moved(line, len(pad)) if line.startswith("@@") else line for line in islice(lines, _HEAD, None)]


def _moved(header: str, by: int) -> str:
    """A header with its line numbers moved on."""

    def moved(span: str) -> str:
        start, comma, count = span[1:].partition(",")
        return f"{span[0]}{int(start) + by}{comma}{count}"

    _, old, new, _ = header.split(" ")
    return f"@@ {moved(old)} {moved(new)} @@"


def _replaced(old: list[str], new: list[str], head: int, tail: int) -> list[str]:
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    header = f"@@ -{head + 1},{len(gone)} +{head + 1},{len(come)} @@"
    return [header, *(f"-{line}" for line in gone), *(f"+{line}" for line in come)]
