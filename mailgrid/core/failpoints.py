"""Named points of no return, where a test kills, stops or breaks the process to see what the next one makes of it.

The setting `FAILPOINTS` is empty in every settings module of the product: there, reaching a point costs a look at it
and does nothing. The names are the crash points of docs/delivery.md.
"""

import os
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from django.conf import settings


class Action(StrEnum):
    """What happens at the point."""

    EXIT = "exit9"  # as kill -9: nothing is cleaned up
    STOP = "stop"  # as SIGSTOP: frozen until somebody continues it
    RAISE = "raise"


class Reached(Exception):
    """A failpoint that raises was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failpoint:
    """What to do at a point, at most `times` in all processes together: each time leaves a file in `folder`."""

    action: Action
    times: int
    folder: Path


def reach(name: str, about: str = "") -> None:
    """Tell that the point was reached; a test may arm it for everything, or for what it is about (`name=about`)."""
    if settings.FAILPOINTS:
        for armed_name in (name, f"{name}={about}"):
            armed: Failpoint | None = settings.FAILPOINTS.get(armed_name)
            if armed is not None:
                _act(armed_name, armed)


def _act(name: str, armed: Failpoint) -> None:
    if not _takes_its_turn(name, armed):
        return
    match armed.action:
        case Action.EXIT:
            os.kill(os.getpid(), signal.SIGKILL)
        case Action.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Action.RAISE:
            raise Reached(name)


def _takes_its_turn(name: str, armed: Failpoint) -> bool:
    for turn in range(armed.times):
        try:
            (armed.folder / f"{name}.{turn}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False
