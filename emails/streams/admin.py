"""Streams: seen, paused and resumed."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter, ChoicesRadioFilter

from emails.streams import services
from emails.streams.models import Stream
from mailgrid.core.admin import ConsoleAdmin, Question, on_list, verb
from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from mailgrid.core.showing import badge, moment
from tenants.audit.admin import actor_of


@admin.register(Stream)
class StreamAdmin(ConsoleAdmin):
    """Lanes of mail; their tenants configure them through the API."""

    list_display = ("name", "tenant", "type", "priority", "transport", "state", "created")
    list_select_related = ("tenant", "transport")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("type", ChoicesRadioFilter),
        ("paused", BooleanRadioFilter),
    )
    search_fields = ("name",)
    search_help_text = "A name."
    ordering = ("-id",)
    actions = ("pause_chosen", "resume_chosen")
    actions_detail = ("pause", "resume")
    fields = (
        ("name", "tenant"),
        ("type", "priority"),
        ("state", "transport"),
        ("default_from", "default_reply_to"),
        ("configuration_set", "ip_pool"),
        ("delivery", "max_age_seconds"),
        ("rate_per_second", "created"),
        ("track_opens", "track_clicks"),
        ("list_unsubscribe", "sensitive"),
    )
    readonly_fields = ("state", "created")

    def offered(self, row: Stream) -> list[str]:
        """The other way round."""
        return ["resume" if row.paused else "pause"]

    @verb("Pause", icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Hold its mail."""
        text = "Its mail is accepted and held until it is resumed."
        question = Question(title="Pause", text=text, button="Pause")
        return self.ask(request, question, self._work(request, services.pause), object_id=object_id)

    @verb("Resume", icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let its mail go."""
        text = "What was held for the pause goes out."
        question = Question(title="Resume", text=text, button="Resume")
        return self.ask(request, question, self._work(request, services.resume), object_id=object_id)

    @on_list("Pause")
    def pause_chosen(self, request: HttpRequest, chosen: QuerySet[Stream]) -> None:
        """Hold the mail of each."""
        self._all(request, chosen, services.pause)

    @on_list("Resume")
    def resume_chosen(self, request: HttpRequest, chosen: QuerySet[Stream]) -> None:
        """Let the mail of each go."""
        self._all(request, chosen, services.resume)

    def _all(self, request: HttpRequest, chosen: QuerySet[Stream], service: Callable[..., Stream]) -> None:
        one = self._work(request, service)
        self.tell(request, lambda: " ".join(one(stream, {}) for stream in chosen))

    def _work(
        self, request: HttpRequest, service: Callable[..., Stream]
    ) -> Callable[[Stream, dict[str, Any]], str]:
        def work(row: Stream, _answers: dict[str, Any]) -> str:
            with in_scope(row.tenant_id, test=False):
                changed = service(id_or_name=str(row.pk), actor=actor_of(request), now=now())
            return f"{changed.name} is {'paused' if changed.paused else 'on'}."

        return work

    @admin.display(description="State")
    def state(self, stream: Stream) -> str:
        """Whether it lets mail through."""
        if not stream.enabled:
            return badge("disabled")
        return badge("paused" if stream.paused else "on")

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, stream: Stream) -> str:
        """Since when it is there."""
        return moment(stream.created_at)
