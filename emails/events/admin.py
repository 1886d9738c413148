"""Events, and providers' notifications as they were received."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter

from emails.events.models import Event, Notification
from mailgrid.core.admin import ConsoleAdmin, newest
from mailgrid.core.ids import parse_uuid
from mailgrid.core.showing import badge, cut, link, mode, moment, pretty
from mailgrid.core.vocabulary import EventType

_WORKED_OFF = ("applied", "ignored", "refused", "unreadable")


class TypeFilter(DropdownFilter):  # type: ignore[misc]
    """One kind of event: by the index that starts with the tenant, or among the newest."""

    title = "type"
    parameter_name = "type"

    def lookups(self, _request: HttpRequest, _admin: Any) -> Iterable[tuple[str, str]]:
        """Every kind."""
        return [(str(kind), str(kind).removeprefix("email.").replace("_", " ")) for kind in EventType]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the kind that was chosen."""
        if not self.value():
            return rows
        wanted = rows.filter(type=self.value())
        return wanted if "tenant__id__exact" in self.request.GET else newest(wanted)


@admin.register(Event)
class EventAdmin(ConsoleAdmin):
    """Facts about recipients, newest first."""

    list_display = ("when", "shown_type", "who", "subject", "tenant", "source", "kind")
    list_select_related = ("tenant", "recipient", "message")
    list_filter = (("tenant", AutocompleteSelectFilter), TypeFilter)
    list_defer = ("data", "message__to", "message__cc", "message__bcc", "message__tags", "message__metadata")
    search_fields = ("event_id",)
    search_help_text = "The id of an event or of a message."
    ordering = ("-seq",)
    fields = (
        ("shown_type", "who"),
        ("of_message", "tenant"),
        ("when", "recorded"),
        ("source", "kind"),
        ("seq", "event_id"),
        "shown_data",
    )
    readonly_fields = (
        "shown_type",
        "who",
        "of_message",
        "when",
        "recorded",
        "kind",
        "event_id",
        "shown_data",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Ids only."""
        term = search_term.strip()
        if not term:
            return queryset, False
        row_id = parse_uuid(term)
        if row_id is None:
            return queryset.none(), False
        return queryset.filter(event_id=row_id) | queryset.filter(message=row_id), False

    @admin.display(description="Happened (UTC)")
    def when(self, event: Event) -> str:
        """The source's time."""
        return moment(event.occurred_at)

    @admin.display(description="Recorded (UTC)")
    def recorded(self, event: Event) -> str:
        """Our time."""
        return moment(event.created_at)

    @admin.display(description="Type")
    def shown_type(self, event: Event) -> str:
        """What happened."""
        return badge(event.type)

    @admin.display(description="Recipient")
    def who(self, event: Event) -> str:
        """To whom."""
        return event.recipient.address

    @admin.display(description="Message")
    def of_message(self, event: Event) -> str:
        """With which message."""
        return link("emails_message", event.message_id, event.message_id)

    @admin.display(description="Message")
    def subject(self, event: Event) -> str:
        """The same, in words."""
        return link("emails_message", event.message_id, cut(event.message.subject or "(no subject)"))

    @admin.display(description="Mode")
    def kind(self, event: Event) -> str:
        """Live or test."""
        return mode(event.test)

    @admin.display(description="Details")
    def shown_data(self, event: Event) -> str:
        """The event's own facts."""
        return pretty(event.data)


class StateFilter(DropdownFilter):  # type: ignore[misc]
    """What waits is few and has an index; what is worked off is looked for among the newest."""

    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _admin: Any) -> Iterable[tuple[str, str]]:
        """Every state."""
        return list(Notification.State.choices)

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those in the state that was chosen."""
        if not self.value():
            return rows
        wanted = rows.filter(state=self.value())
        return newest(wanted) if self.value() in _WORKED_OFF else wanted


class NotificationAdmin(ConsoleAdmin):
    """Payloads as received, kept for a week after they are worked off. For verbs see `emails.dead_letters.admin`."""

    list_display = ("received", "shown_state", "transport", "attempts", "result", "external_id")
    list_select_related = ("transport",)
    list_filter = (StateFilter,)
    list_defer = ("body",)
    search_fields = ("external_id",)
    search_help_text = "Our id, or the provider's."
    ordering = ("-id",)
    fields = (
        ("shown_state", "transport"),
        ("received", "due"),
        ("attempts", "external_id"),
        "result",
        "shown_body",
    )
    readonly_fields = ("shown_state", "received", "due", "shown_body")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Ids only."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = queryset.filter(external_id=term)
        row_id = parse_uuid(term)
        return (found | queryset.filter(pk=row_id) if row_id else found), False

    @admin.display(description="Received (UTC)", ordering="id")
    def received(self, notification: Notification) -> str:
        """When it came in."""
        return moment(notification.received_at)

    @admin.display(description="Due (UTC)")
    def due(self, notification: Notification) -> str:
        """When it is worked off next."""
        return moment(notification.due_at if notification.state in {"pending", "processing"} else None)

    @admin.display(description="State")
    def shown_state(self, notification: Notification) -> str:
        """What became of it."""
        return badge(notification.state)

    @admin.display(description="Payload")
    def shown_body(self, notification: Notification) -> str:
        """As received; nothing of sensitive mail."""
        return "Encrypted." if notification.sealed else pretty(notification.body)
