"""The closed word lists of the wire: statuses, event types, reasons. One sentence each. Pure.

The values are the same lower-case words in database, API, logs, metrics and webhooks.
"""

from enum import StrEnum


class Status(StrEnum):
    """What became of a recipient, and of a delivery while its recipients are pending (docs/api.md)."""

    SCHEDULED = "scheduled"  # waits for its time
    QUEUED = "queued"  # ready for a worker
    DEFERRED = "deferred"  # provably not sent yet, waits for its next try
    HELD = "held"  # waits for a release
    SENDING = "sending"  # claimed by a worker
    IN_DOUBT = "in_doubt"  # handed over, the provider's answer was lost
    CANCELED = "canceled"  # not sent: cancelled by the tenant
    EXPIRED = "expired"  # not sent: too late
    FAILED = "failed"  # not sent: permanent error
    UNKNOWN = "unknown"  # outcome never proved and not repeated
    SENT = "sent"  # the provider accepted it
    DELIVERY_DELAYED = "delivery_delayed"  # the provider is still trying
    REJECTED = "rejected"  # accepted by the provider, then refused by it
    BOUNCED = "bounced"  # returned
    DELIVERED = "delivered"  # the recipient's server took it
    UNSUBSCRIBED = "unsubscribed"  # the recipient unsubscribed through this message
    COMPLAINED = "complained"  # the recipient reported it as spam
    SUPPRESSED = "suppressed"  # not sent: on a suppression list


class EventType(StrEnum):
    """Facts about a recipient, as webhooks and `GET /events` name them."""

    QUEUED = "email.queued"
    SCHEDULED = "email.scheduled"
    HELD = "email.held"
    SUPPRESSED = "email.suppressed"
    SENT = "email.sent"
    DELIVERED = "email.delivered"
    DELIVERY_DELAYED = "email.delivery_delayed"
    BOUNCED = "email.bounced"
    COMPLAINED = "email.complained"
    OPENED = "email.opened"
    CLICKED = "email.clicked"
    UNSUBSCRIBED = "email.unsubscribed"
    FAILED = "email.failed"
    REJECTED = "email.rejected"
    CANCELED = "email.canceled"
    EXPIRED = "email.expired"
    UNKNOWN = "email.unknown"


class HoldReason(StrEnum):
    """Why a delivery is held."""

    ATTACHMENTS = "attachments"  # some are still to be fetched
    MANUAL = "manual"  # by the tenant
    STREAM_PAUSED = "stream_paused"
    TENANT_PAUSED = "tenant_paused"
    QUOTA = "quota"  # over the tenant's quota, with the setting `over_quota: hold`
    ACCOUNT_PAUSED = "account_paused"  # the provider paused the account, or the configuration set
    ACCOUNT_QUOTA = "account_quota"  # the provider's daily quota is used up
    QUARANTINED = "quarantined"  # our own error again and again


class FailReason(StrEnum):
    """Why a recipient ended `failed`."""

    REJECTED = "rejected"  # the provider refused this mail
    IDENTITY = "identity"  # the sender is not verified at the provider
    ATTACHMENT_UNAVAILABLE = "attachment_unavailable"  # it could not be fetched
    TOO_LARGE = "too_large"  # with what was fetched, more than 40 MB
    CONTENT_MISSING = "content_missing"  # a stored body or attachment is gone
    OVER_LIMIT = "over_limit"  # past the transport's limit, with `over_limit: reject`
    RETRIES_EXHAUSTED = "retries_exhausted"  # attempts used up
    GIVEN_UP = "given_up"  # an operator gave a quarantined delivery up


class SuppressedReason(StrEnum):
    """Why a recipient is left out of the envelope."""

    BOUNCE = "previous_bounce"
    COMPLAINT = "previous_complaint"
    MANUAL = "manual"
    UNSUBSCRIBED = "unsubscribed"


class Source(StrEnum):
    """The door a message came through."""

    API = "api"
    BATCH = "batch"
    RETRY = "retry"
    CONSOLE = "console"
    VERIFICATION = "verification"


class HitClass(StrEnum):
    """Who opened or clicked, as far as it can be told."""

    HUMAN = "human"
    PROXY = "proxy"  # fetches images on behalf of somebody
    SCANNER = "scanner"  # a machine
    UNKNOWN = "unknown"
