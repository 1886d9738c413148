"""Find streams, and the transport behind one."""

from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet

from emails.streams.models import Stream
from emails.transports.models import Transport
from mailgrid.core.errors import NotFound, Unavailable
from mailgrid.core.ids import parse_uuid
from tenants.tenancy.selectors import tenant_facts


class StreamNotFound(NotFound):
    """No stream of this id or name in the tenant."""


class NoTransport(Unavailable):
    """Neither the tenant nor the operator has a transport: the setting DEFAULT_TRANSPORT names none."""


def listed(*, types: list[str], enabled: bool | None) -> QuerySet[Stream]:
    """The streams of the tenant in scope; an empty filter lets all through."""
    rows: QuerySet[Stream] = Stream.objects.select_related("transport")
    if types:
        rows = rows.filter(type__in=types)
    return rows if enabled is None else rows.filter(enabled=enabled)


def find(id_or_name: str) -> Stream:
    """A stream of the tenant in scope with its transport; raises `StreamNotFound`."""
    return pick(Stream.objects.select_related("transport"), id_or_name)


def stream_for(tenant_id: UUID, name_or_id: str | None = None) -> Stream:
    """The stream a message names, with its transport; None means the tenant's default.

    Raises `StreamNotFound`. Whether it is enabled is for the caller to ask.
    """
    wanted = tenant_facts(tenant_id).settings.default_stream if name_or_id is None else name_or_id
    return pick(Stream.across_tenants.filter(tenant_id=tenant_id).select_related("transport"), wanted)


def pick(rows: QuerySet[Stream], id_or_name: str) -> Stream:
    """The one of `rows` with this id, else this name; raises `StreamNotFound`."""
    if "\0" in id_or_name:  # a path may hold one, and PostgreSQL fails on it
        raise StreamNotFound("There is no such stream.")
    wanted = parse_uuid(id_or_name)
    found = rows.filter(Q(name=id_or_name) | Q(pk=wanted))
    best = max(found, key=lambda row: bool(row.pk == wanted), default=None)
    if best is None:
        raise StreamNotFound("There is no such stream.")
    return best


def effective_transport(stream: Stream) -> Transport:
    """How live mail of a stream leaves: its own transport, the tenant's first, or the operator's default.

    Raises `NoTransport`. Mail of test keys takes the sandbox whatever this says.
    """
    return stream.transport or default_transport(stream.tenant_id)


def default_transport(tenant_id: UUID) -> Transport:
    """For streams that name none: the tenant's first, or the operator's default; raises `NoTransport`."""
    candidates = Q(tenant=tenant_id) | Q(tenant=None, name=settings.DEFAULT_TRANSPORT)
    rows = Transport.across_tenants.filter(candidates)
    found = rows.order_by(F("tenant").asc(nulls_last=True), "pk").first()
    if found is None:
        raise NoTransport("No transport is configured.")
    return found
