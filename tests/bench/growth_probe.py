"""Claim and settle everything that is queued, in Mailgrid's own process, and say how long each took.

`python -m tests.bench.growth_probe` with a worker's environment prints a JSON object: medians of µs per email. What
is between a claim and its settling, composing and sending, depends on no table's size and is left out.
"""

import json
import time
from statistics import median
from typing import Final
from uuid import uuid4

import django

_WARM: Final = 5  # batches, in which statements are prepared and caches filled


def main() -> None:
    django.setup()
    from emails.delivery.claim import claim_batch
    from emails.delivery.ports import Receipt
    from emails.delivery.settle import settle
    from mailgrid.core.bells import Priority

    claims, settles = [], []
    while True:
        began = time.perf_counter()
        _, claimed = claim_batch(Priority.HIGH)
        if not claimed:
            break
        claims.append((time.perf_counter() - began) / len(claimed))
        answers = [(one.row, Receipt(provider_message_id=f"{uuid4().hex}-000000")) for one in claimed]
        began = time.perf_counter()
        settle(answers, time.monotonic() + 60)
        settles.append((time.perf_counter() - began) / len(claimed))
    print(json.dumps({"claim": median(claims[_WARM:]) * 1e6, "settle": median(settles[_WARM:]) * 1e6}))


if __name__ == "__main__":
    main()
