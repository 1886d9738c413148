"""A stand-in for Amazon SES v2 and the SNS topic of its events, over real HTTP, that can misbehave.

    with FakeSes() as ses:
        client = boto3.client("sesv2", endpoint_url=ses.url, ...)   # AKIDTEST / secret, eu-west-1
        ses.misbehave("hang_after", count=1)
        ...
        assert len(ses.journal()) == 1

`python -m tests.fakes.ses --port 8443` runs the same thing on its own.
"""

from tests.fakes.ses.events import EventType
from tests.fakes.ses.fake import FakeSes, RecordedRequest
from tests.fakes.ses.faults import Mode, Rule
from tests.fakes.ses.journal import Accept
from tests.fakes.ses.options import Options
from tests.fakes.ses.sns import SnsIdentity, canonical_string
from tests.fakes.ses.topic import Habits

__all__ = [
    "Accept",
    "EventType",
    "FakeSes",
    "Habits",
    "Mode",
    "Options",
    "RecordedRequest",
    "Rule",
    "SnsIdentity",
    "canonical_string",
]
