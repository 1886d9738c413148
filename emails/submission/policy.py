"""May this be sent, and how: the checks at acceptance, and what the answer to "not given" is.

A `Desk` serves one request, also a batch of 500: whatever it looks up, it looks up once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from emails.composition.size import MAX_MESSAGE_BYTES, estimate
from emails.messages.copies import CopyLinks
from emails.messages.versions import UNSUBSCRIBE_MARK
from emails.streams.defaults import MAX_AGE_SECONDS
from emails.streams.lanes import Lane, lanes_of
from emails.streams.models import Stream
from emails.streams.selectors import NoTransport, StreamNotFound
from emails.submission.attachments import check_known, known_files, sizes
from emails.submission.request import Attached, InvalidFrom, SubmitRequest
from emails.submission.wording import Wording, worded
from emails.tracking.links import MAX_TARGET
from emails.tracking.rewrite import MAX_LINKS
from emails.transports.models import SANDBOX_ID, Transport
from mailgrid.core.addresses import Mailbox, parse_mailbox
from mailgrid.core.bells import Priority
from mailgrid.core.callers import Caller
from mailgrid.core.errors import Forbidden, Invalid
from tenants.domains.selectors import verified_names
from tenants.files.models import File
from tenants.tenancy.selectors import tenant_facts

MAX_AHEAD: Final = timedelta(days=365)
PAST_IS_NOW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Everything that was left open in a request, decided. `size` bounds the finished mail, in bytes."""

    request: SubmitRequest
    wording: Wording
    stream: Stream
    transport: Transport | None
    transport_id: UUID
    sender: Mailbox
    reply_to: tuple[Mailbox, ...]
    priority: Priority
    scheduled_at: datetime | None
    due_at: datetime
    expires_at: datetime
    size: int
    copy: CopyLinks

    @property
    def sensitive(self) -> bool:
        """Whether its content is encrypted and shown nowhere."""
        return self.stream.sensitive or self.request.sensitive


