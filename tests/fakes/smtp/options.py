"""What a fake SMTP server is started with, and what it offers its clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One server with a port for plain sessions and STARTTLS, and one that begins with TLS. 0 takes a free port.

    `credentials` maps user names to passwords. `journal` is a file of JSON lines that survives the process, else a
    temporary one; `fsync` makes every line durable before the answer. `keep_content=False` keeps only the size of
    mail (benchmarks).
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int = 0
    control_port: int = 0
    credentials: Mapping[str, str] = field(default_factory=lambda: {"mailgrid": "secret"})
    journal: Path | None = None
    fsync: bool = False
    keep_content: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What EHLO tells. `size` is the largest mail in bytes, 0 without a limit and None without the keyword.

    `mechanisms` are offered once the session is encrypted, with `plain_auth` also before; with `auth_required` nobody
    may send without. `certificate` is what is shown in TLS (`authority.Certificate`).
    """

    pipelining: bool = True
    eight_bit: bool = True
    starttls: bool = True
    size: int | None = 52_428_800
    mechanisms: Sequence[str] = ("PLAIN", "LOGIN")
    plain_auth: bool = False
    auth_required: bool = False
    certificate: str = "good"
