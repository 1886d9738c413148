"""Rendering before it counts: at publishing, and to look at a draft. Errors tell places in what the author wrote."""

from collections.abc import Mapping
from typing import Any, Final

from templates.errors import TemplateRenderError
from templates.models import Written
from templates.preparing import Prepared
from templates.rendering import Content, Programs, Rendered, compiled, render
from templates.variables import PROVIDED, undeclared

UNDECLARED: Final = "undeclared_variable"


def prepared_programs(written: Written, prepared: Prepared) -> Programs:
    """What will be rendered; raises `TemplateRenderError` where preparing broke what parsed before."""
    return compiled(
        Content(subject=written.subject, html=prepared.html, text=prepared.text, variables=written.declared)
    )


def source_programs(written: Written) -> Programs:
    """The same with the parts as they were written: their errors have the places that an author knows."""
    return compiled(
        Content(subject=written.subject, html=written.html, text=written.text, variables=written.declared)
    )


def attempt(written: Written, programs: Programs, data: Mapping[str, Any]) -> Rendered:
    """Render; raises `TemplateRenderError` with the place in the source."""
    try:
        return render(programs, data, provided=PROVIDED)
    except TemplateRenderError:
        render(source_programs(written), data, provided=PROVIDED)
        raise


def check_declared_use(written: Written) -> None:
    """Refuse variables that are used and not declared, unless none is declared. Raises `TemplateRenderError`."""
    names = undeclared(written.declared, [one["name"] for one in written.used])
    if names:
        raise TemplateRenderError(
            f"Used and not declared: {', '.join(names[:20])}.", part="variables", code=UNDECLARED
        )


def check_test_data(written: Written, programs: Programs, sets: Mapping[str, Mapping[str, Any]]) -> None:
    """Every example must render. Raises `TemplateRenderError` that names the set."""
    for name, data in sets.items():
        try:
            attempt(written, programs, data)
        except TemplateRenderError as error:
            raise error.within(f"test data {name!r}") from None
