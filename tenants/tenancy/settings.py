"""What a tenant may configure, and what its operator limits (docs/api.md). Pure.

Rows keep only what was changed; the defaults live here.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class _Values(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("invalid_choice", "This is not an IANA time zone.") from None
    return name


def _https_origin(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme != "https"
        or not parts.hostname
        or text != f"https://{parts.netloc}"
        or "@" in parts.netloc
    ):
        raise PydanticCustomError("invalid_choice", "Write an origin such as https://app.example.com.")
    return text


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A name that links begin with, after https://; an international one as its A-labels.
HostName = Annotated[str, Field(max_length=253, pattern=rf"^(?:{_LABEL}\.)+{_LABEL}$")]

_OF_THE_CLIENT = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


def _senders_own(name: str) -> str:
    if name.lower() in _OF_THE_CLIENT:
        raise PydanticCustomError("reserved_header", "This header cannot be set.")
    return name


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), AfterValidator(_senders_own)]
HeaderValue = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[ -~]+$")]

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Limits(_Values):
    """What the operator allows. Rates are per minute; a quota of None is no quota."""

    requests_per_minute: Count = 600
    recipients_per_minute: Count = 30_000
    daily_quota: Annotated[int, Field(ge=0)] | None = None
    monthly_quota: Annotated[int, Field(ge=0)] | None = None
    agent_daily_limit: Count = 200
    verifications_per_hour: Count = 1_000


class RetentionDays(_Values):
    """How long content and events are kept, in days."""

    content: Annotated[int, Field(ge=1, le=3650)] = 30
    events: Annotated[int, Field(ge=7, le=3650)] = 90


class SoftBounce(_Values):
    """`count` transient bounces on different messages within `days` suppress an address for `hold_days`."""

    count: Annotated[int, Field(ge=1, le=100)] = 3
    days: Annotated[int, Field(ge=1, le=365)] = 7
    hold_days: Annotated[int, Field(ge=1, le=365)] = 30


class QuietHours(_Values):
    """Marketing mail waits between these local times."""

    from_: Annotated[str, Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    to: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class FrequencyCap(_Values):
    """At most `count` marketing mails to a contact in `days`."""

    count: Annotated[int, Field(ge=1, le=1000)]
    days: Annotated[int, Field(ge=1, le=365)]


class AttachmentSource(_Values):
    """Where attachments come from by `source:<name>/<key>`: below a URL, or in a folder that the operator allows.

    `headers` go with each request. Their values are kept apart and read as null; a null that is written keeps what is
    kept.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    url: Annotated[str, Field(max_length=1_024, pattern=r"^https?://[^?#]+/$")] | None = None
    headers: Annotated[dict[HeaderName, HeaderValue | None], Field(max_length=10)] = {}
    directory: Annotated[str, Field(max_length=1_024, pattern=r"^/[^\x00]*$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "AttachmentSource":
        if (self.url is None) == (self.directory is None):
            raise PydanticCustomError("mutually_exclusive", "Give either url or directory.")
        if self.headers and self.url is None:
            raise PydanticCustomError("mutually_exclusive", "Headers go with a url.")
        return self


def _names_once(sources: list[AttachmentSource]) -> list[AttachmentSource]:
    if len({source.name for source in sources}) < len(sources):
        raise PydanticCustomError("mutually_exclusive", "A source's name is given twice.")
    return sources


class TenantSettings(_Values):
    """What the tenant decides for itself."""

    dedupe_identical: bool = False
    over_quota: Literal["reject", "hold"] = "reject"
    agent_approval: Literal["off", "outside", "all"] = "off"
    default_stream: Annotated[str, Field(min_length=1, max_length=63)] = "transactional"
    track_opens: bool = False
    track_clicks: bool = False
    retention_days: RetentionDays = RetentionDays()
    soft_bounce: SoftBounce = SoftBounce()
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    quiet_hours: QuietHours | None = None
    frequency_cap: FrequencyCap | None = None
    tracking_host: HostName | None = None
    postal_address: Annotated[str, Field(max_length=500)] | None = None
    attachment_sources: Annotated[
        list[AttachmentSource], Field(max_length=20), AfterValidator(_names_once)
    ] = []
    redirect_origins: Annotated[
        list[Annotated[str, AfterValidator(_https_origin)]], Field(max_length=20)
    ] = []
    index_bodies: bool = True
