"""What a fake SES is started with. Everything may also be given on the command line (`__main__`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One fake AWS account in one region, with one SNS topic for SES's events.

    `credentials` maps access keys to secrets; `verify=False` skips signatures (benchmarks).
    `journal` is a file of JSON lines that survives the process, else a temporary one; `fsync` makes
    every line durable before the answer. `identity` is a PEM file with the SNS key and certificate
    (made at start otherwise), so that a restarted fake signs as before. The last `keep_requests`
    requests are kept for comparison. `enforce_rate` refuses what exceeds `max_send_rate` per second.
    """

    host: str = "127.0.0.1"
    port: int = 0
    region: str = "eu-west-1"
    account_id: str = "000000000000"
    topic_name: str = "ses-events"
    credentials: Mapping[str, str] = field(default_factory=lambda: {"AKIDTEST": "secret"})
    verify: bool = True
    journal: Path | None = None
    fsync: bool = False
    identity: Path | None = None
    keep_requests: int = 200
    max_send_rate: float = 14.0
    max_24_hour_send: float = 50_000.0
    enforce_rate: bool = False

    @property
    def topic_arn(self) -> str:
        """The topic to which events are published, as an allow-list names it."""
        return f"arn:aws:sns:{self.region}:{self.account_id}:{self.topic_name}"
