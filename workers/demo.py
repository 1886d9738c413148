"""What the first start of the embedded mode makes: a tenant that can send at once, and an operator who can look."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from django.db import transaction

from mailgrid.core.clock import now
from tenants.members.services import create_operator
from tenants.onboarding import bootstrap
from tenants.tenancy.selectors import has_operator

DOMAIN: Final = "demo.mailgrid.test"


@dataclass(frozen=True, slots=True)
class Access:
    """How to use this installation right now; kept in a file only its owner may read."""

    url: str
    api_key: str
    sender: str
    admin_username: str
    admin_password: str

    def as_json(self) -> str:
        """The text of `demo.json`."""
        fields = {"from" if name == "sender" else name: value for name, value in asdict(self).items()}
        return json.dumps(fields, indent=2) + "\n"


def prepare(path: Path, *, url: str) -> Access | None:
    """The access of the first start, with today's address; made if the database is empty.

    None where tenants exist and nothing is written down: somebody else made them.
    """
    if not has_operator():
        access = _create(url)
    elif (known := _read(path)) is not None:
        access = Access(
            url, known["api_key"], known["from"], known["admin_username"], known["admin_password"]
        )
    else:
        return None
    _write(path, access.as_json())
    return access


def _create(url: str) -> Access:
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        made = bootstrap(name="Demo", slug="demo", domain=DOMAIN, test=False, now=now())
        create_operator(username="admin", password=password)
    return Access(url, made.api_key, f"Demo <hello@{DOMAIN}>", "admin", password)


def _read(path: Path) -> dict[str, str] | None:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    scratch = path.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    scratch.replace(path)


def welcome(access: Access | None, *, url: str, word: str = "is ready") -> str:
    """What the terminal shows about the start."""
    if access is None:
        return f"""
Mailgrid {word}.

  API       {url}/api          (reference: {url}/docs)
  Console   {url}/admin
"""
    return f"""
Mailgrid {word}.

  API       {url}/api          (reference: {url}/docs)
  Console   {url}/admin        {access.admin_username} / {access.admin_password}
  API key   {access.api_key}

Nothing leaves this machine: mail is captured and shown in the console under Sandbox inbox. Send one:

curl -s {url}/api/emails \\
  -H 'Authorization: Bearer {access.api_key}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"from":"{access.sender}","to":"you@example.com","subject":"Hello","text":"My first email"}}'
"""
