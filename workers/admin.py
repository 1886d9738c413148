"""The schedule in the operator console: rows only.

django-celery-beat's own pages import every task and publish from inside the request; ours do neither.
"""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from mailgrid.core import bells
from mailgrid.core.admin import ConsoleAdmin, Question, verb
from mailgrid.core.showing import badge, moment
from workers import routing
from workers.fleet import admin as _fleet_page  # noqa: F401 - registers itself
from workers.runs import run_now
from workers.schedule import ENTRIES

_TASKS = (routing.SWEEP, routing.COLLECT_GARBAGE, routing.DELIVER, routing.INGEST, routing.FETCH)

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)


class PeriodicTaskForm(forms.ModelForm):  # type: ignore[type-arg]
    """One entry; the tasks and queues are those there are."""

    task = forms.ChoiceField(widget=UnfoldAdminSelectWidget())
    queue = forms.TypedChoiceField(
        choices=[("", "the default"), *((queue, queue) for queue in bells.QUEUES)],
        required=False,
        empty_value=None,
        widget=UnfoldAdminSelectWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = dict.fromkeys((*_TASKS, *filter(None, [self.instance.task])))  # Celery adds one of its own
        field = cast(forms.ChoiceField, self.fields["task"])
        field.choices = [(task, task) for task in known]

    class Meta:
        model = PeriodicTask
        fields = (
            "name",
            "enabled",
            "description",
            "task",
            "kwargs",
            "queue",
            "interval",
            "crontab",
            "expire_seconds",
        )


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ConsoleAdmin):
    """What beat rings, and how often. Mailgrid writes its own entries anew at each start."""

    actions_detail = ("run_now",)

    form = PeriodicTaskForm
    list_display = ("name", "task", "rhythm", "state", "last_run")
    list_select_related = ("interval", "crontab")
    search_fields = ("name", "task")
    ordering = ("name",)
    compressed_fields = True
    actions = None
    fieldsets = (
        (None, {"fields": (("name", "enabled"), "description")}),
        ("What", {"fields": (("task", "queue"), "kwargs")}),
        (
            "When",
            {"fields": (("interval", "crontab"), "expire_seconds"), "description": "Choose one of the two."},
        ),
        ("So far", {"fields": (("last_run", "total_run_count"),)}),
    )
    readonly_fields = ("last_run", "total_run_count")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """These rows are no facts."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As Django has it."""
        return bool(ModelAdmin.has_change_permission(self, request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Mailgrid's own entries can be disabled; deleted they would come back."""
        allowed = bool(ModelAdmin.has_delete_permission(self, request, obj))
        return allowed and not (obj and obj.name in ENTRIES)

    @verb("Run now", icon="play_arrow")
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Not at its time, but at once."""
        text = "It runs within some seconds, and then at its times as before."
        question = Question(title="Run now", text=text, button="Run it now")

        def work(row: PeriodicTask, _answers: dict[str, Any]) -> str:
            done = run_now(row)
            self.log_change(request, row, "Run now.")
            return done

        return self.ask(request, question, work, object_id=object_id)

    @admin.display(description="Runs")
    def rhythm(self, task: PeriodicTask) -> str:
        """How often."""
        return str(task.interval or task.crontab or "never")

    @admin.display(description="State")
    def state(self, task: PeriodicTask) -> str:
        """Whether beat rings it."""
        return badge("enabled" if task.enabled else "disabled")

    @admin.display(description="Last run (UTC)")
    def last_run(self, task: PeriodicTask) -> str:
        """As beat noted it, now and then."""
        return moment(task.last_run_at)


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):  # type: ignore[misc]
    """Every so often."""

    fields = (("every", "period"),)
    actions = None


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ModelAdmin):  # type: ignore[misc]
    """At these times."""

    list_display = ("__str__", "timezone")
    fields = (("minute", "hour"), ("day_of_month", "month_of_year"), ("day_of_week", "timezone"))
    actions = None
