"""Where mail goes over SMTP, and as whom."""

import ssl
from dataclasses import dataclass, field
from typing import Literal

from mailgrid.core.hosts import is_listed


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpAccount:
    """A log-in at an SMTP server.

    `allowed_hosts` are the hosts and addresses that may be reached though not public; to them alone a password goes in
    the clear. `hello` is our own host name, our address when empty. `context` checks certificates, against the
    authorities of the system or of the file that OpenSSL's SSL_CERT_FILE names.
    """

    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    hello: str = ""
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    @property
    def is_listed(self) -> bool:
        """Whether the operator lists this host."""
        return is_listed(self.host, self.allowed_hosts)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
