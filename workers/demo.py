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


def prepare(path: Path, *, url: str) -> Access:
    """The access of the first start, with today's address; made if there is none yet."""
    try:
        known = json.loads(path.read_text())
    except FileNotFoundError:
        access = _create(url)
    else:
        access = Access(
            url, known["api_key"], known["from"], known["admin_username"], known["admin_password"]
        )
    _write(path, access.as_json())
    return access


def _create(url: str) -> Access:
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        made = bootstrap(name="Demo", slug="demo", domain=DOMAIN, test=False, now=now())
        create_operator(username="admin", password=password)
    return Access(url, made.api_key, f"Demo <hello@{DOMAIN}>", "admin", password)


def _write(path: Path, text: str) -> None:
    scratch = path.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    scratch.replace(path)


def welcome(access: Access) -> str:
    """What the terminal shows when everything has started."""
    return f"""
Mailgrid is ready.

  API       {access.url}/api          (reference: {access.url}/docs)
  Console   {access.url}/admin        {access.admin_username} / {access.admin_password}
  API key   {access.api_key}

Nothing leaves this machine: mail is captured and shown in the console under Sandbox inbox. Send one:

curl -s {access.url}/api/emails \\
  -H 'Authorization: Bearer {access.api_key}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"from":"{access.sender}","to":"you@example.com","subject":"Hello","text":"My first email"}}'
"""
