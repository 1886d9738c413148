"""The root of every error a caller may see. Slices raise their own subclasses; `mailgrid.http.errors` answers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field to blame: where, a stable code, and a sentence for people."""

    field: str
    code: str
    message: str


class MailgridError(Exception):
    """An error with a stable name of the wire contract.

    `name` is a row of the error table in docs/api.md; `errors` lists single fields, if any are to blame;
    `retry_after` is in seconds.
    """

    name: ClassVar[str] = "application_error"

    def __init__(
        self, message: str, *, errors: Sequence[FieldError] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = tuple(errors)
        self.retry_after = retry_after


class Invalid(MailgridError):
    """A value that cannot be accepted."""

    name = "validation_error"

    @classmethod
    def field(cls, field: str, code: str, message: str) -> "Invalid":
        """The error that blames one field."""
        return cls(f"{field}: {message}", errors=[FieldError(field, code, message)])


class MissingField(Invalid):
    """A required field is absent."""

    name = "missing_required_field"


class InvalidParameter(MailgridError):
    """A query parameter, cursor or filter that cannot be read."""

    name = "invalid_parameter"


class NotFound(MailgridError):
    """No such object for this tenant and mode."""

    name = "not_found"


class Conflict(MailgridError):
    """Wrong state for the verb, a taken name, or an object in use."""

    name = "conflict"


class Forbidden(MailgridError):
    """The key may not do this."""

    name = "restricted_api_key"


class Unavailable(MailgridError):
    """A dependency is down or overloaded; trying again later may help."""

    name = "service_unavailable"
