"""What a mail says: as it was written, or from a template or expressions, rendered once to see that it can be.

Of a template the version is fixed here, and the worker renders that version with the same values. What Mailgrid itself
puts in for each recipient is not known yet: a mark stands in its place (`emails.messages.versions`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from emails.composition.headers import HeaderRefused, check_text
from emails.messages.versions import PROVIDED_MARKS, UNSUBSCRIBE_MARK, FixedVersion
from emails.submission.request import SubmitRequest, TemplateChoice
from mailgrid.core.addresses import Mailbox, parse_mailbox
from mailgrid.core.errors import Invalid, MissingField
from templates import plaintext, selectors
from templates.formats import Format
from templates.models import Template, Written
from templates.preparing import prepare
from templates.rendering import Content as Sources
from templates.rendering import Programs, Rendered, compiled, render
from templates.selectors import NotPublished, TemplateNotFound, VersionNotFound
from templates.trials import prepared_programs

DRAFT: Final = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Subject and bodies as rendered; `text` None is no text part. `version` is set where a worker renders them again.

    `sender` and `reply_to` are the template's.
    """

    subject: str
    html: str | None = field(repr=False)
    text: str | None = field(repr=False)
    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    version: FixedVersion | None = None


def worded(request: SubmitRequest, *, drafts: bool) -> Wording:
    """The words of a request; `drafts` says whether the draft of a template may be sent.

    Raises `Invalid` for a template that cannot be sent, `MissingField` without a subject, `TemplateRenderError`.
    """
    if request.template is not None:
        return _from_template(request, request.template, drafts=drafts)
    subject, html, text = request.subject, request.html, request.text
    if request.variables is not None:
        rendered = _rendered_inline(request, request.variables)
        subject, html, text = rendered.subject, rendered.html, rendered.text
    if text is None and html is not None:
        text = plaintext.from_html(html)
    return Wording(subject=_needed(subject), html=html, text=text or None)


def _rendered_inline(request: SubmitRequest, variables: Mapping[str, Any]) -> Rendered:
    sources = Sources(subject=request.subject, html=request.html, text=request.text)
    return render(compiled(sources), variables, provided=PROVIDED_MARKS)


def _from_template(request: SubmitRequest, choice: TemplateChoice, *, drafts: bool) -> Wording:
    try:
        if choice.version == DRAFT:
            return _from_draft(request, choice, drafts=drafts)
        number = choice.version if isinstance(choice.version, int) else None
        found = selectors.sendable(choice.wanted, number=number)
    except TemplateNotFound:
        raise Invalid.field("template.id", "not_found", "There is no such template.") from None
    except VersionNotFound:
        raise Invalid.field("template.version", "not_found", "There is no such version.") from None
    except NotPublished:
        raise Invalid.field(
            "template.id", "template_not_published", "This template has no published version."
        ) from None
    programs = selectors.programs_of([found.version_id])[found.version_id]
    rendered = render(programs, choice.variables, provided=PROVIDED_MARKS)
    return Wording(
        subject=_needed(request.subject or rendered.subject),
        html=rendered.html,
        text=rendered.text,
        sender=_mailbox(found.sender),
        reply_to=tuple(map(parse_mailbox, found.reply_to)),
        version=FixedVersion(
            template_id=found.template_id,
            version_id=found.version_id,
            number=found.number,
            variables=dict(choice.variables),
        ),
    )


def _from_draft(request: SubmitRequest, choice: TemplateChoice, *, drafts: bool) -> Wording:
    """A draft may change at any moment, so its words are kept."""
    if not drafts:
        raise Invalid.field("template.version", "invalid_choice", "A draft is sent with a test key only.")
    draft: Template = selectors.find(choice.wanted)
    rendered = render(_programs(draft), choice.variables, provided=PROVIDED_MARKS)
    return Wording(
        subject=_needed(request.subject or rendered.subject),
        html=rendered.html,
        text=rendered.text,
        sender=_mailbox(draft.sender),
        reply_to=tuple(map(parse_mailbox, draft.reply_to)),
    )


def _programs(draft: Written) -> Programs:
    return prepared_programs(draft, prepare(format=Format(draft.format), html=draft.html, text=draft.text))


def _needed(subject: str | None) -> str:
    """A subject that may stand in a header: values may have brought in what a text of the request could not."""
    if subject is None:
        raise MissingField.field("subject", "missing_required_field", "This field is required.")
    if UNSUBSCRIBE_MARK in subject:
        raise Invalid.field("subject", "invalid_choice", "An unsubscribe link has no place in a subject.")
    try:
        return check_text("subject", subject)
    except HeaderRefused as error:
        raise Invalid.field("subject", error.code, str(error)) from None


def _mailbox(text: str | None) -> Mailbox | None:
    return parse_mailbox(text) if text else None
