"""Create, change, pause and delete streams."""

from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.db import IntegrityError, transaction

from emails.streams.defaults import MAX_STREAMS, PRIORITY_OF, UNSUBSCRIBE_TYPES
from emails.streams.models import Stream
from emails.streams.selectors import StreamNotFound, pick
from emails.transports.models import Transport
from emails.transports.selectors import TransportNotFound, usable
from mailgrid.core.addresses import InvalidAddress, Mailbox, parse_mailbox
from mailgrid.core.bells import Priority
from mailgrid.core.errors import Conflict, FieldError, Invalid, MailgridError
from mailgrid.core.vocabulary import Status
from tenants.audit.services import SYSTEM, Actor, record
from tenants.domains.selectors import verified_names
from tenants.tenancy.models import Tenant
from tenants.tenancy.selectors import lock_tenant
from tenants.tenancy.settings import TenantSettings

_MAX_ADDRESS = 320  # of the column, name included
_OPEN = (Status.SCHEDULED, Status.QUEUED, Status.DEFERRED, Status.HELD, Status.SENDING, Status.IN_DOUBT)


class StreamTaken(Conflict):
    """The name is in use."""


class TooManyStreams(Conflict):
    """The tenant has as many as it may."""


class StreamInUse(Conflict):
    """It is the tenant's default, or mail stands on it."""


class UnknownTransport(Invalid):
    """A body names a transport that the tenant cannot use."""


class InvalidFromAddress(MailgridError):
    """A sender that cannot be read, or whose domain the tenant has not verified."""

    name = "invalid_from_address"

    @classmethod
    def field(cls, field: str, message: str) -> "InvalidFromAddress":
        """The error that blames one field."""
        return cls(f"{field}: {message}", errors=[FieldError(field, "invalid_email", message)])


class StreamValues(TypedDict, total=False):
    """What a caller may set (docs/api.md 3.4); absent means the default on create, unchanged on update.

    `transport` is an id or name. Each value that may be None is cleared by it.
    """

    name: str
    type: str
    default_from: str | None
    default_reply_to: str | None
    transport: str | None
    configuration_set: str | None
    ip_pool: str | None
    priority: Priority
    delivery: str
    max_age_seconds: int | None
    rate_per_second: float | None
    track_opens: bool | None
    track_clicks: bool | None
    list_unsubscribe: bool
    sensitive: bool
    enabled: bool


def check_tenant_settings(*, tenant_id: UUID, settings: TenantSettings) -> None:
    """Refuse a `default_stream` the tenant does not have. Called through the setting TENANT_SETTINGS_CHECK."""
    try:
        pick(Stream.across_tenants.filter(tenant_id=tenant_id), settings.default_stream)
    except StreamNotFound:
        raise Invalid.field("settings.default_stream", "not_found", "There is no such stream.") from None


def create_default_streams(*, tenant: Tenant, now: datetime) -> None:
    """Give a new tenant a stream of each type, named after it. Called through the setting TENANT_CREATED."""
    with transaction.atomic():
        Stream.across_tenants.bulk_create(
            [_new(tenant.pk, name=kind.value, kind=kind.value) for kind in Stream.Type], ignore_conflicts=True
        )
        record(tenant_id=tenant.pk, actor=SYSTEM, action="stream.create_defaults", target=tenant, now=now)


def create(*, tenant_id: UUID, values: StreamValues, actor: Actor, now: datetime) -> Stream:
    """Add a stream to the tenant in scope.

    Raises `InvalidFromAddress`, `UnknownTransport`, `TooManyStreams` and `StreamTaken`.
    """
    with transaction.atomic():
        _check_count(tenant_id)
        stream = _new(
            tenant_id, name=values["name"], kind=values.get("type", Stream.Type.TRANSACTIONAL.value)
        )
        _apply(stream, values)
        _save(stream)
        _audit(stream, "stream.create", actor=actor, now=now, changes=dict(values))
    return stream


def update(*, id_or_name: str, values: StreamValues, actor: Actor, now: datetime) -> Stream:
    """Change what is given of a stream of the tenant in scope.

    Raises `StreamNotFound`, `StreamInUse` for renaming the default one, and what `create` raises.
    """
    with transaction.atomic():
        stream = _lock(id_or_name)
        if values.get("name", stream.name) != stream.name and _is_default(stream):
            raise StreamInUse("This is the tenant's default stream: choose another default_stream first.")
        _apply(stream, values)
        _save(stream)
        _audit(stream, "stream.update", actor=actor, now=now, changes=dict(values))
    return stream


