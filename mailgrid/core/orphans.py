"""Bytes that no row names: stored by a request that never committed, or left behind when their rows were erased.

The sweep walks the store by name, a chunk at a time. What is untouched for a day and named nowhere is moved aside; what
was aside for a day is deleted, or put back if a row has come to name it after all.
"""

from collections.abc import Callable, Collection, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mailgrid.core.blobs import ASIDE, BlobStorage, Stored, store

UNTOUCHED: Final = timedelta(hours=24)  # bytes may be stored long before their row commits, but never so long

Named = Callable[[Collection[str]], Set[str]]  # which of these references a table names


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """One chunk: the last name it looked at, empty at the end of the store, and how many bytes went where."""

    position: str
    seen: int = 0
    set_aside: int = 0
    deleted: int = 0
    put_back: int = 0


def sweep(*, after: str, asked: Collection[Named], now: datetime, limit: int) -> Swept:
    """Look at the `limit` names behind `after`. `asked` must know of every table that names blobs."""
    blobs = store()
    found = blobs.listed(after=after, limit=limit)
    old = [one.name for one in found if one.at < now - UNTOUCHED]
    references = {name.removeprefix(ASIDE) for name in old}
    named: set[str] = set().union(*(ask(references) for ask in asked)) if references else set()
    return Swept(
        position=_position(found, limit),
        seen=len(found),
        set_aside=_set_aside(blobs, [name for name in old if not name.startswith(ASIDE)], named),
        **_settle_aside(blobs, [name for name in old if name.startswith(ASIDE)], named),
    )


def _position(found: list[Stored], limit: int) -> str:
    return found[-1].name if len(found) >= limit else ""


def _set_aside(blobs: BlobStorage, names: list[str], named: Set[str]) -> int:
    unnamed = [name for name in names if name not in named]
    for name in unnamed:
        blobs.move(name, ASIDE + name)
    return len(unnamed)


def _settle_aside(blobs: BlobStorage, names: list[str], named: Set[str]) -> dict[str, int]:
    done = {"deleted": 0, "put_back": 0}
    for name in names:
        if (reference := name.removeprefix(ASIDE)) in named:
            blobs.move(name, reference)  # over equal bytes, if they were stored again meanwhile
            done["put_back"] += 1
        else:
            blobs.delete(name)
            done["deleted"] += 1
    return done
