"""What each kind of transport needs to know, and what of it is secret. Pure.

Values are checked here when they are saved; who may reach which host is for `mailgrid.core.hosts`.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from mailgrid.core.errors import FieldError, Invalid, MissingField
from mailgrid.core.hosts import ForbiddenHost, check_host, check_url, is_listed

SECRETS: Final = frozenset({"secret_access_key", "password"})
SMTP_PORTS: Final = frozenset({25, 465, 587, 2465, 2525, 2587})  # those on which providers take submissions

_PARTITION = r"arn:aws(?:-[a-z]+)*"
Region = Annotated[str, Field(pattern=r"^[a-z]{2,4}(?:-[a-z]{2,12}){1,2}-[0-9]{1,2}$")]
RoleArn = Annotated[str, Field(pattern=rf"^{_PARTITION}:iam::[0-9]{{12}}:role/[A-Za-z0-9+=,.@_/-]{{1,512}}$")]
TopicArn = Annotated[
    str, Field(pattern=rf"^{_PARTITION}:sns:[a-z0-9-]{{1,32}}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}$")
]
KeyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{4,128}$")]
Secret = Annotated[str, Field(min_length=1, max_length=1_024, pattern=r"^[ -~]+$")]


class _Values(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SesSettings(_Values):
    """An Amazon SES account in one region.

    It signs with a key pair, or as a role that the installation's own credentials assume; the operator's
    transports may name neither and sign with those credentials themselves. Notifications count only from
    `topic_arns`.
    """

    region: Region
    role_arn: RoleArn | None = None
    access_key_id: KeyId | None = None
    secret_access_key: Annotated[Secret | None, Field(repr=False)] = None
    endpoint_url: Annotated[str, Field(max_length=2_048)] | None = None
    configuration_set: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")] = ""
    topic_arns: Annotated[list[TopicArn], Field(max_length=20)] = []


class SmtpSettings(_Values):
    """A log-in at an SMTP server."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[ -~]+$")] | None = None
    password: Annotated[Secret | None, Field(repr=False)] = None


class SandboxSettings(_Values):
    """Nothing: the sandbox captures mail and sends none."""


Settings = SesSettings | SmtpSettings | SandboxSettings

MODELS: Final[Mapping[str, type[Settings]]] = {
    "ses": SesSettings,
    "smtp": SmtpSettings,
    "sandbox": SandboxSettings,
}


def read(kind: str, values: Mapping[str, Any]) -> Settings:
    """`values` as the settings of a kind; None means not given. Raises `Invalid` or `MissingField`."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return MODELS[kind].model_validate(given)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_input=False)) from None


def check(settings: Settings, *, shared: bool, allowed: Collection[str]) -> None:
    """Raise `Invalid` for settings that contradict themselves or lead where no tenant may go.

    `shared` transports are the operator's; `allowed` lists the hosts that are fine though not public.
    """
    match settings:
        case SesSettings():
            _check_credentials(settings, shared=shared)
            if settings.endpoint_url is not None:
                _guarded("endpoint_url", check_url, settings.endpoint_url, allowed)
        case SmtpSettings():
            _both_or_none("username", settings.username, "password", settings.password)
            _guarded("host", check_host, settings.host, allowed)
            if settings.port not in SMTP_PORTS and not is_listed(settings.host, allowed):
                ports = ", ".join(str(port) for port in sorted(SMTP_PORTS))
                raise _wrong("port", "out_of_range", f"Only the ports {ports} may be reached.")


def public_part(settings: Settings) -> dict[str, Any]:
    """What may be shown and is stored in the clear."""
    return settings.model_dump(exclude=set(SECRETS))


def secret_part(settings: Settings) -> dict[str, Any]:
    """What is stored encrypted and never shown."""
    return settings.model_dump(include=set(SECRETS), exclude_none=True)


def _check_credentials(settings: SesSettings, *, shared: bool) -> None:
    _both_or_none("access_key_id", settings.access_key_id, "secret_access_key", settings.secret_access_key)
    if settings.role_arn and settings.access_key_id:
        raise _wrong("role_arn", "mutually_exclusive", "Give a role or a key pair, not both.")
    if not (settings.role_arn or settings.access_key_id or shared):
        message = "Give a role, or a key pair with access_key_id and secret_access_key."
        raise MissingField.field("settings.role_arn", "missing_required_field", message)


def _both_or_none(left: str, left_value: str | None, right: str, right_value: str | None) -> None:
    if (left_value is None) != (right_value is None):
        missing = left if left_value is None else right
        raise MissingField.field(
            f"settings.{missing}", "missing_required_field", f"{left} and {right} go together."
        )


def _guarded(field: str, guard: Any, value: str, allowed: Collection[str]) -> None:
    try:
        guard(value, allowed=allowed)
    except ForbiddenHost as error:
        raise _wrong(field, "forbidden_host", str(error)) from None


def _wrong(field: str, code: str, message: str) -> Invalid:
    return Invalid.field(f"settings.{field}", code, message)


_CODES: Final = {
    "missing": "missing_required_field",
    "extra_forbidden": "unknown_field",
    "string_too_long": "too_long",
    "too_long": "too_many",
    "literal_error": "invalid_choice",
    "string_pattern_mismatch": "invalid_choice",
    "string_too_short": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}


def _refusal(details: list[ErrorDetails]) -> Invalid:
    items = [
        FieldError(_path(detail["loc"]), _CODES.get(detail["type"], "invalid_type"), detail["msg"])
        for detail in details
    ]
    missing = [item for item in items if item.code == "missing_required_field"]
    first = (missing or items)[0]
    return (MissingField if missing else Invalid)(f"{first.field}: {first.message}", errors=items)


def _path(location: tuple[int | str, ...]) -> str:
    return "settings" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
