"""Let a tenant send from a domain: `manage.py adddomain acme.example --tenant acme`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailgrid.core.clock import now
from mailgrid.core.errors import MailgridError
from tenants.audit.services import SYSTEM
from tenants.domains.services import add_verified
from tenants.tenancy.selectors import id_of_slug


class Command(BaseCommand):
    help = "Add a domain to a tenant, taken as verified."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the domain, such as mail.example.com")
        parser.add_argument("--tenant", required=True, help="the tenant's slug")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            domain = add_verified(
                tenant_id=id_of_slug(options["tenant"]), name=options["name"], actor=SYSTEM, now=now()
            )
        except MailgridError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{options['tenant']} may send from {domain.name}.")