class Desk:
    """Judges the messages of one request for one caller."""

    def __init__(self, caller: Caller, *, now: datetime) -> None:
        self.caller = caller
        self.now = now
        self.tenant = tenant_facts(caller.tenant_id)
        self._lanes = lanes_of(caller.tenant_id)
        self.files: Mapping[str, File] = {}

    def look_up(self, attached: Sequence[Attached]) -> None:
        """Find the stored files that these attachments name, all of them in one query."""
        self.files = known_files(self.caller.tenant_id, attached, now=self.now)

    def decide(self, request: SubmitRequest) -> Decision:
        """The decision, or the error that refuses the message."""
        lane = self._lane(request.stream)
        stream = lane.stream
        check_known(request.attachments, self.files)
        wording = worded(request, drafts=self.caller.test or request.trial)
        sender = self._sender(request.sender or wording.sender, stream)
        copy = self._copy(request, wording, stream)
        priority = Priority(stream.priority if request.priority is None else request.priority)
        scheduled_at = self._scheduled_at(request)
        due_at = scheduled_at or self.now
        transport = None if self.caller.test else self._transport(lane)
        return Decision(
            request=request,
            wording=wording,
            stream=stream,
            transport=transport,
            transport_id=transport.pk if transport else SANDBOX_ID,
            sender=sender,
            reply_to=request.reply_to or wording.reply_to or _optional(stream.default_reply_to),
            priority=priority,
            scheduled_at=scheduled_at,
            due_at=due_at,
            expires_at=self._expires_at(request, stream, priority, due_at),
            size=_size(request, wording, sender, sizes(request.attachments, self.files), copy),
            copy=copy,
        )

    def _lane(self, name: str | None) -> Lane:
        try:
            lane = self._lanes.find(name or self.tenant.settings.default_stream)
        except StreamNotFound:
            raise Invalid.field("stream", "not_found", "There is no such stream.") from None
        if not lane.stream.enabled:
            raise Invalid.field("stream", "stream_disabled", "This stream is disabled.")
        return lane

    def _transport(self, lane: Lane) -> Transport:
        if lane.transport is None:
            raise NoTransport("No transport is configured.")
        return lane.transport

    def _sender(self, wanted: Mailbox | None, stream: Stream) -> Mailbox:
        sender = wanted or next(iter(_optional(stream.default_from)), None)
        if sender is None:
            raise InvalidFrom("from is missing, and the stream has no default_from.")
        if sender.domain not in self._lanes.domains and sender.domain not in verified_names(
            self.caller.tenant_id
        ):
            raise InvalidFrom(f"The domain {sender.domain} is not verified for this tenant.")
        allowed = self.caller.allowed_domains
        if allowed is not None and sender.domain not in allowed:
            raise Forbidden(f"This key may not send from {sender.domain}.")
        return sender

    def _copy(self, request: SubmitRequest, wording: Wording, stream: Stream) -> CopyLinks:
        """What is asked for by the request, else the stream, else the tenant. Nobody looks on as a code is read."""
        tracks = wording.html is not None and not (stream.sensitive or request.sensitive)
        ours = self.tenant.settings
        return CopyLinks(
            opens=tracks and _first(request.track_opens, stream.track_opens, ours.track_opens),
            clicks=tracks and _first(request.track_clicks, stream.track_clicks, ours.track_clicks),
            unsubscribe=stream.list_unsubscribe,
            marked=any(UNSUBSCRIBE_MARK in words for words in (wording.html, wording.text) if words),
        )

    def _scheduled_at(self, request: SubmitRequest) -> datetime | None:
        wanted = request.scheduled_at
        if wanted is None:
            return None
        if wanted < self.now - PAST_IS_NOW:
            raise Invalid.field("scheduled_at", "out_of_range", "This time has passed.")
        if wanted > self.now + MAX_AHEAD:
            raise Invalid.field("scheduled_at", "out_of_range", "At most 365 days ahead.")
        return wanted if wanted > self.now else None

    def _expires_at(
        self, request: SubmitRequest, stream: Stream, priority: Priority, due_at: datetime
    ) -> datetime:
        if request.expires_at is None:
            return due_at + timedelta(seconds=stream.max_age_seconds or MAX_AGE_SECONDS[priority])
        if request.expires_at <= due_at:
            raise Invalid.field(
                "expires_at", "out_of_range", "Must be after scheduled_at, and in the future."
            )
        if request.expires_at > due_at + MAX_AHEAD:
            raise Invalid.field("expires_at", "out_of_range", "At most 365 days after it is due.")
        return request.expires_at


def _first(*wishes: bool | None) -> bool:
    return next((wish for wish in wishes if wish is not None), False)


def _optional(text: str | None) -> tuple[Mailbox, ...]:
    return (parse_mailbox(text),) if text else ()


def _size(
    request: SubmitRequest,
    wording: Wording,
    sender: Mailbox,
    files: Sequence[tuple[str, int]],
    copy: CopyLinks,
) -> int:
    size = estimate(
        mailboxes=(sender, *request.to, *request.cc, *request.reply_to),
        subject=wording.subject,
        bodies=[body for body in (wording.html, wording.text) if body],
        headers=request.headers,
        files=files,
    )
    size += _links_of_a_copy(wording.html or "", copy)
    if size > MAX_MESSAGE_BYTES:
        raise Invalid("The finished mail would exceed 40 MB.", errors=())
    return size


def _links_of_a_copy(html: str, copy: CopyLinks) -> int:
    """The most that a copy's own links add, in bytes: each has a token, in which the target stands in base64."""
    if not copy:
        return 0
    counted = min(html.lower().count("href"), MAX_LINKS) if copy.clicks else 0
    targets = min(len(html.encode()), MAX_LINKS * MAX_TARGET) if counted else 0
    return 1_000 + counted * 150 + targets * 4 // 3
