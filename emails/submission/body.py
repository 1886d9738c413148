"""The request bodies of sending: what may be written, and how it becomes a `SubmitRequest`."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, RootModel, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from emails.composition.headers import HeaderRefused, check_headers, check_text
from emails.submission.attachments import MAX_READ, AttachmentBody, read_attachments
from emails.submission.request import MAX_RECIPIENTS, InvalidFrom, SubmitRequest, TemplateChoice
from emails.submission.trials import Trial
from mailgrid.core.addresses import InvalidAddress, Mailbox, parse_mailbox
from mailgrid.core.bells import Priority
from mailgrid.core.errors import FieldError, Invalid
from mailgrid.core.vocabulary import Source
from mailgrid.http.reading import Body
from mailgrid.http.times import WireTime
from templates.variables import check_given

MAX_BATCH = 500
MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_METADATA_BYTES = 4096


def _mailbox(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Write an address as a string.")
    try:
        return parse_mailbox(value)
    except InvalidAddress as error:
        raise PydanticCustomError("invalid_email", "{reason}", {"reason": str(error)}) from None


@lru_cache(maxsize=1_000)
def _known_mailbox(text: str) -> Mailbox:
    """A tenant's mails name few senders, again and again."""
    return parse_mailbox(text)


def _as_list(value: Any) -> Any:
    if isinstance(value, list) and len(value) > MAX_RECIPIENTS:  # before a million wrong ones are read
        raise PydanticCustomError(
            "too_many_recipients", "At most {limit} addresses.", {"limit": MAX_RECIPIENTS}
        )
    return [value] if isinstance(value, str) else value


def _checked(check: Callable[..., Any], *names: str) -> AfterValidator:
    def validate(value: Any) -> Any:
        try:
            return check(*names, value)
        except HeaderRefused as error:
            raise PydanticCustomError(
                error.code,
                "{reason}",
                {"reason": str(error)},
            ) from None

    return AfterValidator(validate)


def _priority(value: Any) -> Any:
    if isinstance(value, str) and value.upper() in Priority.__members__:
        return int(Priority[value.upper()])
    if isinstance(value, int) and not isinstance(value, bool) and value in set(Priority):
        return value
    raise PydanticCustomError("invalid_choice", "priority is 0 to 3, or immediate, high, medium or low.")


def _version(value: Any) -> Any:
    if value == "draft" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 10**6):
        return value
    raise PydanticCustomError("invalid_choice", "version is the number of a version, or draft.")


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise PydanticCustomError("invalid_type", "A metadata value is a string, a number, true, false or null.")


def checked_metadata(given: dict[str, Any] | None) -> dict[str, Any]:
    """The metadata; raises `Invalid` when it is longer than is kept."""
    metadata = dict(given or {})
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise Invalid.field("metadata", "too_long", f"At most {MAX_METADATA_BYTES} bytes.")
    return metadata


def _fits(limit: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if len(value) > limit or (not value.isascii() and len(value.encode()) > limit):
            raise PydanticCustomError("too_long", "At most {limit} bytes.", {"limit": limit})
        return value

    return check


AddressField = Annotated[
    Mailbox,
    BeforeValidator(_mailbox),
    WithJsonSchema({"type": "string", "examples": ["Acme <hi@acme.com>"]}),
]
Addresses = Annotated[list[AddressField], BeforeValidator(_as_list), Field(max_length=MAX_RECIPIENTS)]
PriorityField = Annotated[
    int,
    BeforeValidator(_priority),
    WithJsonSchema({"enum": [0, 1, 2, 3, "immediate", "high", "medium", "low"]}),
]
VersionField = Annotated[
    int | Literal["draft"],
    BeforeValidator(_version),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "draft"}]}),
]
Text = Annotated[str, AfterValidator(_fits(MAX_BODY_BYTES))]
TagWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,256}$")]
Scalar = Annotated[
    str | int | float | bool | None,
    BeforeValidator(_scalar),
]
Metadata = Annotated[dict[Annotated[str, Field(max_length=64)], Scalar], Field(max_length=50)]


class Tag(Body):
    """A name and value by which mail is filtered and counted."""

    name: TagWord
    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,256}$")] | None = None


