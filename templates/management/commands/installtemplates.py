"""Give tenants that were there before the built-in templates: `manage.py installtemplates`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailgrid.core.clock import now
from mailgrid.core.errors import MailgridError
from templates.installing import install_everywhere
from tenants.tenancy.selectors import id_of_slug, list_tenants


class Command(BaseCommand):
    help = "Add the built-in templates to tenants that never had them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="the slug of one tenant; all of them if absent")

    def handle(self, *_args: Any, **options: Any) -> None:
        tenants = list_tenants(status=[], plan=None, slug=options["tenant"])
        if options["tenant"]:
            try:
                id_of_slug(options["tenant"])
            except MailgridError as error:
                raise CommandError(error.message) from None
        added = install_everywhere(tenants=tenants, now=now())
        if options["verbosity"]:
            self.stdout.write(f"{added} templates were added.")
