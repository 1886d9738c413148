"""Which envelopes go together in one request of SES's SendBulkEmail (delivery.md 7, 8.7). Pure."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from emails.composition.envelope import Envelope
from emails.composition.shape import bulk_data
from mailgrid.core.addresses import Mailbox

# SES API v2 Reference: 50 entries. Of recipients it says 50 a message, without saying whether that is an entry.
MAX_RECIPIENTS: Final = 50
# SES Developer Guide, "Using templates to send personalized email": 1 MB for the JSON of a request that brings its
# template along.
MAX_BYTES: Final = 1_000_000

# What JSON adds: names, brackets, tags. Upper bounds, held against what is sent by tests/contracts/test_ses_bulk.py.
_FRAME_BYTES = 1_000
_ENTRY_BYTES = 700
_FIELD_BYTES = 40


def calls_of(envelopes: Iterable[Envelope]) -> list[list[Envelope]]:
    """Bulk envelopes together with others that share the rest, within SES's limits; every other one alone.

    Each envelope is in exactly one call, behind those of its call that came before it; calls stand where their first
    envelope stood.
    """
    calls: list[list[Envelope]] = []
    filling: dict[Hashable, _Filling] = {}
    for envelope in envelopes:
        data = bulk_data(envelope)
        if data is None:
            calls.append([envelope])
            continue
        key = _shared(envelope)
        size = _entry_bytes(envelope, data)
        if key not in filling or not filling[key].takes(envelope, size):
            filling[key] = _Filling(envelope, size)
            calls.append(filling[key].call)
    return calls


def may_be_one_call(envelopes: Sequence[Envelope]) -> bool:
    """Whether what a request says once holds for each of these, and each of them may share one."""
    return all(one.may_share for one in envelopes) and len(set(map(_shared, envelopes))) == 1


def _shared(envelope: Envelope) -> Hashable:
    """What a request says once for all its entries; and no request speaks for two tenants."""
    return (
        envelope.tenant_id,
        envelope.sender,
        envelope.reply_to,
        envelope.configuration_set,
        envelope.html is None,
        envelope.text is None,
    )


class _Filling:
    """A call that is not full yet, and what is left of its limits."""

    def __init__(self, first: Envelope, size: int) -> None:
        self.call = [first]
        frame = _FRAME_BYTES + sum(map(_mailbox_bytes, (first.sender, *first.reply_to)))
        self._bytes = MAX_BYTES - frame - size
        self._recipients = MAX_RECIPIENTS - len(first.recipients)

    def takes(self, envelope: Envelope, size: int) -> bool:
        """Add the envelope, if there is room."""
        recipients = len(envelope.recipients)
        if size > self._bytes or recipients > self._recipients:
            return False
        self.call.append(envelope)
        self._bytes -= size
        self._recipients -= recipients
        return True


def _entry_bytes(envelope: Envelope, data: bytes) -> int:
    """An upper bound of the entry; its data is JSON in a string of JSON, whose quotes and backslashes double."""
    return (
        _ENTRY_BYTES
        + len(envelope.stream)
        + len(data)
        + data.count(b'"')
        + data.count(b"\\")
        + sum(map(_mailbox_bytes, envelope.recipients))
        + sum(_FIELD_BYTES + 2 * (len(name) + len(value)) for name, value in envelope.headers)
    )


def _mailbox_bytes(mailbox: Mailbox) -> int:
    """Quoting and JSON make four characters of one, encoded words seven of one that has four octets."""
    return _FIELD_BYTES + 2 * len(mailbox.address) + 8 * len(mailbox.name)
