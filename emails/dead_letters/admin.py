"""Dead letters in the console: a filter and columns for the list of messages, verbs for notifications."""

from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter

from emails.dead_letters import services
from emails.dead_letters.selectors import (
    DeadLetter,
    Reason,
    exhausted,
    exhausted_notifications,
    letter_of,
    quarantined,
)
from emails.events.admin import NotificationAdmin
from emails.events.models import Notification
from emails.messages.admin import MessageAdmin
from emails.messages.models import Message
from mailgrid.core.admin import Question, on_list, verb
from mailgrid.core.clock import now
from mailgrid.core.errors import MailgridError
from mailgrid.core.showing import badge, cut, moment
from mailgrid.core.vocabulary import HoldReason
from tenants.audit.admin import actor_of

ANY: Final = "any"
_DEAD: Final = {Reason.QUARANTINED: quarantined, Reason.EXHAUSTED: exhausted}


class DeadLetterFilter(DropdownFilter):  # type: ignore[misc]
    """Messages with a delivery that waits for an operator: few, and found by indexes of their own."""

    title = "dead letter"
    parameter_name = "dead_letter"

    def lookups(self, _request: HttpRequest, _admin: Any) -> Iterable[tuple[str, str]]:
        """Either reason, or both."""
        return [(ANY, "any reason"), *((str(reason), str(reason)) for reason in Reason)]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those that are dead for the reason that was chosen."""
        chosen = [find() for reason, find in _DEAD.items() if self.value() in {ANY, reason}]
        wanted = Q()
        for deliveries in chosen:
            wanted |= Q(pk__in=deliveries.values("message_id"))
        return rows.filter(wanted)


class MessageLetterAdmin(MessageAdmin):
    """The list of messages; of dead letters it also tells what the trouble is, and how old."""

    list_filter = (*MessageAdmin.list_filter, DeadLetterFilter)  # type: ignore[assignment]

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Two columns more."""
        columns = tuple(super().get_list_display(request))
        return (*columns, "trouble", "last_tried") if _are_asked_for(request) else columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what those columns need."""
        rows = super().get_queryset(request)
        return rows.prefetch_related("deliveries__journal") if _are_asked_for(request) else rows

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Dead letters that are no messages have a list of their own, and are mentioned."""
        if request.method == "GET" and _are_asked_for(request) and exhausted_notifications().exists():
            address = (
                f"{reverse('admin:emails_notification_changelist')}?state={Notification.State.EXHAUSTED}"
            )
            link = format_html('<a class="mg-link" href="{}">Notifications</a> are exhausted too.', address)
            messages.warning(request, link)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    @admin.display(description="Trouble")
    def trouble(self, message: Message) -> str:
        """Why it goes on no more by itself."""
        letter = _letter(message)
        return format_html("{} {}", badge(letter.reason), cut(letter.error or ""))

    @admin.display(description="Last tried (UTC)")
    def last_tried(self, message: Message) -> str:
        """When it last did."""
        return moment(_letter(message).last_at)


def _are_asked_for(request: HttpRequest) -> bool:
    return bool(request.GET.get(DeadLetterFilter.parameter_name))


def _letter(message: Message) -> DeadLetter:
    """Its delivery that is dead."""
    deliveries = message.deliveries.all()
    for delivery in deliveries:
        if delivery.hold_reason == HoldReason.QUARANTINED:
            return letter_of(delivery, Reason.QUARANTINED)
    return letter_of(deliveries[0], Reason.EXHAUSTED)


def each(letters: Iterable[UUID], service: Callable[..., Any], request: HttpRequest) -> int:
    """Do it to each that lets itself be done something to; how many did."""
    done = 0
    for letter_id in letters:
        try:
            service(letter_id=letter_id, actor=actor_of(request), now=now())
        except MailgridError:  # this one's content is gone, or somebody else was quicker
            continue
        done += 1
    return done


@admin.register(Notification)
class NotificationLetterAdmin(NotificationAdmin):
    """The list of notifications, and what can be done with those that are exhausted."""

    actions = ("redrive_chosen", "dismiss_chosen")
    actions_detail = ("redrive", "dismiss")

    def offered(self, row: Notification) -> list[str]:
        """Only those wait for an operator."""
        return ["redrive", "dismiss"] if row.state == Notification.State.EXHAUSTED else []

    @verb("Redrive", icon="replay")
    def redrive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Work it off again."""
        text = "It is worked off again, with all its attempts."
        question = Question(title="Redrive", text=text, button="Redrive")
        return self._one(request, object_id, services.redrive, question)

    @verb("Dismiss", icon="delete_forever", danger=True)
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Leave it without effect."""
        text = "What it tells never takes effect: no status changes, nobody is suppressed."
        question = Question(title="Dismiss", text=text, button="Dismiss it", danger=True)
        return self._one(request, object_id, services.remove, question)

    @on_list("Redrive")
    def redrive_chosen(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Work each off again that is exhausted."""
        self._all(request, chosen, services.redrive)

    @on_list("Dismiss")
    def dismiss_chosen(self, request: HttpRequest, chosen: QuerySet[Notification]) -> None:
        """Leave each without effect that is exhausted."""
        self._all(request, chosen, services.remove)

    def _one(
        self, request: HttpRequest, object_id: str, service: Callable[..., Any], question: Question
    ) -> HttpResponse:
        def work(row: Notification, _answers: dict[str, Any]) -> str:
            service(letter_id=row.pk, actor=actor_of(request), now=now())
            return f"{question.title}: done."

        return self.ask(request, question, work, object_id=object_id)

    def _all(self, request: HttpRequest, chosen: QuerySet[Notification], service: Callable[..., Any]) -> None:
        def work() -> str:
            ids = list(chosen.values_list("pk", flat=True))
            return f"{each(ids, service, request)} of {len(ids)} were exhausted."

        self.tell(request, work)
