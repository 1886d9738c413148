"""Make a tenant ready to send: `manage.py bootstrap --name Acme --domain acme.example`."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailgrid.core.clock import now
from mailgrid.core.errors import MailgridError
from tenants.onboarding import Bootstrapped, bootstrap


class Command(BaseCommand):
    help = "Create a tenant with an admin key; the first one becomes the operator tenant. Prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default="Mailgrid", help="what people call the tenant")
        parser.add_argument("--slug", help="its short name; made from the name if absent")
        parser.add_argument("--domain", help="a domain it may send from, taken as verified")
        parser.add_argument("--mode", choices=["live", "test"], default="live", help="of the key")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            made: Bootstrapped = bootstrap(
                name=options["name"],
                slug=options["slug"],
                domain=options["domain"],
                test=options["mode"] == "test",
                now=now(),
            )
        except MailgridError as error:
            raise CommandError(error.message) from None
        self.stdout.write(
            json.dumps(
                {
                    "tenant_id": str(made.tenant_id),
                    "slug": made.slug,
                    "api_key": made.api_key,
                    "domain": made.domain,
                }
            )
        )
