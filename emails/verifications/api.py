"""`/verifications`: one-time codes and magic links."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.urls import path
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from emails.submission.body import AddressField, Metadata, TemplateBody, checked_metadata
from emails.verifications import services
from emails.verifications.models import Verification
from emails.verifications.secrets import CODE_DIGITS
from emails.verifications.services import Wanted
from mailgrid.core.callers import Caller
from mailgrid.core.errors import Invalid
from mailgrid.http.answers import answer
from mailgrid.http.reading import Body
from mailgrid.http.views import Endpoint
from tenants.tenancy.selectors import tenant_facts

SCOPE = "verifications:write"


class NewVerification(Body):
    """An address to verify."""

    to: AddressField
    channel: Literal["code", "link"] = "code"
    length: Annotated[int, Field(ge=4, le=10)] | None = None
    ttl_seconds: Annotated[int, Field(ge=60, le=3_600)] = 600
    template: TemplateBody | None = None
    redirect_url: Annotated[str, Field(max_length=2_048)] | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _fits_its_channel(self) -> "NewVerification":
        stranger = self.length if self.channel == "link" else self.redirect_url
        if stranger is not None:
            raise PydanticCustomError(
                "mutually_exclusive", "length goes with a code, redirect_url with a link."
            )
        return self

    def wanted(self, caller: Caller) -> Wanted:
        """The request as a value; raises `Invalid` for an address outside of the tenant's `redirect_origins`."""
        return Wanted(
            to=self.to,
            channel=self.channel,
            digits=self.length or CODE_DIGITS,
            ttl=timedelta(seconds=self.ttl_seconds),
            template=self.template.choice() if self.template else None,
            redirect_url=_allowed(self.redirect_url, caller) if self.redirect_url else "",
            metadata=checked_metadata(self.metadata),
        )


class VerificationCheck(Body):
    """The code that somebody typed; left out for a link."""

    code: Annotated[str, Field(min_length=1, max_length=32)] | None = None


class Verifications(Endpoint):
    """The collection."""

    scopes = {"POST": SCOPE}
    bodies = {"POST": NewVerification}

    def post(self, _request: Any) -> HttpResponse:
        """Send a one-time code or a magic link to an address."""
        return self.once(
            "POST /verifications",
            prepare=lambda: services.prepare(
                wanted=self.read(NewVerification).wanted(self.caller),
                caller=self.caller,
                now=self.request_time,
            ),
            work=lambda prepared: _created(services.create(prepared, now=self.request_time)),
            status=201,
        )


class CheckVerification(Endpoint):
    """One try."""

    scopes = {"POST": SCOPE}
    bodies = {"POST": VerificationCheck}

    def post(self, _request: Any, verification_id: str) -> HttpResponse:
        """Check a code: five tries in all. Without one, say what is true of a link."""
        state = services.check_code(
            verification_id=verification_id,
            code=self.read(VerificationCheck).code,
            now=self.request_time,
        )
        return answer({"object": "verification", "id": verification_id, "status": state})


def _created(row: Verification) -> dict[str, Any]:
    return {
        "object": "verification",
        "id": str(row.pk),
        "status": row.status,
        "channel": row.channel,
        "email_id": str(row.message_id),
        "expires_at": row.expires_at,
    }


def _allowed(url: str, caller: Caller) -> str:
    """Compared as an origin: a prefix would let `https://app.example.com.evil.test` pass."""
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        origin = ""
    readable = url.isascii() and url.isprintable() and "\\" not in url and " " not in url
    if not readable or origin not in tenant_facts(caller.tenant_id).settings.redirect_origins:
        raise Invalid.field(
            "redirect_url", "forbidden_host", "Its origin is not among the tenant's redirect_origins."
        )
    return url


routes = [
    path("verifications", Verifications.as_view()),
    path("verifications/<str:verification_id>/check", CheckVerification.as_view()),
]
