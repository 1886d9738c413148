"""What deploy/Procfile declares, word by word: the other files of deploy/ are held against it."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailgrid.env import BASE_DIR
from mailgrid.settings.celery import over_rabbitmq
from tests.live_fleet import procfile
from workers.queues import GROUPS

DEPLOY: Final = BASE_DIR / "deploy"
EXAMPLE: Final = DEPLOY / "mailgrid.env.example"
SOFT_SHUTDOWN_SECONDS: Final[int] = over_rabbitmq("amqp://", "worker")["CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT"]
WORKERS: Final = {f"worker-{group}": group for group in GROUPS}


@dataclass(frozen=True, slots=True)
class Process:
    """A program with its arguments, and the variables that go before it."""

    variables: dict[str, str]
    words: list[str]

    def option(self, name: str) -> str:
        """What follows `--name`."""
        return self.words[self.words.index(f"--{name}") + 1]


def process(name: str, environment: Mapping[str, str]) -> Process:
    """A process of the Procfile, as a shell with this environment would start it."""
    words = shlex.split(expanded(procfile()[name], environment))
    leading = [word for word in words if re.fullmatch(r"[A-Z_]+=\S*", word)]
    return Process(dict(word.split("=", 1) for word in leading), words[len(leading) :])


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """The text with `$NAME` and `${NAME}` replaced; raises KeyError for what is not there."""
    return re.sub(r"\$\{?([A-Z_]+)\}?", lambda found: environment[found.group(1)], text)


def env_file(text: str) -> dict[str, str]:
    """The NAME=value lines of an environment file."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def env_file_with_marks(text: str) -> dict[str, str]:
    """The same, with the lines that `#NAME=value` switches off."""
    return env_file(re.sub(r"^#(?=[A-Z_]+=)", "", text, flags=re.MULTILINE))