class TemplateBody(Body):
    """A template and what it is filled with."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    version: VersionField | None = None
    variables: dict[str, Any] | None = None

    def choice(self) -> TemplateChoice:
        """The request as a value; raises `Invalid` for variables that are too many or too deep."""
        variables = self.variables or {}
        check_given(variables, field="template.variables")
        return TemplateChoice(wanted=self.id, version=self.version, variables=variables)


class SendBody(Body):
    """One message."""

    from_: Annotated[
        str | None,
        Field(alias="from"),
        WithJsonSchema({"type": "string", "examples": ["Acme <hi@acme.com>"]}),
    ] = None
    to: Annotated[Addresses, Field(min_length=1)]
    cc: Addresses | None = None
    bcc: Addresses | None = None
    reply_to: Annotated[Addresses, Field(max_length=5)] | None = None
    subject: Annotated[str, _checked(check_text, "subject")] | None = None
    html: Text | None = None
    text: Text | None = None
    template: TemplateBody | None = None
    variables: dict[str, Any] | None = None
    headers: Annotated[dict[str, str], _checked(check_headers)] | None = None
    attachments: Annotated[list[AttachmentBody], Field(max_length=MAX_READ)] | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] | None = None
    metadata: Metadata | None = None
    scheduled_at: WireTime | None = None
    expires_at: WireTime | None = None
    stream: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    priority: PriorityField | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None

    @model_validator(mode="after")
    def _check_together(self) -> "SendBody":
        if self.template is not None:
            if any(part is not None for part in (self.html, self.text, self.variables)):
                raise PydanticCustomError(
                    "mutually_exclusive", "A template comes with its own html, text and variables."
                )
        elif self.html is None and self.text is None:
            raise PydanticCustomError("invalid_type", "Give at least one of html, text and template.")
        names = [tag.name for tag in self.tags or []]
        if len(set(names)) < len(names):
            raise PydanticCustomError("mutually_exclusive", "A tag name is given twice.")
        if any(name.lower().startswith("mg_") for name in names):
            raise PydanticCustomError("reserved_name", "Tag names starting with mg_ are reserved.")
        return self

    def as_request(self, *, source: Source) -> SubmitRequest:
        """The message asked for; raises `Invalid` or `InvalidAttachment`."""
        if self.variables is not None:
            check_given(self.variables)
        request = SubmitRequest(
            sender=self._sender(),
            to=tuple(self.to),
            cc=tuple(self.cc or ()),
            bcc=tuple(self.bcc or ()),
            reply_to=tuple(self.reply_to or ()),
            subject=self.subject,
            html=self.html,
            text=self.text,
            template=self.template.choice() if self.template else None,
            variables=self.variables,
            headers=cast(tuple[tuple[str, str], ...], self.headers or ()),  # as check_headers left it
            attachments=read_attachments(self.attachments or ()),
            tags={tag.name: tag.value for tag in self.tags or []},
            metadata=checked_metadata(self.metadata),
            scheduled_at=self.scheduled_at,
            expires_at=self.expires_at,
            stream=self.stream,
            priority=self.priority,
            track_opens=self.track_opens,
            track_clicks=self.track_clicks,
            source=source,
        )
        if len(request.recipients) > MAX_RECIPIENTS:
            raise Invalid.field(
                "to", "too_many_recipients", f"At most {MAX_RECIPIENTS} addresses in to, cc and bcc."
            )
        return request

    def _sender(self) -> Mailbox | None:
        try:
            return None if self.from_ is None else _known_mailbox(self.from_)
        except InvalidAddress as error:
            item = FieldError("from", "invalid_email", str(error))
            raise InvalidFrom(f"from: {error}", errors=[item]) from None


class TrialBody(Body):
    """Whom to send a template to, to look at it."""

    to: AddressField
    version: VersionField | None = None
    test_data: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    variables: dict[str, Any] | None = None
    from_: Annotated[AddressField | None, Field(alias="from")] = None
    stream: Annotated[str, Field(min_length=1, max_length=63)] | None = None

    def trial(self) -> Trial:
        """The request as a value; raises `Invalid`."""
        check_given(self.variables or {})
        return Trial(
            to=self.to,
            version=self.version or "draft",
            example=self.test_data,
            variables=self.variables or {},
            sender=self.from_,
            stream=self.stream,
        )


class ScheduleBody(SendBody):
    """One message for later."""

    scheduled_at: WireTime


class BatchBody(RootModel[list[SendBody]]):
    """1 to 500 messages."""


class RescheduleBody(Body):
    """Another time; `now` sends it."""

    scheduled_at: WireTime | None = None
    expires_at: WireTime | None = None


class BulkFilter(Body):
    """Which open messages; at least one of these."""

    stream: str | None = None
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,256}(:[A-Za-z0-9_-]{0,256})?$")] | None = None
    template_id: str | None = None
    batch_id: str | None = None
    since: WireTime | None = None
    until: WireTime | None = None


class BulkBody(Body):
    """Hold, release or cancel many messages at once."""

    action: Annotated[str, Field(pattern="^(hold|release|cancel)$")]
    filter: BulkFilter
