"""`python -m tests.bench.conventional.bootstrap` makes the tables and a user, and prints the user's token."""

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    from django.contrib.auth.models import User
    from rest_framework.authtoken.models import Token

    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    print(Token.objects.create(user=User.objects.create_user("acme")).key)


if __name__ == "__main__":
    main()
