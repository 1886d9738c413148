"""What an author hands in, read and checked before anything is stored."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from mailgrid.core.errors import Invalid
from templates.formats import Format
from templates.handlebars import Variable
from templates.models import WRITTEN, Written
from templates.preparing import from_mjml
from templates.rendering import Content, Programs, compiled
from templates.variables import PROVIDED, Declared, check_declared


class DraftValues(TypedDict, total=False):
    """What a caller may set of a draft (docs/api.md, templates); absent means unchanged.

    None clears; of `text` it means: derive it from the HTML.
    """

    format: str
    subject: str | None
    sender: str | None
    reply_to: Sequence[str]
    html: str | None
    text: str | None
    variables: Sequence[Declared]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft whose every part parses. `used` are the variables that the language found in it."""

    format: str
    subject: str | None
    sender: str | None
    reply_to: list[str]
    html: str | None
    text: str | None
    variables: list[dict[str, Any]]
    used: list[dict[str, Any]]

    def write_to(self, row: Written) -> list[str]:
        """Put it into a row that is saved afterwards; the names of what changed."""
        changed = [name for name in WRITTEN if getattr(row, name) != getattr(self, name)]
        for name in changed:
            setattr(row, name, getattr(self, name))
        return changed


def drafted(base: Written | None, values: DraftValues) -> Draft:
    """The draft that `values` make of the one before, or of nothing.

    Raises `Invalid` for parts that do not go together and variables declared wrongly, `TemplateRenderError` for syntax
    and MJML.
    """
    kept: dict[str, Any] = {} if base is None else {name: getattr(base, name) for name in WRITTEN}
    variables = values.get("variables", base.declared if base else ())
    merged = {**_EMPTY, **kept, **values}
    merged["reply_to"] = list(merged["reply_to"] or ())
    merged["variables"] = [one.as_wire() for one in variables]
    _check_parts(merged["format"], merged["html"], merged["text"])
    check_declared(variables)
    programs = compiled(
        Content(
            subject=merged["subject"], html=merged["html"], text=merged["text"], variables=tuple(variables)
        )
    )
    if merged["format"] == Format.MJML and merged["html"] is not None:
        from_mjml(merged["html"])
    return Draft(**{**merged, "used": used_in(programs)})


_EMPTY: dict[str, Any] = {
    "format": Format.HTML.value,
    "subject": None,
    "sender": None,
    "reply_to": [],
    "html": None,
    "text": None,
}


def used_in(programs: Programs) -> list[dict[str, Any]]:
    """The variables of all parts by name; required where one part requires it."""
    found: dict[str, Variable] = {}
    for program in (programs.subject, programs.html, programs.text):
        for one in program.variables if program else ():
            other = found.get(one.name, one)
            found[one.name] = Variable(
                name=one.name, required=one.required or other.required, kind=other.kind or one.kind
            )
    return [asdict(one) for one in found.values()]


def needed(written: Written) -> list[Variable]:
    """The variables that are used; required are those for which nothing stands in."""
    without = {one.key for one in written.declared if one.fallback is not None} | set(PROVIDED)
    return [
        Variable(name=one["name"], required=one["required"] and one["name"] not in without, kind=one["kind"])
        for one in written.used
    ]


def _check_parts(format: str, html: str | None, text: str | None) -> None:
    if format == Format.TEXT and html is not None:
        raise Invalid.field("html", "mutually_exclusive", "A template of format text has no html.")
    if format == Format.MJML and html is None:
        raise Invalid.field("html", "invalid_type", "MJML goes into html.")
    if html is None and not text:
        raise Invalid.field("html", "invalid_type", "Give at least one of html and text.")
