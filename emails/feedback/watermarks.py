"""How far each account's events have come: advanced with the events themselves, read to judge a silence."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction

from emails.feedback.models import Watermark
from mailgrid.core.durations import scaled
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import run, values_table

Key = tuple[UUID, str]  # transport, configuration set

# The row is one for all: who moves it holds it until the events are committed. So it moves in steps.
_STEP: Final = timedelta(seconds=scaled(1))

_ADVANCE: Final = """WITH {table} INSERT INTO emails_watermark (id, transport_id, configuration_set, at)
    SELECT id, transport_id, configuration_set, at FROM v WHERE 1 = 1
    ON CONFLICT (transport_id, configuration_set) DO UPDATE SET at = excluded.at
     WHERE excluded.at > emails_watermark.at"""

_moved: dict[Key, datetime] = {}  # by this process, and so at least as far


def advance(reported: Iterable[tuple[Key, datetime]]) -> None:
    """Events told of mail sent at these times. Call inside their transaction, as its last statement."""
    latest: dict[Key, datetime] = {}
    for key, at in reported:
        latest[key] = max(at, latest.get(key, at))
    ahead = {key: at for key, at in latest.items() if key not in _moved or at >= _moved[key] + _STEP}
    if not ahead:
        return
    columns = {name: name for name in ("id", "transport_id", "configuration_set", "at")}
    rows = [
        (uuid7(), *key, at) for key, at in sorted(ahead.items())
    ]  # in one order, so that nobody deadlocks
    table, parameters = values_table("v", Watermark, columns, rows)
    run(_ADVANCE.format(table=table), parameters)
    transaction.on_commit(partial(_moved.update, ahead))


def of(transport_id: UUID) -> dict[str, datetime]:
    """The watermarks of an account, by configuration set."""
    return dict(Watermark.objects.filter(transport_id=transport_id).values_list("configuration_set", "at"))
