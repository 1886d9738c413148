"""Attachment sources: who may be named as one, and the headers that go with their requests, which are secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings as django_settings

from mailgrid.core.crypto import Sealed, seal, unseal
from mailgrid.core.errors import Invalid, NotFound
from mailgrid.core.hosts import ForbiddenHost, check_web_url
from tenants.tenancy.models import Tenant
from tenants.tenancy.settings import AttachmentSource

_SETTING = "attachment_sources"

Secrets = dict[str, dict[str, str]]  # header values by source and header


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source as a worker uses it: a URL with the headers of each request, or else a folder."""

    url: str | None
    headers: Mapping[str, str] = field(repr=False)
    directory: Path | None


def take_in(tenant: Tenant) -> None:
    """Judge the sources that stand in a tenant's settings, and seal what is secret of them.

    Raises `Invalid` for a URL that leads inside, a folder that is not the tenant's, or a header without a value.
    """
    known, secrets = _secrets(tenant), {}
    for place, written in enumerate(tenant.settings.get(_SETTING, [])):
        source = AttachmentSource(**written)
        field_name = f"settings.{_SETTING}[{place}]"
        _check(source, tenant.slug, field_name)
        secrets[source.name] = _values(source, known.get(source.name, {}), field_name)
        written["headers"] = dict.fromkeys(source.headers)
    sealed = seal(orjson.dumps(secrets), context=tenant.id.bytes) if any(secrets.values()) else None
    tenant.secrets = sealed.ciphertext if sealed else None
    tenant.secrets_key_id = sealed.key_id if sealed else ""


def find_source(tenant_id: UUID, name: str) -> Source:
    """The tenant's source of this name; raises `NotFound`, also for a folder that is no longer the tenant's."""
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    sources = tenant.effective_settings.attachment_sources if tenant else []
    source = next((one for one in sources if one.name == name), None)
    if tenant is None or source is None or not _is_allowed(source.directory, tenant.slug):
        raise NotFound(f"There is no attachment source {name}.")
    return Source(
        url=source.url,
        headers=_secrets(tenant).get(name, {}),
        directory=Path(source.directory) if source.directory else None,
    )


def _check(source: AttachmentSource, slug: str, field_name: str) -> None:
    if source.url is not None:
        try:
            check_web_url(source.url, allowed=django_settings.UNSAFE_HOSTS)
        except ForbiddenHost as error:
            raise Invalid.field(f"{field_name}.url", "forbidden_host", str(error)) from None
    if not _is_allowed(source.directory, slug):
        message = "The operator does not allow this folder."
        raise Invalid.field(f"{field_name}.directory", "not_found", message)


def _is_allowed(directory: str | None, slug: str) -> bool:
    if directory is None:
        return True
    allowed: tuple[Path, ...] = django_settings.ATTACHMENT_DIRECTORIES.get(slug, ())
    wanted = Path(directory)
    return ".." not in wanted.parts and any(wanted.is_relative_to(folder) for folder in allowed)


def _values(source: AttachmentSource, known: Mapping[str, str], field_name: str) -> dict[str, str]:
    values = {name: known.get(name) if value is None else value for name, value in source.headers.items()}
    for name, value in values.items():
        if value is None:
            raise Invalid.field(f"{field_name}.headers.{name}", "invalid_type", "Give the header's value.")
    return {name: value for name, value in values.items() if value is not None}


def _secrets(tenant: Tenant) -> Secrets:
    if tenant.secrets is None:
        return {}
    sealed = Sealed(tenant.secrets_key_id, bytes(tenant.secrets))
    secrets: Any = orjson.loads(unseal(sealed, context=tenant.id.bytes))
    return dict(secrets)
