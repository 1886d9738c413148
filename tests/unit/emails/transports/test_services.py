"""Transports keep their secrets, their limits and whatever stands on them."""

import json
from datetime import UTC, datetime

import pytest

from emails.streams.models import Stream
from emails.transports import selectors, services
from emails.transports.models import SANDBOX_ID, Transport
from emails.transports.selectors import TransportNotFound, full_settings
from mailgrid.core.crypto import CannotDecrypt, keyed_hash
from mailgrid.core.scoping import in_scope
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.tenancy.models import Plan, Tenant

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
KEYS = {"region": "eu-west-1", "access_key_id": "AKIDTEST", "secret_access_key": "s3cret"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    tenant = Tenant.objects.create(name="Acme", slug="acme", plan=Plan.objects.get(name="free"))
    with in_scope(tenant.pk, test=False):
        yield tenant


def create(tenant: Tenant, *, operator: bool = False, **values) -> services.Created:
    given = {"name": "main", "kind": "ses", "settings": KEYS, **values}
    return services.create(tenant_id=tenant.pk, operator=operator, values=given, actor=SYSTEM, now=NOW)


def update(tenant: Tenant, which: str, *, operator: bool = False, **values) -> Transport:
    return services.update(
        tenant_id=tenant.pk, operator=operator, id_or_name=which, values=values, actor=SYSTEM, now=NOW
    )


def delete(tenant: Tenant, name: str, *, operator: bool = False):
    return services.delete(tenant_id=tenant.pk, operator=operator, id_or_name=name, actor=SYSTEM, now=NOW)


def test_secrets_are_sealed_and_open_only_for_their_own_row(acme):
    row = create(acme).transport
    row.refresh_from_db()
    assert "secret_access_key" not in row.settings
    assert b"s3cret" not in bytes(row.sealed_secrets)
    assert full_settings(row).secret_access_key == "s3cret"
    other = create(acme, name="other").transport
    other.sealed_secrets = row.sealed_secrets
    with pytest.raises(CannotDecrypt):
        full_settings(other)


def test_the_audit_trail_names_secrets_without_telling_them(acme):
    create(acme)
    changes = AuditEntry.across_tenants.get().changes
    assert changes["secrets"] == ["secret_access_key"]
    assert "s3cret" not in json.dumps(changes)


def test_the_hook_address_is_told_once_and_stored_as_a_hash(acme, settings):
    settings.PUBLIC_URL = "https://mail.example.com"
    made = create(acme)
    address, _, secret = made.hook_url.rpartition("/")
    assert address == "https://mail.example.com/hooks/ses"
    assert len(secret) == 43
    assert made.transport.hook_key == keyed_hash(secret)


def test_a_sandbox_has_no_hook(acme):
    made = create(acme, kind="sandbox", settings={})
    assert (made.hook_url, made.transport.hook_key, made.transport.sealed_secrets) == (None, None, b"")


@pytest.mark.parametrize("kind", ["memory", "pigeon"])
def test_a_kind_without_an_adapter_is_refused(acme, kind):
    with pytest.raises(services.UnavailableKind) as refused:
        create(acme, kind=kind)
    assert (refused.value.errors[0].field, refused.value.errors[0].code) == ("kind", "invalid_choice")


def test_settings_are_merged_so_that_secrets_need_not_be_sent_again(acme):
    create(acme)
    row = update(acme, "main", settings={"region": "us-east-1", "configuration_set": "main"})
    row.refresh_from_db()
    account = full_settings(row)
    assert (account.region, account.configuration_set, account.secret_access_key) == (
        "us-east-1",
        "main",
        "s3cret",
    )


def test_a_key_pair_can_be_given_up_for_a_role(acme):
    create(acme)
    role = "arn:aws:iam::123456789012:role/mail"
    row = update(acme, "main", settings={"access_key_id": None, "secret_access_key": None, "role_arn": role})
    assert (full_settings(row).role_arn, row.sealed_secrets, row.secrets_key_id) == (role, b"", "")


def test_names_are_unique_and_ten_are_enough(acme):
    create(acme)
    with pytest.raises(services.TransportTaken):
        create(acme)
    for number in range(9):
        create(acme, name=f"t{number}")
    with pytest.raises(services.TooManyTransports):
        create(acme, name="last")


def test_only_the_operator_shares_transports_and_changes_them(acme):
    with pytest.raises(services.NotForTenants):
        create(acme, shared=True)
    shared = create(acme, operator=True, shared=True, settings={"region": "eu-west-1"}).transport
    assert shared.tenant_id is None
    with pytest.raises(TransportNotFound):
        update(acme, "main", per_day=1)
    assert update(acme, "main", operator=True, per_day=1).per_day == 1
    assert not selectors.visible(operator=False).exists()


def test_a_transport_that_a_stream_uses_stays(acme):
    row = create(acme).transport
    Stream.across_tenants.create(tenant=acme, name="codes", priority=0, transport=row)
    with pytest.raises(services.TransportInUse):
        delete(acme, "main")


def test_a_transport_on_which_mail_stands_stays(acme):
    from emails.messages.models import Delivery, Message

    row = create(acme).transport
    stream = Stream.across_tenants.create(tenant=acme, name="codes", priority=0)
    moments = {"expires_at": NOW, "created_at": NOW}
    message = Message.across_tenants.create(
        tenant=acme, stream=stream, priority=0, source="api", status="sent", sender="a@acme.test", **moments
    )
    Delivery.across_tenants.create(
        tenant=acme,
        message=message,
        stream=stream,
        transport=row,
        priority=0,
        state="sent",
        due_at=NOW,
        **moments,
    )
    with pytest.raises(services.TransportInUse):
        delete(acme, "main")


def test_an_unused_transport_can_be_deleted(acme):
    row = create(acme).transport
    assert delete(acme, str(row.pk)) == row.pk
    assert not selectors.visible(operator=False).exists()
    assert AuditEntry.across_tenants.order_by("seq").last().action == "transport.delete"


def test_what_everybody_falls_back_to_is_neither_deleted_nor_renamed(acme, settings):
    create(acme, operator=True, shared=True, name="account")
    settings.DEFAULT_TRANSPORT = "account"
    for name in (str(SANDBOX_ID), "account"):
        with pytest.raises(services.TransportInUse):
            delete(acme, name, operator=True)
        with pytest.raises(services.TransportInUse):
            update(acme, name, operator=True, name="renamed")
