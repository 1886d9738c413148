"""The transports: each one's settings, credentials and connection, as a worker would use them."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from emails.delivery.ports import Misconfigured
from emails.transports.models import Transport
from workers.doctor.findings import Check, Finding, ill, well
from workers.transports.registry import build

SHOWN: Final = 100  # transports that are connected to; each may take seconds to say no


def transports() -> Iterator[Finding]:
    """Connect to each account; nothing is sent. And is there one for tenants without?"""
    if not Transport.across_tenants.filter(tenant=None, name=settings.DEFAULT_TRANSPORT).exists():
        name = settings.DEFAULT_TRANSPORT
        yield ill(
            "transports",
            f"DEFAULT_TRANSPORT is {name!r}, and no shared transport has this name: tenants without a transport of "
            "their own get 503.",
        )
    rows = list(Transport.across_tenants.select_related("tenant").order_by("tenant", "name")[: SHOWN + 1])
    for row in rows[:SHOWN]:
        subject = f"transport {row.name}" + (f" of {row.tenant.slug}" if row.tenant else "")
        yield _examine(subject, row)
    if len(rows) > SHOWN:
        yield well("transports", f"Only the first {SHOWN} were looked at.")


def _examine(subject: str, row: Transport) -> Finding:
    try:
        adapter = build(row)
    except Misconfigured as error:
        said = str(error).rstrip(".")
        return ill(subject, f"{said}. Its mail waits until this is put right.")
    try:
        refusal = adapter.check()
    finally:
        adapter.close()
    if refusal is None:
        return well(subject, "Connected and signed in.")
    said = f"{refusal.kind}: {refusal.code}: {refusal.message}".rstrip(".")
    return ill(subject, f"{said}. Its mail waits; nothing is lost.")


CHECKS: Final[tuple[tuple[str, Check], ...]] = (("transports", transports),)
