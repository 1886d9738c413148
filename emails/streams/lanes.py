"""What a tenant sends with: its streams with the transport behind each, and its verified domains.

Every accept asks for it, so a process remembers it for a few seconds. Nothing unsafe hangs on its age: pauses and
suppressions are read afresh when mail is claimed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from emails.streams.models import Stream
from emails.streams.selectors import NoTransport, StreamNotFound, default_transport
from emails.transports.models import Transport
from mailgrid.core.cache import TenantCache
from tenants.domains.selectors import verified_names


@dataclass(frozen=True, slots=True)
class Lane:
    """A stream and the transport its live mail takes."""

    stream: Stream
    transport: Transport | None  # None: nobody has configured one


@dataclass(frozen=True, slots=True)
class Lanes:
    """Everything a tenant sends with."""

    by_name: Mapping[str, Lane]
    by_id: Mapping[str, Lane]
    domains: frozenset[str]

    def find(self, id_or_name: str) -> Lane:
        """The lane of the stream with this id, else this name; raises `StreamNotFound`."""
        lane = self.by_id.get(id_or_name.lower()) or self.by_name.get(id_or_name)
        if lane is None:
            raise StreamNotFound("There is no such stream.")
        return lane


_lanes: TenantCache[Lanes] = TenantCache()


def lanes_of(tenant_id: UUID) -> Lanes:
    """The tenant's lanes as of at most 5 s ago."""
    if (kept := _lanes.get(tenant_id)) is not None:
        return kept
    streams = list(Stream.across_tenants.filter(tenant_id=tenant_id).select_related("transport"))
    fallback = _fallback(tenant_id) if any(stream.transport is None for stream in streams) else None
    lanes = [Lane(stream, stream.transport or fallback) for stream in streams]
    found = Lanes(
        by_name={lane.stream.name: lane for lane in lanes},
        by_id={str(lane.stream.pk): lane for lane in lanes},
        domains=verified_names(tenant_id),
    )
    _lanes.put(tenant_id, found)
    return found


def _fallback(tenant_id: UUID) -> Transport | None:
    try:
        return default_transport(tenant_id)
    except NoTransport:
        return None
