"""The mails that are sent: small ones of a shop, each a little different, the same in every run."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final

SEED: Final = 20_261_122
_WORDS: Final = ("bicycle", "kettle", "lamp", "jumper", "notebook", "tent", "saddle", "mirror", "blanket")


def mail(number: int, *, sender: str, sender_field: str = "from", priority: str) -> dict[str, Any]:
    """Body of one email, about 1.3 kB of JSON: a text and an HTML part."""
    words = Random(SEED + number).sample(_WORDS, 4)
    text = "\n\n".join(
        [
            f"Hello customer {number},",
            f"thank you for your order {number:08}. It is on its way: {', '.join(words)}.",
            "You can follow the parcel with the link below until it reaches you.",
            f"https://shop.example.com/parcels/{number:08}",
            "Your shop",
        ]
    )
    paragraphs = "".join(
        f'<p style="margin:0 0 16px;color:#222;font:16px/24px sans-serif">{line}</p>'
        for line in text.split("\n\n")
    )
    return {
        sender_field: sender,
        "to": [f"customer-{number}@example.com"],
        "subject": f"Your {words[0]} is on its way (order {number:08})",
        "html": f"<!doctype html><html><body>{paragraphs}</body></html>",
        "text": text,
        "priority": priority,
    }


def singles(count: int, **of_mail: str) -> list[bytes]:
    """Bodies of requests with one email."""
    return [json.dumps(mail(number, **of_mail)).encode() for number in range(count)]


def batches(count: int, size: int, **of_mail: str) -> Sequence[bytes]:
    """Bodies of requests with `size` emails."""
    return [
        json.dumps([mail(number, **of_mail) for number in range(first, first + size)]).encode()
        for first in range(0, count * size, size)
    ]
