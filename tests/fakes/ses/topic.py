"""The SNS topic: its subscriptions, and how events travel to them: late, twice, out of order, not at all."""

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from tests.fakes.ses.events import Document, EventType
from tests.fakes.ses.mail import Mail
from tests.fakes.ses.options import Options
from tests.fakes.ses.postman import Postman
from tests.fakes.ses.sns import SIGNATURE_VERSIONS, Message, SnsIdentity, headers_of
from tests.fakes.ses.stories import story_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How events travel. Probabilities are between 0 and 1, drawn in the order of events with `seed`.

    `duplicate` is the mean number of copies of each event (1.5: every second one twice); `reorder` the
    probability that one is held back by `reorder_ms` so that later ones overtake it; `loss` that it is
    never posted. A failed post is repeated after `retry_ms`. `signature_version` is SNS's "1" or "2".
    """

    delay_ms: float = 0
    duplicate: float = 1
    reorder: float = 0
    reorder_ms: float = 250
    loss: float = 0
    retry_ms: float = 200
    signature_version: str = "1"
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.signature_version not in SIGNATURE_VERSIONS:
            raise ValueError("signature_version is '1' or '2'")
        if not (0 <= self.loss <= 1 and 0 <= self.reorder <= 1 and self.duplicate >= 1):
            raise ValueError("loss and reorder are probabilities, duplicate is 1 or more")


@dataclass(slots=True, kw_only=True)
class Subscription:
    """An endpoint that gets the topic's messages once it has confirmed with the token."""

    endpoint: str
    topic_arn: str
    token: str = field(default_factory=lambda: uuid4().hex * 4)
    arn: str = ""
    confirmed: bool = False


class Topic:
    """Publishes to confirmed subscriptions; what is published while there are none is lost, as at SNS."""

    def __init__(self, options: Options, identity: SnsIdentity, *, count: Callable[..., None]) -> None:
        self._options = options
        self._identity = identity
        self._count = count
        self._postman = Postman(count=count)
        self._lock = threading.Lock()
        self.subscriptions: dict[str, Subscription] = {}
        self.withheld: list[Document] = []
        self.adopt(Habits())

    def adopt(self, habits: Habits) -> None:
        """Let events travel so from now on, beginning the random series again."""
        with self._lock:
            self.habits = habits
            self._random = random.Random(habits.seed)

    def subscribe(self, endpoint: str, topic_arn: str | None = None) -> Subscription:
        """Ask an endpoint to confirm; the request is posted like any message."""
        subscription = Subscription(endpoint=endpoint, topic_arn=topic_arn or self._options.topic_arn)
        subscription.arn = f"{subscription.topic_arn}:{uuid4()}"
        self.subscriptions[subscription.token] = subscription
        message = self._identity.subscription_confirmation(
            topic_arn=subscription.topic_arn, token=subscription.token, version=self.habits.signature_version
        )
        self._post(subscription, message, after=0)
        return subscription

    def confirm(self, topic_arn: str, token: str) -> Subscription | None:
        """Begin to publish to the subscription of this token; None when there is none on that topic."""
        subscription = self.subscriptions.get(token)
        if subscription is None or subscription.topic_arn != topic_arn:
            return None
        subscription.confirmed = True
        return subscription

    def unsubscribe_all(self) -> None:
        """End every subscription, and forget what was on its way."""
        self.subscriptions.clear()
        self._postman.clear()

    def publish_story(self, mail: Mail) -> None:
        """Publish what becomes of a mail."""
        if any(subscription.confirmed for subscription in self.subscriptions.values()):
            for kind, document in story_of(mail):
                self.publish(document, kind=kind, about=mail)

    def publish(self, document: Document, *, kind: EventType, about: Mail) -> None:
        """Publish one event, or withhold it when it is its turn to be lost."""
        self._count("events.published", f"events.published.{kind}")
        with self._lock:
            copies, after = self._draw()
        if not copies:
            self._withhold(kind, about)
            return
        for subscription in self._confirmed():
            message = self._notification(json.dumps(document), subscription)
            for _ in range(copies):
                self._post(subscription, message, after=after)

    def publish_text(self, text: str) -> None:
        """Publish anything, once and at once: the way to messages SES itself would not write."""
        for subscription in self._confirmed():
            self._post(subscription, self._notification(text, subscription), after=0)

    @property
    def pending(self) -> int:
        """Posts not yet answered or given up."""
        return self._postman.pending

    def reset(self) -> None:
        """Forget what is on its way and how events travel; subscriptions stay."""
        self._postman.clear()
        self.withheld.clear()
        self.adopt(Habits())

    def close(self) -> None:
        self._postman.close()

    def _draw(self) -> tuple[int, float]:
        """Copies (0: lost) and delay in seconds of the next event; always three draws, so seeds hold."""
        habits = self.habits
        lost, extra, late = (self._random.random() for _ in range(3))
        if lost < habits.loss:
            return 0, 0.0
        copies = int(habits.duplicate) + (extra < habits.duplicate % 1)
        if copies > 1:
            self._count("events.duplicated", number=copies - 1)
        if late < habits.reorder:
            self._count("events.reordered")
            return copies, (habits.delay_ms + habits.reorder_ms) / 1000
        return copies, habits.delay_ms / 1000

    def _withhold(self, kind: EventType, mail: Mail) -> None:
        self._count("events.lost", f"events.lost.{kind}")
        self.withheld.append(
            {"eventType": kind.value, "ses_id": mail.ses_id, "delivery": mail.tags.get("mg_d")}
        )

    def _confirmed(self) -> list[Subscription]:
        return [subscription for subscription in self.subscriptions.values() if subscription.confirmed]

    def _notification(self, text: str, subscription: Subscription) -> Message:
        return self._identity.notification(
            text,
            topic_arn=subscription.topic_arn,
            version=self.habits.signature_version,
            subscription_arn=subscription.arn,
        )

    def _post(self, subscription: Subscription, message: Message, *, after: float) -> None:
        arn = subscription.arn if subscription.confirmed else ""
        self._postman.post(
            subscription.endpoint,
            body=json.dumps(message, indent=2).encode(),
            headers=headers_of(message, subscription_arn=arn),
            after=after,
            retry_after=self.habits.retry_ms / 1000,
        )
