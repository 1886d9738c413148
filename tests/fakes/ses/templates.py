"""SES's inline templates: plain substitution, and nothing that looks like more.

Source: the SES v2 API reference (EmailTemplateContent: "only simple substitutions") and developer guide ("Using
templates to send personalized email": 1 MB; "Advanced email personalization": no HTML is escaped). That names have
letters and digits only is what SES did in aws-sdk-js-v3 issue 6657.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.ses.refusals import bad_request

MAX_REQUEST_BYTES = 1_000_000  # of a request that brings its template along

_PARTS = ("Subject", "Html", "Text")
_VARIABLE = re.compile(r"(?<!\{)\{\{ *([A-Za-z0-9]+) *\}\}(?!\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A template filled in; with a variable that has no value (`missing`) the mail is accepted and never sent."""

    subject: str = ""
    html: str | None = None
    text: str | None = None
    missing: str = ""


NOT_RENDERED = Rendered()  # mail whose content this SES does not look into


def check_template(content: Mapping[str, Any]) -> None:
    """Raise Refusal for a template that SES does not take inline."""
    if not any(content.get(name) for name in _PARTS[1:]):
        raise bad_request("The template must have an HTML or a text part.")
    for name in _PARTS:
        part = content.get(name) or ""
        if not isinstance(part, str) or "{{" in _VARIABLE.sub("", part):
            raise bad_request("Template contains unsupported operations.")


def render(content: Mapping[str, Any], values: Mapping[str, Any]) -> Rendered:
    """The parts of a checked template with its variables replaced, once: what stands in a value stays as it is."""
    try:
        subject, html, text = (_filled(content.get(name), values) for name in _PARTS)
    except KeyError as error:
        return Rendered(missing=str(error.args[0]))
    return Rendered(subject=subject or "", html=html, text=text)


def _filled(part: str | None, values: Mapping[str, Any]) -> str | None:
    return part and _VARIABLE.sub(lambda found: str(values[found[1]]), part)
