"""Look at a draft or a version with any data: what is missing is told, and stands in the text as its own name."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from templates.errors import FAILED, MISSING, TemplateRenderError
from templates.linting import Warned
from templates.models import Template, TemplateVersion, Written
from templates.preparing import prepare
from templates.publishing import warnings_of
from templates.rendering import Programs, Rendered, programs
from templates.selectors import content, find, prepared_content
from templates.trials import attempt, prepared_programs
from templates.variables import check_given

MAX_MISSING: Final = 100  # beyond it the list helps nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One look. `number` is None for the draft; a part that could not be rendered for what is missing is None."""

    template: Template
    number: int | None
    rendered: Rendered
    missing: tuple[str, ...]
    warnings: tuple[Warned, ...]


@dataclass(slots=True)
class _Look:
    """One part after the other, with stand-ins put into the data on the way."""

    written: Written
    data: dict[str, Any]
    missing: list[str] = field(default_factory=list)

    def part(self, one: Programs) -> Rendered | None:
        """Rendered as far as stand-ins help."""
        for _ in range(MAX_MISSING):
            try:
                return attempt(self.written, one, self.data)
            except TemplateRenderError as error:
                if error.code == MISSING and error.variable:
                    if error.variable not in self.missing:
                        self.missing.append(error.variable)
                    if self._stand_in(error.variable):
                        continue
                    return None
                if error.code == FAILED and self.missing:  # a helper could not work with a stand-in
                    return None
                raise
        return None

    def _stand_in(self, path: str) -> bool:
        """Whether a value could be put where `path` looks for one."""
        *above, last = path.split(".")
        holder: Any = self.data
        for name in above:
            holder = holder.setdefault(name, {}) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or holder.get(last) is not None:
            return False
        declared = {} if above else {one.key: one.type for one in self.written.declared}
        found = {} if above else {one["name"]: one["kind"] for one in self.written.used}
        kind = declared.get(last) or found.get(last)
        holder[last] = copy.deepcopy(_STAND_INS.get(kind or "", f"{{{{{path}}}}}"))
        return True


_STAND_INS: Final[Mapping[str, Any]] = {"object": {}, "list": [], "number": 0, "boolean": True}


def preview(*, wanted: str, version: str | None, variables: Mapping[str, Any]) -> Preview:
    """The draft (unless another version is asked for) with this data; nothing is stored.

    Raises `TemplateNotFound`, `VersionNotFound`, and `TemplateRenderError` for anything but missing variables.
    """
    check_given(variables)
    template = find(wanted)
    written = content(template, version)
    compiled, warnings = _ready(template, written)
    look = _Look(written, copy.deepcopy(dict(variables)))
    subject, html, text = (look.part(one) for one in _parts(compiled))
    return Preview(
        template=template,
        number=written.number if isinstance(written, TemplateVersion) else None,
        rendered=Rendered(
            subject=subject.subject if subject else None,
            html=html.html if html else None,
            text=text.text if text else None,
        ),
        missing=tuple(look.missing),
        warnings=warnings,
    )


def _ready(template: Template, written: Written) -> tuple[Programs, tuple[Warned, ...]]:
    """The programs of a version from the cache; those of a draft are made each time."""
    if isinstance(written, TemplateVersion):
        kept = programs.get(written.pk) or programs.put(written.pk, prepared_content(written))
        return kept, tuple(Warned(**one) for one in written.warnings)
    prepared = prepare(format=written.format, html=written.html, text=written.text)
    return prepared_programs(written, prepared), warnings_of(template, prepared)


def _parts(whole: Programs) -> list[Programs]:
    """Each part alone, so that one that fails hides no other."""
    return [
        Programs(
            subject=whole.subject if part == "subject" else None,
            html=whole.html if part == "html" else None,
            text=whole.text if part == "text" else None,
            variables=whole.variables,
        )
        for part in ("subject", "html", "text")
    ]
