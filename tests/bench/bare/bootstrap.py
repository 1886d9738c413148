"""`python -m tests.bench.bare.bootstrap SECRET` makes the tables and a key."""

import sys
from hashlib import sha256

import django
from django.core.management import call_command


def main(secret: str) -> None:
    django.setup()
    from tests.bench.bare.models import Key

    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    Key.objects.create(digest=sha256(secret.encode()).hexdigest())


if __name__ == "__main__":
    main(sys.argv[1])
