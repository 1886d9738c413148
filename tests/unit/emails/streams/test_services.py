"""What streams promise: one purpose, defaults by type, and mail that never loses its stream."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from emails.messages.models import Message
from emails.streams import services
from emails.streams.defaults import MAX_AGE_SECONDS, MAX_STREAMS
from emails.streams.models import Stream
from emails.streams.selectors import (
    NoTransport,
    StreamNotFound,
    effective_transport,
    find,
    stream_for,
)
from emails.transports.models import SANDBOX_ID, Transport
from mailgrid.core.bells import Priority
from mailgrid.core.scoping import in_scope
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.domains.models import Domain
from tenants.tenancy.models import Plan, Tenant

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def new_tenant(slug: str) -> Tenant:
    tenant = Tenant.objects.create(name=slug, slug=slug, plan=Plan.objects.get(name="free"))
    Domain.across_tenants.create(tenant=tenant, name=f"{slug}.test", status=Domain.Status.VERIFIED)
    services.create_default_streams(tenant=tenant, now=NOW)
    return tenant


@pytest.fixture
def acme():
    return new_tenant("acme")


@pytest.fixture(autouse=True)
def _as_acme(acme):
    with in_scope(acme.pk, test=False):
        yield


def create(acme: Tenant, **values) -> Stream:
    return services.create(tenant_id=acme.pk, values={"name": "codes", **values}, actor=SYSTEM, now=NOW)


def a_message(stream: Stream, *, status: str, test: bool = False) -> Message:
    return Message.across_tenants.create(
        tenant_id=stream.tenant_id,
        test=test,
        stream=stream,
        priority=1,
        source="api",
        status=status,
        sender="hi@acme.test",
        subject="Hi",
        expires_at=NOW,
        created_at=NOW,
    )


def test_a_new_tenant_gets_a_stream_of_each_type_with_the_defaults_of_that_type(acme):
    found = Stream.objects.order_by("priority").values_list("name", "type", "priority", "list_unsubscribe")
    assert list(found) == [
        ("transactional", "transactional", 1, False),
        ("notifications", "notifications", 2, True),
        ("marketing", "marketing", 3, True),
    ]


def test_making_the_default_streams_twice_changes_nothing(acme):
    services.create_default_streams(tenant=acme, now=NOW)
    assert Stream.objects.count() == 3


def test_every_priority_has_a_maximum_age():
    assert dict(MAX_AGE_SECONDS) == {
        Priority.IMMEDIATE: 600,
        Priority.HIGH: 86_400,
        Priority.MEDIUM: 86_400,
        Priority.LOW: 259_200,
    }


def test_a_created_stream_is_in_the_audit_trail(acme):
    stream = create(acme, priority=Priority.IMMEDIATE)
    entry = AuditEntry.across_tenants.order_by("seq").last()
    assert (entry.action, entry.target_id, entry.changes) == (
        "stream.create",
        str(stream.pk),
        {"name": "codes", "priority": 0},
    )


def test_a_taken_name_is_a_conflict(acme):
    with pytest.raises(services.StreamTaken):
        create(acme, name="marketing")


def test_a_tenant_has_at_most_fifty_streams(acme):
    Stream.across_tenants.bulk_create(
        Stream(tenant=acme, name=f"s{n}", priority=1) for n in range(MAX_STREAMS - 3)
    )
    with pytest.raises(services.TooManyStreams):
        create(acme)


@pytest.mark.parametrize("sender", ["Acme <hi@acme.test>", "hi@ACME.test"])
def test_a_default_sender_on_a_verified_domain_is_kept_as_it_will_be_written(acme, sender):
    assert create(acme, default_from=sender).default_from in {"Acme <hi@acme.test>", "hi@acme.test"}


@pytest.mark.parametrize("sender", ["hi@globex.test", "hi@sub.acme.test", "acme.test", ""])
def test_a_default_sender_elsewhere_is_refused(acme, sender):
    new_tenant("globex")
    with pytest.raises(services.InvalidFromAddress) as refused:
        create(acme, default_from=sender)
    assert (refused.value.name, refused.value.errors[0].field) == ("invalid_from_address", "default_from")
    assert Stream.objects.count() == 3


def test_replies_may_go_anywhere_that_can_be_read(acme):
    assert create(acme, default_reply_to="desk@example.com").default_reply_to == "desk@example.com"
    with pytest.raises(services.InvalidFromAddress):
        create(acme, name="other", default_reply_to="nobody")


def test_marketing_never_goes_without_an_unsubscribe_header(acme):
    assert create(acme, type="marketing", list_unsubscribe=False).list_unsubscribe is True
    stream = create(acme, name="plain")
    services.update(id_or_name="plain", values={"type": "marketing"}, actor=SYSTEM, now=NOW)
    stream.refresh_from_db()
    assert stream.list_unsubscribe is True


def test_a_stream_may_use_its_tenants_transport_or_a_shared_one_and_no_other(acme):
    own = Transport.across_tenants.create(tenant=acme, name="mine", kind="sandbox")
    Transport.across_tenants.create(tenant=new_tenant("globex"), name="theirs", kind="sandbox")
    assert create(acme, transport="mine").transport == own
    assert create(acme, name="b", transport="sandbox").transport_id == SANDBOX_ID
    for name in ("theirs", "none", str(uuid4())):
        with pytest.raises(services.UnknownTransport) as refused:
            create(acme, name="c", transport=name)
        assert refused.value.errors[0].code == "not_found"


def test_pausing_twice_is_pausing_once(acme):
    for _ in range(2):
        assert services.pause(id_or_name="marketing", actor=SYSTEM, now=NOW).paused
    assert not services.resume(id_or_name="marketing", actor=SYSTEM, now=NOW).paused
    actions = AuditEntry.across_tenants.order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["stream.create_defaults", "stream.pause", "stream.resume"]


def test_the_default_stream_can_be_neither_deleted_nor_renamed(acme):
    with pytest.raises(services.StreamInUse):
        services.delete(id_or_name="transactional", actor=SYSTEM, now=NOW)
    with pytest.raises(services.StreamInUse):
        services.update(id_or_name="transactional", values={"name": "x"}, actor=SYSTEM, now=NOW)


@pytest.mark.parametrize(("status", "words"), [("held", "open messages"), ("sent", "still kept")])
@pytest.mark.parametrize("test", [True, False])
def test_a_stream_with_messages_of_either_mode_stays(acme, status, words, test):
    a_message(find("marketing"), status=status, test=test)
    with pytest.raises(services.StreamInUse, match=words):
        services.delete(id_or_name="marketing", actor=SYSTEM, now=NOW)


def test_an_unused_stream_can_be_deleted_by_name_or_id(acme):
    marketing = find("marketing")
    assert services.delete(id_or_name=str(marketing.pk), actor=SYSTEM, now=NOW) == marketing.pk
    services.delete(id_or_name="notifications", actor=SYSTEM, now=NOW)
    assert list(Stream.objects.values_list("name", flat=True)) == ["transactional"]


def test_an_id_is_tried_before_a_name(acme):
    marketing = find("marketing")
    create(acme, name=str(marketing.pk))
    assert find(str(marketing.pk)) == marketing


def test_a_stream_of_another_tenant_is_not_there(acme):
    theirs = Stream.across_tenants.get(tenant=new_tenant("globex"), name="marketing")
    with pytest.raises(StreamNotFound):
        find(str(theirs.pk))
    with pytest.raises(StreamNotFound):
        stream_for(acme.pk, str(theirs.pk))


def test_a_message_that_names_no_stream_takes_the_default_one(acme):
    assert stream_for(acme.pk).name == "transactional"


def test_mail_leaves_through_the_streams_own_transport_else_the_tenants_first_else_the_operators(
    acme, django_assert_num_queries
):
    def ask() -> Transport:
        with django_assert_num_queries(2):
            return effective_transport(stream_for(acme.pk, "marketing"))

    stream_for(acme.pk)  # the tenant's facts are known
    assert ask().pk == SANDBOX_ID
    first = Transport.across_tenants.create(tenant=acme, name="first", kind="sandbox")
    second = Transport.across_tenants.create(tenant=acme, name="second", kind="sandbox")
    assert ask() == first
    Stream.objects.filter(name="marketing").update(transport=second)
    with django_assert_num_queries(1):
        assert effective_transport(stream_for(acme.pk, "marketing")) == second


def test_an_installation_without_any_transport_says_so(acme, settings):
    settings.DEFAULT_TRANSPORT = "gone"
    with pytest.raises(NoTransport):
        effective_transport(stream_for(acme.pk))