def pause(*, id_or_name: str, actor: Actor, now: datetime) -> Stream:
    """Hold its mail from the next claim on; pausing twice is pausing once. Raises `StreamNotFound`."""
    return _set_paused(id_or_name, paused=True, actor=actor, now=now)


def resume(*, id_or_name: str, actor: Actor, now: datetime) -> Stream:
    """Let its mail go again; the sweep releases what was held for the pause. Raises `StreamNotFound`."""
    return _set_paused(id_or_name, paused=False, actor=actor, now=now)


def delete(*, id_or_name: str, actor: Actor, now: datetime) -> UUID:
    """Remove a stream on which no mail stands, and answer its id.

    Raises `StreamNotFound`; `StreamInUse` for the default one, one with open messages, and one whose messages
    of either mode are still kept: they point to it.
    """
    with transaction.atomic():
        stream = _lock(id_or_name)
        if _is_default(stream):
            raise StreamInUse("The tenant's default stream cannot be deleted.")
        if stream.messages.filter(status__in=_OPEN).exists():
            raise StreamInUse("The stream has open messages.")
        if stream.messages.exists():
            raise StreamInUse("Messages of this stream are still kept; disable it instead.")
        stream_id: UUID = stream.pk
        _audit(stream, "stream.delete", actor=actor, now=now, changes={"name": stream.name})
        stream.delete()
    return stream_id


def _new(tenant_id: UUID, *, name: str, kind: str) -> Stream:
    return Stream(
        tenant_id=tenant_id,
        name=name,
        type=kind,
        priority=PRIORITY_OF[kind],
        list_unsubscribe=kind in UNSUBSCRIBE_TYPES,
    )


def _apply(stream: Stream, values: StreamValues) -> None:
    row: dict[str, Any] = dict(values)
    if (sender := values.get("default_from")) is not None:
        row["default_from"] = _sender(sender, stream.tenant_id)
    if (reply_to := values.get("default_reply_to")) is not None:
        row["default_reply_to"] = _written("default_reply_to", _mailbox("default_reply_to", reply_to))
    if (transport := values.get("transport")) is not None:
        row["transport"] = _transport(transport)
    for blank in {"configuration_set", "ip_pool"} & set(row):
        row[blank] = row[blank] or ""
    for field, value in row.items():
        setattr(stream, field, value)
    if stream.type == Stream.Type.MARKETING:  # bulk senders must offer it (Gmail and Yahoo, 2024)
        stream.list_unsubscribe = True


def _sender(text: str, tenant_id: UUID) -> str:
    mailbox = _mailbox("default_from", text)
    if mailbox.domain not in verified_names(tenant_id):
        raise InvalidFromAddress.field("default_from", f"The domain {mailbox.domain} is not verified.")
    return _written("default_from", mailbox)


def _mailbox(field: str, text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except InvalidAddress as error:
        raise InvalidFromAddress.field(field, str(error)) from None


def _written(field: str, mailbox: Mailbox) -> str:
    if len(text := str(mailbox)) > _MAX_ADDRESS:
        raise InvalidFromAddress.field(field, f"Address and name have at most {_MAX_ADDRESS} characters.")
    return text


def _transport(name: str) -> Transport:
    try:
        return usable(name)
    except TransportNotFound:
        raise UnknownTransport.field("transport", "not_found", "There is no such transport.") from None


def _set_paused(id_or_name: str, *, paused: bool, actor: Actor, now: datetime) -> Stream:
    with transaction.atomic():
        stream = _lock(id_or_name)
        if stream.paused != paused:
            stream.paused = paused
            stream.save(update_fields=["paused"])
            _audit(stream, "stream.pause" if paused else "stream.resume", actor=actor, now=now, changes={})
    return stream


def _lock(id_or_name: str) -> Stream:
    return pick(Stream.objects.select_for_update(), id_or_name)


def _is_default(stream: Stream) -> bool:
    """Whether mail that names no stream takes this one. Asks the row: cached facts may be seconds old."""
    return lock_tenant(stream.tenant_id).effective_settings.default_stream in {stream.name, str(stream.pk)}


def _check_count(tenant_id: UUID) -> None:
    lock_tenant(tenant_id)  # two at once cannot both be the last one
    if Stream.objects.count() >= MAX_STREAMS:
        raise TooManyStreams(f"A tenant may have {MAX_STREAMS} streams.")


def _save(stream: Stream) -> None:
    try:
        with transaction.atomic():
            stream.save()
    except IntegrityError:
        raise StreamTaken("A stream of this name exists already.") from None


def _audit(stream: Stream, action: str, *, actor: Actor, now: datetime, changes: dict[str, Any]) -> None:
    record(tenant_id=stream.tenant_id, actor=actor, action=action, target=stream, now=now, changes=changes)
