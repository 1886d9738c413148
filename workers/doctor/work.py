"""Is the work being done: by beat, by every worker group, for every queue? And can blobs be kept?"""

import secrets
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from django.conf import settings

from mailgrid.core import blobs as core_blobs
from mailgrid.core.clock import now
from workers.doctor.findings import Check, Finding, ill, well
from workers.fleet.state import problems


def blobs() -> Iterator[Finding]:
    """Written, read back, removed."""
    store, content = core_blobs.store(), secrets.token_bytes(32)
    name = f"doctor/{secrets.token_hex(8)}"
    try:
        store.keep(name, BytesIO(content))
        with store.open(name) as file:
            read = file.read()
        store.delete(name)
    except OSError as error:
        yield ill("blobs", f"Attachments cannot be kept: {error}")
        return
    if read == content:
        yield well("blobs", "Attachments can be written and read back.")
    else:
        yield ill("blobs", "What was written is not what was read back: is the storage shared and sound?")


def fleet() -> Iterator[Finding]:
    """The same that the console's fleet page tells."""
    found = problems(now=now())
    yield from (ill("work", sentence) for sentence in found)
    if not found:
        whole = "Every worker group is alive, every queue has listeners, and" if settings.BROKER_URL else ""
        yield well("work", f"{whole} the sweep runs.".strip().capitalize())


CHECKS: Final[tuple[tuple[str, Check], ...]] = (("blobs", blobs), ("work", fleet))
