"""One question for a whole batch, and it fails closed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection

from emails.suppressions.selectors import SuppressionNotFound, explain, find, which_are_suppressed
from emails.suppressions.services import NewSuppression, suppress
from mailgrid.core.scoping import in_scope
from mailgrid.core.vocabulary import SuppressedReason
from tenants.tenancy.models import Plan, Tenant

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
STREAM, OTHER_STREAM = uuid4(), uuid4()

pytestmark = pytest.mark.django_db


def new_tenant(slug: str) -> Tenant:
    return Tenant.objects.create(name=slug, slug=slug, plan=Plan.objects.get(name="free"))


@pytest.fixture
def acme():
    return new_tenant("acme")


@pytest.fixture
def globex():
    return new_tenant("globex")


def listed(tenant: Tenant | None, address: str, *, origin: str = "manual", **more) -> None:
    new = NewSuppression(tenant_id=tenant and tenant.pk, address=address, origin=origin, **more)
    suppress([new], now=NOW)


def ask(*targets, now=NOW) -> dict:
    return {key: found.reason for key, found in which_are_suppressed(targets, now=now).items()}


def test_each_tenant_has_a_list_of_its_own(acme, globex):
    listed(acme, "a@example.com")
    asked = [(tenant.pk, STREAM, "a@example.com") for tenant in (acme, globex)]
    assert ask(*asked) == {(acme.pk, STREAM, "a@example.com"): SuppressedReason.MANUAL}


def test_addresses_are_compared_in_lower_case_and_answered_as_given(acme):
    listed(acme, "Ann@Example.com")
    assert list(ask((acme.pk, STREAM, "ANN@example.COM"))) == [(acme.pk, STREAM, "ANN@example.COM")]


def test_a_stream_scope_stops_that_stream_alone(acme):
    listed(acme, "a@example.com", origin="unsubscribe", scope="stream", scope_id=STREAM)
    asked = [(acme.pk, stream, "a@example.com") for stream in (STREAM, OTHER_STREAM)]
    assert ask(*asked) == {asked[0]: SuppressedReason.UNSUBSCRIBED}


def test_a_topic_scope_stops_no_stream(acme):
    listed(acme, "a@example.com", origin="unsubscribe", scope="topic", scope_id=uuid4())
    assert ask((acme.pk, STREAM, "a@example.com")) == {}


def test_the_global_list_counts_for_everybody(acme, globex):
    listed(None, "a@example.com", scope="global")
    assert len(ask(*[(tenant.pk, STREAM, "a@example.com") for tenant in (acme, globex)])) == 2


def test_what_has_ended_does_not_count(acme):
    listed(acme, "a@example.com", expires_at=NOW + DAY)
    target = (acme.pk, STREAM, "a@example.com")
    assert target in ask(target, now=NOW + DAY - timedelta(microseconds=1))
    assert ask(target, now=NOW + DAY) == {}


def test_of_several_reasons_the_worst_is_told(acme):
    target = (acme.pk, STREAM, "a@example.com")
    for origin, reason in [
        ("manual", SuppressedReason.MANUAL),
        ("unsubscribe", SuppressedReason.UNSUBSCRIBED),
        ("bounce", SuppressedReason.BOUNCE),
        ("complaint", SuppressedReason.COMPLAINT),
    ]:
        listed(acme, "a@example.com", origin=origin)
        assert ask(target) == {target: reason}


def test_any_number_of_deliveries_of_any_number_of_tenants_is_one_query(
    acme, globex, django_assert_num_queries
):
    for number in range(20):
        listed(acme, f"{number}@example.com")
    asked = [
        (tenant.pk, STREAM, f"{number}@example.com") for tenant in (acme, globex) for number in range(50)
    ]
    with django_assert_num_queries(1):
        assert len(ask(*asked)) == 20


def test_nothing_asked_is_nothing_suppressed(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ask() == {}


def test_a_list_that_cannot_be_read_is_an_error_and_not_a_yes(acme):
    def broken(*_args):
        raise DatabaseError("gone")

    with connection.execute_wrapper(broken), pytest.raises(DatabaseError):
        ask((acme.pk, STREAM, "a@example.com"))


def test_explaining_tells_every_reason_but_not_what_led_to_a_global_one(acme):
    source = uuid4()
    listed(None, "a@example.com", scope="global", origin="complaint", source_id=source, evidence="secret")
    listed(acme, "a@example.com", origin="bounce", source_id=source, evidence="550 no such user")
    listed(acme, "a@example.com", expires_at=NOW)
    told = explain("A@example.com", tenant_id=acme.pk, operator=False, now=NOW)
    assert [(r.kind, r.scope, r.source_id, r.evidence) for r in told.reasons] == [
        ("complaint", "global", None, ""),
        ("bounce", "tenant", source, "550 no such user"),
    ]
    seen = explain("A@example.com", tenant_id=acme.pk, operator=True, now=NOW)
    assert seen.reasons[0].evidence == "secret"


def test_an_address_that_is_not_listed_has_no_reasons(acme, globex):
    listed(globex, "a@example.com")
    assert explain("a@example.com", tenant_id=acme.pk, operator=False, now=NOW).reasons == ()
    with pytest.raises(SuppressionNotFound):
        explain("nonsense", tenant_id=acme.pk, operator=False, now=NOW)


def test_reading_by_address_prefers_the_tenant_wide_row(acme):
    listed(acme, "a@example.com", scope="stream", scope_id=STREAM)
    listed(acme, "a@example.com", origin="bounce")
    with in_scope(acme.pk, test=False):
        assert find("A@Example.com", operator=False, now=NOW).scope == "tenant"
