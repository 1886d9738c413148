"""`manage.py fleet`: every process of deploy/Procfile on this machine, against the services of the environment."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from mailgrid.env import BASE_DIR, env
from workers import demo
from workers.doctor.services import unreachable


class Command(BaseCommand):
    help = "Run the whole fleet on this machine: web, workers, beat and Flower."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        os.umask(0o077)  # blobs hold people's mail
        if missing := unreachable():
            raise CommandError(" ".join(f"{finding.subject}: {finding.sentence}" for finding in missing))
        call_command("migrate", verbosity=0, interactive=False)
        url = f"http://{env('HOST')}:{env('PORT')}"
        access = demo.prepare(settings.VAR_DIR / "demo.json", url=url)
        self.stdout.write(demo.welcome(access, url=url, word="starts"))
        self.stdout.flush()
        raise SystemExit(subprocess.run(_honcho(), env=_environment(), cwd=BASE_DIR, check=False).returncode)


def _honcho() -> list[str]:
    return [sys.executable, "-m", "honcho", "-f", "deploy/Procfile", "start"]


def _environment() -> dict[str, str]:
    """With the programs of this virtual environment first, and the settings this command itself ran with."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {
        "HOST": str(env("HOST")),
        "PORT": str(env("PORT")),
        "PYTHONUNBUFFERED": "1",
        "SENDING_PROCESSES": "6",
    }
    module = {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    return os.environ | own | module | {"PATH": path}
