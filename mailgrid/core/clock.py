"""The one place that reads the wall clock. Services get `now` as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def to_wire(moment: datetime | None) -> str | None:
    """A time as the API writes it: UTC, three decimals, `Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
