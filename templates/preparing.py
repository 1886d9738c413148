"""From what an author wrote to what is rendered for each mail: MJML compiled, sheets inlined, text derived. Pure.

Done once, when a version is published. Every step keeps the expressions where they stand.
"""

import re
from dataclasses import dataclass
from typing import Final

import mjml

from templates import plaintext
from templates.errors import SYNTAX, TemplateRenderError
from templates.formats import Format
from templates.handlebars import TemplateSyntaxError, compile
from templates.inlining import MAX_LENGTH, inlined
from templates.linting import Warned
from templates.markup import balance
from templates.shielding import Lost, Shield, shielded

MAX_MJML_DEPTH: Final = 200  # of elements; the compiler recurses: 3,000 were seen to end the process


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The two parts as they are rendered; None is a part that the mail will not have."""

    html: str | None
    text: str | None
    warnings: tuple[Warned, ...] = ()


def prepare(*, format: str, html: str | None, text: str | None) -> Prepared:
    """The parts of a version. `text` of None is derived from the HTML, an empty one stays away.

    Sources must have been compiled before: their syntax is known to be right. Raises `TemplateRenderError` for MJML
    that is none.
    """
    if format == Format.TEXT or html is None:
        return Prepared(html=None, text=text or None)
    made = inlined(from_mjml(html) if format == Format.MJML else html)
    warnings = [Warned("css_not_inlined", f"Style sheets stay in <style>: {made.left}.")] if made.left else []
    if text is None and (text := _derived(made.html)) is None:
        warnings.append(Warned("text_not_derived", "No text can be made of this HTML; write the text part."))
    return Prepared(html=made.html, text=text or None, warnings=tuple(warnings))


def from_mjml(source: str) -> str:
    """The HTML that MJML stands for; raises `TemplateRenderError` with the place, as far as it is known."""
    if len(source) > MAX_LENGTH:
        raise _refused(f"MJML may have at most {MAX_LENGTH:,} characters.")
    found = balance(source, xml=True)
    if found.fault or found.depth > MAX_MJML_DEPTH:
        raise _refused(f"This is not MJML: {found.fault or 'elements are nested too deep'}.")
    shield = Shield(source)
    hidden = shielded(source, shield)
    try:
        return shield.lift(mjml.mjml2html(hidden))
    except Lost:
        raise _refused(
            "An expression stands where MJML drops or repeats it: put it into text or an attribute's value."
        ) from None
    except ValueError as error:
        raise _misread(str(error), hidden, shield) from None


_POSITION: Final = re.compile(r" in root template(?: at position (\d+):\d+)?")


def _misread(message: str, hidden: str, shield: Shield) -> TemplateRenderError:
    """The compiler's words, with its offset as a line and column of the source."""
    found = _POSITION.search(message)
    said = _POSITION.sub("", message)
    if not found or not found[1]:
        return _refused(f"MJML: {said}.")
    before = shield.original(hidden.encode()[: int(found[1])].decode(errors="ignore"))
    line = before.count("\n") + 1
    return _refused(f"MJML: {said}.", line=line, column=len(before) - before.rfind("\n"))


def _refused(message: str, *, line: int | None = None, column: int | None = None) -> TemplateRenderError:
    return TemplateRenderError(message, part="html", code=SYNTAX, line=line, column=column)


def _derived(html: str) -> str | None:
    """The text of prepared HTML; empty where it has none.

    None where the HTML is too long, or its blocks would not fit together.
    """
    if len(html) > MAX_LENGTH:
        return None
    try:
        text = plaintext.from_template(html)
        compile(text, escape=False)
    except (Lost, TemplateSyntaxError):
        return None
    return text
