"""What processes use: CPU time of a tree of them, memory of one, and what the machine did beside them. Linux only."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LISTEN: Final = "0A"
_LOOKS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """CPU seconds between two readings: of each part, and of everybody who is not ours.

    `others` is a share of the machine, 0 to 1; time that the hypervisor gave to somebody else is in it.
    """

    seconds: float
    by_part: Mapping[str, float]
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """CPU seconds since the start of each part, of all that is ours, and of the machine."""

    at: float
    by_part: Mapping[str, float]
    ours: float
    machine: float

    def until(self, later: "Reading") -> Used:
        """What was used since this reading."""
        seconds = later.at - self.at
        by_part = {name: spent - self.by_part.get(name, 0.0) for name, spent in later.by_part.items()}
        foreign = (later.machine - self.machine) - (later.ours - self.ours)
        return Used(
            seconds=seconds, by_part=by_part, others=max(0.0, foreign / seconds / (os.cpu_count() or 1))
        )


def read(parts: Mapping[str, int]) -> Reading:
    """Now; `parts` are the first processes of trees, by name. Ours are these and all that we started."""
    own, children = _processes()
    trees = {name: _tree(root, children) for name, root in parts.items()}
    ours = set(_tree(os.getpid(), children)).union(*trees.values())
    return Reading(
        at=time.monotonic(),
        by_part={name: sum(own.get(pid, 0.0) for pid in tree) for name, tree in trees.items()},
        ours=sum(own.get(pid, 0.0) for pid in ours),
        machine=_machine_seconds(),
    )


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    return _processes()[1][pid]


def pss_megabytes(pid: int) -> float:
    """Memory of a process, pages that it shares counted by their share (proportional set size), in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def listener(port: int) -> int | None:
    """The process that listens on this port of the machine; None when it is not here, or hidden from us."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(file) in sockets for file in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue
    return None


def _processes() -> tuple[dict[int, float], dict[int, list[int]]]:
    """CPU seconds of each process with the children it has buried, and the living children of each."""
    for _ in range(_LOOKS):
        own: dict[int, float] = {}
        children: dict[int, list[int]] = defaultdict(list)
        with suppress(
            OSError
        ):  # one has ended meanwhile, and its parent, read before, does not have its time yet
            for folder in Path("/proc").glob("[0-9]*"):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                pid = int(folder.name)
                children[int(fields[1])].append(pid)
                own[pid] = sum(map(int, fields[11:15])) / _TICKS
            break
    return own, children


def _tree(root: int, children: Mapping[int, list[int]]) -> list[int]:
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def _machine_seconds() -> float:
    """CPU seconds that were not idle, since boot."""
    user, nice, system, _idle, _waiting, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
