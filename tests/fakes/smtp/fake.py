"""The fake as a context manager: in a thread of the test, or as a process of its own that can be killed."""

import json
import socket
import subprocess
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.smtp.faults import Action, Rule
from tests.fakes.smtp.journal import Accept
from tests.fakes.smtp.options import Options
from tests.fakes.smtp.runners import InProcess, InThread


class FakeSmtp:
    """A fake SMTP server that runs while the context is open, and the verbs of its control port.

    `own_process=True` starts it as a process, whose `process` may be killed and stopped like a provider's machine; give
    it a `journal` path and ports then, so that `start` brings it back as it was. All other arguments are `Options`.
    """

    def __init__(self, *, own_process: bool = False, **options: Any) -> None:
        self.options = Options(**options)
        self._runner: InThread | InProcess = (InProcess if own_process else InThread)(self.options)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, or start again after `stop` or `kill`; sets `host`, `port`, `tls_port` and `ca_file`."""
        place = self._runner.start()
        self.host: str = place["host"]
        self.port: int = place["port"]
        self.tls_port: int = place["tls_port"]
        self.ca_file = Path(place["ca_file"])
        self._control = (self.host, place["control_port"])

    def stop(self) -> None:
        self._runner.stop()

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The process, with `own_process=True`; for `kill()` and `send_signal()`."""
        assert isinstance(self._runner, InProcess)
        return self._runner.process

    def journal(self) -> list[Accept]:
        """Every mail taken so far, in order."""
        return [Accept.from_document(document) for document in self._ask("journal")]

    def counts(self) -> dict[str, int]:
        """Counts by name: `connections`, `accepts`, `faults`, and one for each command in lower case."""
        counts: dict[str, int] = self._ask("counts")
        return counts

    def heard(self) -> list[tuple[int, bytes]]:
        """What came over the wire, a read at a time and without the contents of mail: (connection, bytes)."""
        return [(number, b64decode(chunk)) for number, chunk in self._ask("heard")]

    def violations(self) -> list[str]:
        """Where a client broke the protocol."""
        violations: list[str] = self._ask("violations")
        return violations

    def misbehave(self, *rules: Rule | Action | str, seed: int | None = None, **settings: Any) -> None:
        """Replace the faults in force: rules, or one action with the settings of a `Rule`. None: behave."""
        if len(rules) == 1 and not isinstance(rules[0], Rule):
            rules = (Rule(action=Action(rules[0]), **settings),)
        self._ask("misbehave", rules=[asdict(rule) for rule in rules if isinstance(rule, Rule)], seed=seed)

    def offer(self, **changes: Any) -> None:
        """Change what is offered to sessions that begin from now on; the arguments are those of `Offer`."""
        self._ask("offer", **changes)

    def reset(self) -> None:
        """Forget what happened, and behave."""
        self._ask("reset")

    def _ask(self, verb: str, **arguments: Any) -> Any:
        """One control call. Raises ValueError with the fake's words when it is refused."""
        with socket.create_connection(self._control, timeout=30) as control:
            control.sendall(json.dumps({"do": verb, **arguments}).encode() + b"\n")
            with control.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        if isinstance(answer, Mapping) and "error" in answer:
            raise ValueError(answer["error"])
        return answer
