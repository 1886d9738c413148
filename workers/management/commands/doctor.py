"""`manage.py doctor`: says what is well and what is wrong; exit code 1 when something is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from workers.doctor import accounts, services, work
from workers.doctor.findings import Finding, run


class Command(BaseCommand):
    help = "Check every dependency and say what is wrong in plain sentences."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--services", action="store_true", help="only database, broker and Redis")

    def handle(self, *_args: Any, **options: Any) -> None:
        checks = (
            services.CHECKS if options["services"] else (*services.CHECKS, *work.CHECKS, *accounts.CHECKS)
        )
        wrong = 0
        for finding in run(checks):
            self._tell(finding)
            wrong += not finding.well
        if wrong:
            raise CommandError(f"{wrong} {'thing needs' if wrong == 1 else 'things need'} attention.")

    def _tell(self, finding: Finding) -> None:
        style = self.style.SUCCESS if finding.well else self.style.ERROR
        self.stdout.write(
            f"{style('well ' if finding.well else 'WRONG')}  {finding.subject}: {finding.sentence}"
        )
