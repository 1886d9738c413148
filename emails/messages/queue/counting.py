"""What the journal says an account's limits are used up by."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import connection

from emails.messages.models import Attempt, Delivery
from mailgrid.core.sql import adapted, run

_CLOCKS_APART: Final = 60  # seconds between the machine that named a row and the one that timed it

_SECONDS: Final = {
    "sqlite": "CAST(strftime('%%s', a.at) AS INTEGER)",
    "postgresql": "CAST(floor(extract(epoch FROM a.at)) AS bigint)",
}
# By the primary key: it grows with time, and `at` has no index of its own.
_ATTEMPTED: Final = """
SELECT {seconds} / %s, count(*)
  FROM emails_attempt a JOIN emails_delivery d ON d.id = a.delivery_id
 WHERE a.id >= %s AND a.at >= %s AND d.transport_id = %s AND a.outcome IN ('started', 'sent', 'in_doubt')
 GROUP BY 1"""


def attempted(transport_id: UUID, *, since: float, slot_seconds: int) -> dict[int, int]:
    """Attempts of an account that may have been sent, by the number of the slot they began in (time / its length).

    `since` is in seconds since 1970. Crosses tenants by design.
    """
    first = UUID(int=max(0, int((since - _CLOCKS_APART) * 1000)) << 80)  # RFC 9562: milliseconds, then chance
    ids = adapted(Attempt, "id", [first])
    times = adapted(Attempt, "at", [datetime.fromtimestamp(since, UTC)])
    transports = adapted(Delivery, "transport_id", [transport_id])
    sql = _ATTEMPTED.format(seconds=_SECONDS[connection.vendor])
    return {int(slot): int(count) for slot, count in run(sql, [slot_seconds, *ids, *times, *transports])}
