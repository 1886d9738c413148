"""The list of messages. The page of one shows more than this slice knows: see `emails.story.admin`."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter, DropdownFilter

from emails.messages.lifecycle import OPEN, PRECEDENCE, WAITING
from emails.messages.models import Delivery, Message, Recipient
from emails.messages.queue.passes import in_states
from emails.messages.selectors import with_current_status
from mailgrid.core.admin import ConsoleAdmin, newest
from mailgrid.core.ids import parse_uuid
from mailgrid.core.showing import badge, cut, mode, moment
from mailgrid.core.vocabulary import Status
from tenants.tenancy.models import Tenant

_CLAIMED = (Status.SENDING, Status.IN_DOUBT)  # these, and the others that are open, each have a partial index


class StatusFilter(DropdownFilter):  # type: ignore[misc]
    """Open messages are found through their deliveries, which are few.

    Others are found by the index that starts with the tenant, or among the newest when no tenant is chosen.
    """

    title = "status"
    parameter_name = "status"

    def lookups(self, _request: HttpRequest, _admin: Any) -> Iterator[tuple[str, str]]:
        """The words of the lifecycle."""
        return ((str(status), str(status).replace("_", " ")) for status in PRECEDENCE)

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those with the status that was chosen."""
        status = self.value()
        if not status:
            return rows
        wanted = rows if status == Status.SENDING else rows.filter(status=status)
        if status in OPEN:
            group = _CLAIMED if status in _CLAIMED else (*WAITING, Status.HELD)
            of_state = Delivery.across_tenants.filter(in_states(*group), state=status)
            return wanted.filter(pk__in=of_state.values("message_id"))
        return wanted if "tenant__id__exact" in self.request.GET else newest(wanted)


class MessageAdmin(ConsoleAdmin):
    """Every accepted message, newest first."""

    list_display = ("when", "shown_status", "shown_subject", "first_recipient", "tenant", "kind")
    list_display_links = ("when", "shown_subject")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), StatusFilter, ("test", BooleanRadioFilter))
    list_defer = ("cc", "bcc", "reply_to", "tags", "metadata")
    search_fields = ("subject",)
    search_help_text = "An id, a recipient's whole address, or words of the subject of a recent message."
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what the shown status asks for."""
        return with_current_status(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By an index where there is one; subjects are looked for among the newest messages."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if row_id := parse_uuid(term):
            return queryset.filter(pk=row_id) | queryset.filter(batch_id=row_id), False
        if "@" in term and " " not in term:
            # The index on addresses starts with the tenant: with all of them named, it serves.
            found = Recipient.across_tenants.filter(
                tenant__in=Tenant.objects.values("pk"), address__in={term, term.lower()}
            )
            return queryset.filter(pk__in=found.values("message_id")), False
        return newest(queryset).filter(subject__icontains=term), False

    @admin.display(description="Accepted (UTC)", ordering="id")
    def when(self, message: Message) -> str:
        """When it was accepted."""
        return moment(message.created_at)

    @admin.display(description="Status")
    def shown_status(self, message: Message) -> str:
        """What became of it."""
        return badge(message.current_status)

    @admin.display(description="Subject")
    def shown_subject(self, message: Message) -> str:
        """Erased together with the content."""
        return cut(message.subject or "(no subject)")

    @admin.display(description="To")
    def first_recipient(self, message: Message) -> str:
        """The first address, and how many more."""
        shown = message.to[0] if message.to else ""
        return cut(f"{shown} +{len(message.to) - 1}" if len(message.to) > 1 else str(shown))

    @admin.display(description="Mode")
    def kind(self, message: Message) -> str:
        """Live or test."""
        return mode(message.test)
