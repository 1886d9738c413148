"""One recipient's own copy: links that count, a pixel, the way to unsubscribe. To and Cc still show everybody."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial

from emails.composition.envelope import Envelope
from emails.messages.content import Content, Written
from emails.messages.copies import CopyLinks
from emails.messages.queue.claiming import PendingRecipient
from emails.messages.versions import UNSUBSCRIBE_MARK
from emails.tracking.headers import unsubscribe_headers
from emails.tracking.hosts import own_links
from emails.tracking.links import Addressee, OwnLinks
from emails.tracking.rewrite import outline
from mailgrid.core.addresses import Mailbox, parse_mailbox
from tenants.tenancy.selectors import tenant_facts

_OURS = frozenset({"list-unsubscribe", "list-unsubscribe-post"})

Headers = tuple[tuple[str, str], ...]

_mailbox = lru_cache(maxsize=1_024)(parse_mailbox)


def own_copy(envelope: Envelope, written: Written, content: Content, recipient: PendingRecipient) -> Envelope:
    """The envelope of the only recipient of a delivery, with what its message's copies carry."""
    settings = tenant_facts(envelope.tenant_id).settings
    links = own_links(Addressee(envelope.tenant_id, recipient.id), settings)
    everybody = (*written.to, *written.cc)
    alone = recipient.kind != "bcc" and len(everybody) == 1
    return replace(
        envelope,
        html=_html(envelope.html, content.copy, links),
        text=_with_unsubscribe(envelope.text, links) if content.copy.marked else envelope.text,
        headers=_headers(envelope.headers, links) if content.copy.unsubscribe else envelope.headers,
        shown_to=None if alone else _mailboxes(written.to),
        shown_cc=None if alone else _mailboxes(written.cc),
    )


def _html(html: str | None, wanted: CopyLinks, links: OwnLinks) -> str | None:
    """The mark goes last: until then the copies of a message are one text, which is read once."""
    if html is None:
        return None
    if wanted.opens or wanted.clicks:
        html = outline(html).copy(
            click=partial(_click, links) if wanted.clicks else None,
            pixel=links.pixel() if wanted.opens else None,
        )
    return _with_unsubscribe(html, links) if wanted.marked else html


def _click(links: OwnLinks, target: str) -> str | None:
    """Nobody counts who leaves."""
    return None if target.startswith(UNSUBSCRIBE_MARK) else links.click(target)


def _with_unsubscribe(words: str | None, links: OwnLinks) -> str | None:
    return words and words.replace(UNSUBSCRIBE_MARK, links.unsubscribe())


def _headers(headers: Headers, links: OwnLinks) -> Headers:
    """A tenant's own fields give way where ours are due."""
    kept = tuple((name, value) for name, value in headers if name.lower() not in _OURS)
    return kept + unsubscribe_headers(links.unsubscribe())


def _mailboxes(written: Sequence[str]) -> tuple[Mailbox, ...]:
    return tuple(map(_mailbox, written))
