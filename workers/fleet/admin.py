"""The console's page of the fleet: queues, and the processes that serve them. Rows only; the broker is not asked."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from mailgrid.core.admin import ConsoleAdmin
from mailgrid.core.clock import now
from mailgrid.core.showing import badge, moment
from workers.fleet import state
from workers.fleet.models import DeadBells, WorkerProcess
from workers.fleet.presence import ALIVE_FOR


@admin.register(WorkerProcess)
class FleetAdmin(ConsoleAdmin):
    """The newest sign of life first."""

    list_display = ("host", "pid", "shown_state", "serves", "handed_over", "started", "seen")
    list_display_links = None
    list_before_template = "admin/workers/workerprocess/fleet.html"
    ordering = ("-seen_at", "host", "pid")
    actions = None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, under what there is to know about the whole."""
        at = now()
        fleet = {
            "problems": state.problems(now=at),
            "queues": state.queues(state.alive(now=at)),
            "dead": DeadBells.objects.order_by("queue", "reason"),
            "brokered": bool(settings.BROKER_URL),
            "flower": settings.FLOWER_URL,
        }
        context = {"title": "Fleet", "fleet": fleet, **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @admin.display(description="State")
    def shown_state(self, process: WorkerProcess) -> str:
        """Alive, or gone without a word."""
        return badge("active" if now() - process.seen_at < ALIVE_FOR else "gone")

    @admin.display(description="Serves")
    def serves(self, process: WorkerProcess) -> str:
        """Its queues."""
        return ", ".join(process.queues)

    @admin.display(description="Handed over")
    def handed_over(self, process: WorkerProcess) -> int:
        """Deliveries a provider took from it, since it started."""
        return process.handed_over

    @admin.display(description="Started (UTC)")
    def started(self, process: WorkerProcess) -> str:
        """Since when."""
        return moment(process.started_at)

    @admin.display(description="Last sign of life (UTC)")
    def seen(self, process: WorkerProcess) -> str:
        """Renewed every five seconds."""
        return moment(process.seen_at)
