"""One message on one page: recipients, deliveries with their journal, events, and the timeline."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from emails.dead_letters import services as dead_letters
from emails.dead_letters.admin import MessageLetterAdmin, each
from emails.events.models import Event
from emails.messages.lifecycle import OPEN, WAITING
from emails.messages.models import Attempt, Delivery, Message
from emails.messages.selectors import with_story
from emails.sandbox.models import CapturedMail
from emails.story.overview import overview
from emails.story.selectors import timeline
from emails.story.services import act
from mailgrid.core.admin import Question, on_list, verb
from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from mailgrid.core.showing import badge, flat, mode
from mailgrid.core.vocabulary import Status
from tenants.audit.admin import actor_of


@admin.register(Message)
class MessageStoryAdmin(MessageLetterAdmin):
    """The list of messages, and everything about one."""

    change_form_template = "admin/emails/message/page.html"
    actions = (
        "cancel_chosen",
        "hold_chosen",
        "release_chosen",
        "run_chosen_now",
        "redrive_chosen",
        "give_up_chosen",
    )
    actions_detail = ("run_now", "cancel", "hold", "release", "redrive", "give_up")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page; it is read only."""
        message = self.get_object(request, object_id)
        story = {} if message is None or not self.has_view_permission(request) else _story(message)
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, {**(extra_context or {}), **story}
        )
        return response

    def offered(self, row: Message) -> list[str]:
        """What its state allows; a held one is held by hand, or quarantined, or for what ends by itself."""
        if row.status == Status.HELD:
            return ["cancel", "release", "redrive", "give_up"]
        if row.status in OPEN:
            early = row.status in (Status.SCHEDULED, Status.DEFERRED)
            return [
                *(["run_now"] if early else []),
                "cancel",
                *(["hold"] if row.status in WAITING else []),
            ]
        return ["redrive", "give_up"] if dead_letters.exhausted_of([row.pk]) else []

    @verb("Send now", icon="fast_forward")
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Wait no longer."""
        text = (
            "What waits for its time, or for its next try, is sent at once. Pauses and the pace still count."
        )
        return self._one(request, object_id, "run_now", Question(title="Send now", text=text, button="Send"))

    @verb("Cancel", icon="cancel", danger=True)
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop what has not left."""
        text = "What waits or is held is never sent. What a worker has in hand is stopped only if it proves unsent."
        question = Question(title="Cancel", text=text, button="Cancel the message", danger=True)
        return self._one(request, object_id, "cancel", question)

    @verb("Hold", icon="pause")
    def hold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep what waits."""
        text = "What waits is held until it is released or too late."
        return self._one(request, object_id, "hold", Question(title="Hold", text=text, button="Hold"))

    @verb("Release", icon="play_arrow")
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let go what was held by hand."""
        text = "What was held by hand goes out. A pause, a quota and a quarantine hold on."
        return self._one(
            request, object_id, "release", Question(title="Release", text=text, button="Release")
        )

    @verb("Redrive", icon="replay")
    def redrive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Try what is quarantined once more, and send what used up its attempts anew."""
        text = (
            "What is quarantined, because of an error of our own again and again, is tried once more. What used up its"
            " attempts goes out as a new message, to those it did not reach."
        )
        question = Question(title="Redrive", text=text, button="Redrive")
        return self._one(request, object_id, "redrive", question, letters=self._send_again)

    @verb("Give up", icon="delete_forever", danger=True)
    def give_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End what is quarantined, and forget what used up its attempts."""
        text = (
            "What is quarantined ends as failed, and its tenant is told. What used up its attempts, and has failed"
            " already, is taken off the list of dead letters."
        )
        question = Question(title="Give up", text=text, button="Give it up", danger=True)
        return self._one(request, object_id, "give_up", question, letters=self._take_off)

    @on_list("Cancel")
    def cancel_chosen(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """Stop each."""
        self._all(request, chosen, "cancel")

    @on_list("Hold")
    def hold_chosen(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """Keep each."""
        self._all(request, chosen, "hold")

    @on_list("Release")
    def release_chosen(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """Let each go that was held by hand."""
        self._all(request, chosen, "release")

    @on_list("Send now")
    def run_chosen_now(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """Let each wait no longer."""
        self._all(request, chosen, "run_now")

    @on_list("Redrive")
    def redrive_chosen(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """Another chance for each that is a dead letter."""
        self._all(request, chosen, "redrive", letters=dead_letters.redrive)

    @on_list("Give up")
    def give_up_chosen(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """The end of each that is a dead letter."""
        self._all(request, chosen, "give_up", letters=dead_letters.remove)

    def _one(
        self,
        request: HttpRequest,
        object_id: str,
        action: str,
        question: Question,
        *,
        letters: Callable[[HttpRequest, UUID], str | HttpResponse] | None = None,
    ) -> HttpResponse:
        """Ask, then act on one message; `letters` is for its exhausted deliveries, if it has any."""

        def work(row: Message, _answers: dict[str, Any]) -> str | HttpResponse:
            if letters and (exhausted := dead_letters.exhausted_of([row.pk])):
                return [letters(request, one) for one in exhausted][-1]  # copies of a message, each by itself
            touched = act(action=action, message_ids=[row.pk], actor=actor_of(request), now=now())
            return (
                f"{question.title}: done." if touched else f"{question.title}: nothing was in a state for it."
            )

        return self.ask(request, question, work, object_id=object_id)

    def _send_again(self, request: HttpRequest, letter_id: UUID) -> HttpResponse:
        done = dead_letters.redrive(letter_id=letter_id, actor=actor_of(request), now=now())
        messages.success(request, "It goes out again, as this new message.")
        return redirect(reverse("admin:emails_message_change", args=[done.email_id]))

    def _take_off(self, request: HttpRequest, letter_id: UUID) -> str:
        dead_letters.remove(letter_id=letter_id, actor=actor_of(request), now=now())
        return "It is off the list of dead letters."

    def _all(
        self,
        request: HttpRequest,
        chosen: QuerySet[Message],
        action: str,
        *,
        letters: Callable[..., Any] | None = None,
    ) -> None:
        def work() -> str:
            ids = list(chosen.values_list("pk", flat=True))
            touched = act(action=action, message_ids=ids, actor=actor_of(request), now=now())
            if letters:
                touched += each(dead_letters.exhausted_of(ids), letters, request)
            return f"{touched} of {len(ids)} were in a state for it."

        self.tell(request, work)


def _story(message: Message) -> dict[str, Any]:
    rows = with_story(Message.across_tenants.filter(pk=message.pk).select_related("tenant", "stream"))
    whole = rows.get()
    with in_scope(whole.tenant_id, test=whole.test):
        lines = timeline(str(whole.pk))
    events = Event.across_tenants.filter(message=whole).select_related("recipient").order_by("seq")
    captured = CapturedMail.across_tenants.filter(message=whole).order_by("pk")
    return {
        "title": whole.subject or "(no subject)",
        "message": whole,
        "status": badge(whole.status),
        "mode": mode(whole.test),
        "recipients": [(one, badge(one.status or one.delivery.state)) for one in whole.recipients.all()],
        "deliveries": [(one, badge(one.state), _journal(one)) for one in whole.deliveries.all()],
        "events": [(event, badge(event.type)) for event in events],
        "timeline": [(line, flat(line.detail)) for line in lines],
        "captured": captured.values_list("pk", "fence"),
        "facts": flat({"tags": whole.tags, "metadata": whole.metadata}),
    }


def _journal(delivery: Delivery) -> list[tuple[Attempt, str]]:
    attempts = sorted(delivery.journal.all(), key=lambda attempt: attempt.fence)
    return [(attempt, badge(attempt.outcome)) for attempt in attempts]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The console's first page (`UNFOLD["DASHBOARD_CALLBACK"]`), for those who may see messages."""
    user: Any = request.user
    if not user.has_perm("emails.view_message"):
        return context
    return {**context, "overview": overview(now=now())}
