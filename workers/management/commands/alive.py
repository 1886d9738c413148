"""`manage.py alive worker-send`: does this process of the fleet work on this machine? For health checks."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from mailgrid.core.clock import now
from workers.fleet.signs import PROCESSES, last_sign, patience


class Command(BaseCommand):
    help = (
        "Whether a worker group of this machine, or a beat of the fleet, has shown lately that it works. "
        "Exit code 1 when not; also when the database cannot be asked, where a restart would not help."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("process", choices=PROCESSES, help="its name in deploy/Procfile")

    def handle(self, *_args: Any, **options: Any) -> None:
        process: str = options["process"]
        try:
            sign = last_sign(process, host=socket.gethostname())
        except DatabaseError as error:
            raise CommandError(f"The database cannot be asked: {error}".splitlines()[0]) from None
        allowed = patience(process)
        if sign is None or (silence := now() - sign) > allowed:
            raise CommandError(f"{process} has not been heard of for {allowed.total_seconds():.0f} s.")
        self.stdout.write(f"{process} was heard of {silence.total_seconds():.0f} s ago.")
