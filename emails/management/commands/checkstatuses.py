"""Compare stored statuses with their recipients: `manage.py checkstatuses`; exit code 1 when some differ."""

import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management import BaseCommand, CommandError

from emails.messages.queue import checking

SHOWN: Final = 20
_A_MOMENT: Final = 0.5  # seconds: a change that was under way is done by then


class Command(BaseCommand):
    help = "Compare each message's stored status with what its recipients say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="write what the recipients say")

    def handle(self, *_args: Any, **options: Any) -> None:
        suspects = list(checking.mismatches())
        if suspects:
            time.sleep(_A_MOMENT)
        wrong = [one for one in suspects if checking.is_still_wrong(one)]
        for one in wrong[:SHOWN]:
            self.stdout.write(f"{one.message_id}: stored {one.stored}, recipients say {one.derived}")
        if options["repair"]:
            for one in wrong:
                checking.repair(one)
            self.stdout.write(f"{len(wrong)} mended.")
        elif wrong:
            raise CommandError(f"{len(wrong)} messages differ; --repair writes what their recipients say.")
        else:
            self.stdout.write("Every stored status is what its recipients say.")
