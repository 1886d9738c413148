"""`python -m tests.bench.peers.inside.enqueue FIRST COUNT`: hand so many mails to the peer, in its own bulk call.

Says `ready`, waits for a line, and prints when it began and ended (time.monotonic) and its CPU seconds.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import django

from tests.bench.mails import mail

_SENDER = "Acme <hello@acme.test>"
_AT_ONCE = 500

Mail = dict[str, Any]


def main(first: int, count: int) -> None:
    """Once everything is imported and connected."""
    django.setup()
    if os.environ["PEER"] == "django-celery-email":
        from tests.bench.peers.inside.celery import app

        app.set_default()
    enqueue = _post_office if os.environ["PEER"] == "django-post-office" else _backend
    mails = [mail(number, sender=_SENDER, priority="high") for number in range(first, first + count)]
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.monotonic(), time.process_time()
    for some in _in_pieces(mails):
        enqueue(some)
    print(json.dumps({"began": began, "ended": time.monotonic(), "cpu": time.process_time() - cpu}))


def _in_pieces(mails: Sequence[Mail]) -> Iterator[Sequence[Mail]]:
    for place in range(0, len(mails), _AT_ONCE):
        yield mails[place : place + _AT_ONCE]


def _post_office(mails: Sequence[Mail]) -> None:
    from post_office.mail import send_many

    send_many(
        [
            {
                "sender": one["from"],
                "recipients": one["to"],
                "subject": one["subject"],
                "message": one["text"],
                "html_message": one["html"],
                "priority": "high",
            }
            for one in mails
        ]
    )


def _backend(mails: Sequence[Mail]) -> None:
    """The two others are Django's e-mail backends."""
    from django.core.mail import EmailMultiAlternatives, get_connection

    made = []
    for one in mails:
        email = EmailMultiAlternatives(one["subject"], one["text"], one["from"], one["to"])
        email.attach_alternative(one["html"], "text/html")
        made.append(email)
    send: Callable[[Sequence[Any]], object] = get_connection().send_messages
    send(made)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
