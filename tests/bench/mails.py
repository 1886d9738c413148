"""The mails that are sent: small ones of a shop, each a little different, the same in every run."""

import json
from base64 import b64encode
from collections.abc import Sequence
from random import Random
from typing import Any, Final

SEED: Final = 20_261_122
_WORDS: Final = ("bicycle", "kettle", "lamp", "jumper", "notebook", "tent", "saddle", "mirror", "blanket")


def mail(
    number: int, *, sender: str, sender_field: str = "from", priority: str, **more: str
) -> dict[str, Any]:
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
        **more,
    }


def marked(mark: int, **of_mail: str) -> bytes:
    """Body of one email whose arrival the provider notes apart."""
    return json.dumps(mail(mark, **of_mail) | {"to": [f"marked-{mark}@example.com"]}).encode()


def with_attachment(count: int, size: int, **of_mail: str) -> list[bytes]:
    """Bodies of requests with one email and one attachment of `size` bytes each, as good as random."""
    return [json.dumps(mail(number, **of_mail) | _attached(number, size)).encode() for number in range(count)]


def _attached(number: int, size: int) -> dict[str, Any]:
    content = b64encode(Random(SEED + number).randbytes(size)).decode()
    return {"attachments": [{"filename": "invoice.pdf", "content": content}]}


def singles(count: int, **of_mail: str) -> list[bytes]:
    """Bodies of requests with one email."""
    return [json.dumps(mail(number, **of_mail)).encode() for number in range(count)]


def batches(emails: int, size: int, **of_mail: str) -> Sequence[bytes]:
    """Bodies of requests with `size` emails, the last one with what is left."""
    return [
        json.dumps([mail(number, **of_mail) for number in range(first, min(first + size, emails))]).encode()
        for first in range(0, emails, size)
    ]
