"""Whether an account's mail may share requests now: SES may forbid it to call SendBulkEmail, or refuse our calls.

`ses:SendBulkEmail` is a permission of its own, which policies written for single mails do not give. A refusal proves
that nothing was sent. The mail goes again, alone (`emails.delivery.composing`), and for a while so does all other mail
of the account.
"""

from typing import Final

from emails.delivery.ports import TransportError
from mailgrid.core.logging import get_logger
from workers.transports.ses_errors import FORBIDDEN

log = get_logger(__name__)

ALONE_SECONDS: Final = 600.0  # a starting value: each new look delays the mail of one request by ten seconds
REFUSALS: Final = 3  # in a row; a single one may be the fault of one of its entries


class Sharing:
    """One account's, in one process. Threads share it: an update that is lost now and then does no harm.

    `now` is in time.monotonic seconds.
    """

    def __init__(self) -> None:
        self._alone_until = 0.0
        self._refusals = 0

    def is_allowed(self, *, now: float) -> bool:
        """Whether the next requests may be shared ones."""
        return now >= self._alone_until

    def accepted(self) -> None:
        """SES took a request, whatever it said about the entries."""
        self._refusals = 0

    def refused(self, error: TransportError, *, now: float) -> None:
        """SES refused a request as such."""
        self._refusals = REFUSALS if error.code in FORBIDDEN else self._refusals + 1
        if self._refusals >= REFUSALS:
            self._alone_until = now + ALONE_SECONDS
            log.warning(
                "workers.ses.sends_alone", code=error.code, error=error.message, seconds=ALONE_SECONDS
            )
