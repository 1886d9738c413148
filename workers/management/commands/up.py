"""`manage.py up`: Mailgrid in one process. The first start makes a database, a demo tenant and an operator."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from mailgrid.env import env
from workers import demo, embedded


class Command(BaseCommand):
    help = "Run API, console, workers and schedule in one process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=env("HOST"))
        parser.add_argument("--port", type=int, default=env("PORT"))

    def handle(self, *_args: Any, **options: Any) -> None:
        os.umask(0o077)  # the database holds people's mail
        host, port = options["host"], options["port"]
        url = f"http://{host}:{port}"
        if not env("PUBLIC_URL"):
            settings.PUBLIC_URL = url  # as the options say, not only the environment
        try:
            with embedded.only_process(settings.VAR_DIR / "mailgrid.lock"):
                call_command("migrate", verbosity=0, interactive=False)
                embedded.check_durability()
                access = demo.prepare(settings.VAR_DIR / "demo.json", url=url)
                call_command("installtemplates", verbosity=0)  # for tenants of earlier versions
                embedded.run(
                    host=host, port=port, ready=lambda: self.stdout.write(demo.welcome(access, url=url))
                )
        except (embedded.AlreadyRunning, embedded.UnsafeDatabase) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another PORT."
            ) from None
