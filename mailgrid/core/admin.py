"""What every page of the operator console shares: facts that cannot be edited, lists that do not count, and verbs.

A verb is a button that calls one service. From a list it runs on the rows that are ticked; on a page of its own it
asks first (`ask`), because a link must not change anything.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action as unfold_action
from unfold.enums import ActionVariant
from unfold.paginator import InfinitePaginator

from mailgrid.core.errors import MailgridError

NEWEST: Final = 10_000  # rows that a search or filter without an index of its own looks through

Method = TypeVar("Method", bound=Callable[..., Any])


class ConsoleAdmin(ModelAdmin):  # type: ignore[misc]
    """A list and a page of rows that only services change.

    `list_defer` names heavy columns that the list leaves out. Verbs need Django's change permission of the model.
    """

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    list_filter_sheet = False
    compressed_fields = True
    view_on_site = False
    list_defer: ClassVar[tuple[str, ...]] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody writes facts."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody removes them."""
        return False

    def has_operate_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Whether this operator may use the verbs of the page."""
        return bool(super().has_change_permission(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The list leaves heavy columns where they are."""
        rows: QuerySet[Any] = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        return rows.defer(*self.list_defer) if is_list and self.list_defer else rows

    def ask(
        self, request: HttpRequest, question: "Question", work: "Work", *, object_id: str | None = None
    ) -> HttpResponse:
        """The page of a verb on a row, or of one that needs none: the question, then `work` with the answers.

        `work` gets the row and the answers and tells in a sentence what it did, or answers a page of its own. An error
        that a caller of the API would see stands beside the field it blames.
        """
        row = None if object_id is None else self._row(request, object_id)
        form = question.form(
            request.POST if request.method == "POST" else None, initial=dict(question.initial(row))
        )
        if request.method == "POST" and form.is_valid():
            try:
                done = work(row, form.cleaned_data)
            except MailgridError as error:
                _blame(form, error)
            else:
                if isinstance(done, HttpResponse):
                    return done
                messages.success(request, done)
                return redirect(self._address(row))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": question.title,
            "original": row,
            "question": question,
            "form": form,
            "media": self.media + form.media,
            "back": self._address(row),
        }
        return TemplateResponse(request, "admin/ask.html", context)

    def offered(self, row: Any) -> Collection[str]:
        """The verbs that mean something in the state the row is in."""
        return tuple(self.actions_detail)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only those are shown; the page of any other still answers, and its service says what is wrong."""
        row = self.get_object(request, object_id)
        named = (
            {f"{self.opts.app_label}_{self.opts.model_name}_{verb}" for verb in self.offered(row)}
            if row
            else ()
        )
        return [one for one in super().get_actions_detail(request, object_id) if one.action_name in named]

    def tell(self, request: HttpRequest, work: Callable[[], str]) -> None:
        """Run a verb of a list, and say what came of it."""
        try:
            messages.success(request, work())
        except MailgridError as error:
            messages.error(request, error.message)

    def gone(self, request: HttpRequest, sentence: str) -> HttpResponse:
        """After a verb that removed its row: back to the list."""
        messages.success(request, sentence)
        return redirect(self._address(None))

    def _row(self, request: HttpRequest, object_id: str) -> Any:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return row

    def _address(self, row: Model | None) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{name}_changelist") if row is None else reverse(f"{name}_change", args=[row.pk])


class FormAdmin(ConsoleAdmin):
    """Rows that the console adds by a form of its own, which calls a service: see `add`."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Django's permission to add."""
        return bool(ModelAdmin.has_add_permission(self, request))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ours in place of Django's."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.add(request)

    def add(self, request: HttpRequest) -> HttpResponse:
        """The form: `ask` with a question."""
        raise NotImplementedError


def newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those of `rows` that are among the newest of their table: bounds a search that no index serves."""
    latest = rows.model._default_manager.order_by("-pk").values("pk")[:NEWEST]
    return rows.filter(pk__in=latest)


def verb(label: str, *, icon: str, danger: bool = False) -> Callable[[Method], Method]:
    """Mark a method as a button of a row's page; it needs the permission to operate."""
    variant = ActionVariant.DANGER if danger else ActionVariant.DEFAULT
    decorate = unfold_action(description=label, icon=icon, permissions=["operate"], variant=variant)
    return cast(Callable[[Method], Method], decorate)


def on_list(label: str) -> Callable[[Method], Method]:
    """Mark a method as a verb of the list, for the rows that are ticked."""
    return cast(Callable[[Method], Method], unfold_action(description=label, permissions=["operate"]))


class NoAnswers(forms.Form):
    """The form of a question that is answered by its button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a verb asks before it runs. `text` says in a sentence what will happen."""

    title: str
    text: str
    button: str
    form: type[forms.Form] = NoAnswers
    initial: Callable[[Any], Mapping[str, Any]] = lambda _row: {}
    danger: bool = False


Work = Callable[[Any, dict[str, Any]], str | HttpResponse]


def _blame(form: forms.Form, error: MailgridError) -> None:
    if not error.errors:
        form.add_error(None, error.message)
    for one in error.errors:
        known = one.field in form.fields
        form.add_error(one.field if known else None, one.message if known else f"{one.field}: {one.message}")
