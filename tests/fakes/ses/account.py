"""The sending limits of the fake account: a rate in recipients per second and a day's quota."""

import time
from typing import Any

from tests.fakes.ses.options import Options
from tests.fakes.ses.refusals import Refusal


class Account:
    """What GetAccount tells, and, with `enforce_rate`, what it refuses (S06 and S07 of the fault tests).

    A day never ends here: recipients are counted since the start or the last reset. `credentials`
    may be changed while it runs, to rotate them.
    """

    def __init__(self, options: Options) -> None:
        self.max_send_rate = options.max_send_rate
        self.max_24_hour_send = options.max_24_hour_send
        self.enforce_rate = options.enforce_rate
        self.sending_enabled = True
        self.credentials = dict(options.credentials)
        self.sent = 0
        self._tokens = self.max_send_rate
        self._at = time.monotonic()

    def change(self, **settings: Any) -> None:
        """Set attributes by name. Raises ValueError for one that isn't there."""
        for name, value in settings.items():
            if name.startswith("_") or name not in vars(self):
                raise ValueError(f"the account has no {name}")
            setattr(self, name, value)

    def take(self, recipients: int) -> None:
        """Count recipients about to be accepted. Raises Refusal when a limit is enforced and reached."""
        if self.enforce_rate:
            self._check_limits(recipients)
        self.sent += recipients

    def document(self) -> dict[str, Any]:
        """The answer of GetAccount."""
        return {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": {
                "Max24HourSend": self.max_24_hour_send,
                "MaxSendRate": self.max_send_rate,
                "SentLast24Hours": float(self.sent),
            },
            "SendingEnabled": self.sending_enabled,
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        }

    def _check_limits(self, recipients: int) -> None:
        if self.sent + recipients > self.max_24_hour_send:
            raise Refusal(429, "LimitExceededException", "Daily message quota exceeded.")
        now = time.monotonic()
        self._tokens = min(self.max_send_rate, self._tokens + (now - self._at) * self.max_send_rate)
        self._at = now
        # SES lets a mail with many recipients through while any rate is left, as a short burst.
        if self._tokens < 1:
            raise Refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
        self._tokens -= recipients
