"""An address on the list stays on it for as long as the longest reason, and comes off only when lifted."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from emails.streams.models import Stream
from emails.suppressions import services
from emails.suppressions.models import Suppression
from emails.suppressions.selectors import SuppressionNotFound
from emails.suppressions.services import NewSuppression, Wanted, suppress
from mailgrid.core.errors import Invalid, MissingField
from mailgrid.core.scoping import in_scope
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM
from tenants.tenancy.models import Plan, Tenant

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    tenant = Tenant.objects.create(name="Acme", slug="acme", plan=Plan.objects.get(name="free"))
    Stream.across_tenants.create(tenant=tenant, name="news", type="marketing", priority=3)
    with in_scope(tenant.pk, test=False):
        yield tenant


@pytest.fixture
def globex():
    return Tenant.objects.create(name="Globex", slug="globex", plan=Plan.objects.get(name="free"))


def bounced(tenant: Tenant, address: str = "a@example.com", **more) -> NewSuppression:
    return NewSuppression(tenant_id=tenant.pk, address=address, origin="bounce", **more)


def add(tenant: Tenant, *addresses: str, operator: bool = False, **more) -> list[services.Added]:
    wanted = Wanted(addresses=addresses or ("a@example.com",), **more)
    return services.add(tenant_id=tenant.pk, operator=operator, wanted=wanted, actor=SYSTEM, now=NOW)


def lift_many(tenant: Tenant, **what) -> list:
    return services.lift_many(tenant_id=tenant.pk, operator=False, actor=SYSTEM, now=NOW, **what)


def the_row() -> Suppression:
    return Suppression.across_tenants.get()


def test_many_addresses_cost_a_constant_number_of_statements(acme, django_assert_num_queries):
    rows = [bounced(acme, f"{n}@example.com") for n in range(200)]
    with django_assert_num_queries(4):  # savepoint, look, insert, release
        assert suppress(rows, now=NOW) == 200


def test_addresses_are_kept_in_lower_case_with_when_and_why(acme):
    source = uuid4()
    suppress([bounced(acme, "Ann@Example.com", source_id=source, evidence="5" * 600)], now=NOW)
    row = the_row()
    assert (row.address, row.created_at, row.source_id, len(row.evidence)) == (
        "ann@example.com",
        NOW,
        source,
        500,
    )


def test_suppressing_again_keeps_the_row(acme):
    suppress([bounced(acme)], now=NOW)
    before = the_row().pk
    assert suppress([bounced(acme, "A@example.com"), bounced(acme)], now=NOW + DAY) == 0
    assert the_row().pk == before


def test_a_hard_bounce_does_not_end_with_the_soft_one_before_it(acme):
    suppress([bounced(acme, expires_at=NOW + DAY)], now=NOW)
    suppress([bounced(acme, expires_at=NOW + DAY / 2), bounced(acme)], now=NOW)
    assert the_row().expires_at is None


def test_a_shorter_reason_does_not_shorten(acme):
    suppress([bounced(acme)], now=NOW)
    suppress([bounced(acme, expires_at=NOW + DAY)], now=NOW)
    assert the_row().expires_at is None


def test_a_row_that_has_ended_is_replaced(acme):
    suppress([bounced(acme, expires_at=NOW + DAY)], now=NOW)
    before = the_row().pk
    assert suppress([bounced(acme)], now=NOW + DAY) == 1
    row = the_row()
    assert (row.pk != before, row.created_at) == (True, NOW + DAY)


def test_prolonging_one_tenants_row_leaves_the_others_alone(acme, globex):
    suppress([bounced(acme, expires_at=NOW + DAY), bounced(globex, expires_at=NOW + DAY)], now=NOW)
    suppress([bounced(acme)], now=NOW)
    assert Suppression.across_tenants.get(tenant=globex).expires_at == NOW + DAY


def test_the_global_list_holds_an_address_once_per_origin():
    new = NewSuppression(tenant_id=None, address="a@example.com", origin="manual", scope="global")
    assert suppress([new, new], now=NOW) == 1


def test_adding_answers_in_order_and_says_what_is_new(acme):
    (first,) = add(acme, "b@example.com")
    added = add(acme, "a@example.com", "b@example.com", "A@example.com")
    assert [one.created for one in added] == [True, False, True]
    assert added[0].id == added[2].id
    assert added[1].id == first.id


def test_adding_an_address_that_bounced_answers_the_bounce(acme):
    suppress([bounced(acme)], now=NOW)
    assert add(acme) == [services.Added(the_row().pk, created=False)]


def test_adding_for_ever_what_is_listed_for_a_while_lists_it_for_ever(acme):
    suppress([bounced(acme, expires_at=NOW + DAY)], now=NOW)
    (added,) = add(acme)
    row = Suppression.across_tenants.get(pk=added.id)
    assert (row.origin, row.expires_at) == ("manual", None)


def test_adding_to_one_stream_does_not_stop_another(acme):
    stream = Stream.objects.get(name="news")
    add(acme, scope="stream", stream="news")
    assert (the_row().scope, the_row().scope_id) == ("stream", stream.pk)


@pytest.mark.parametrize(
    ("wanted", "error", "field", "code"),
    [
        ({"scope": "stream"}, MissingField, "stream", "missing_required_field"),
        ({"scope": "stream", "stream": "gone"}, services.InvalidScope, "stream", "not_found"),
        ({"stream": "news"}, Invalid, "stream", "mutually_exclusive"),
        ({"scope": "topic"}, MissingField, "topic_id", "missing_required_field"),
        ({"scope": "topic", "topic_id": "x"}, Invalid, "topic_id", "not_found"),
        ({"scope": "global"}, Invalid, "scope", "invalid_choice"),
        ({"expires_at": NOW}, Invalid, "expires_at", "invalid_time"),
    ],
)
def test_a_scope_that_cannot_be_is_refused(acme, wanted, error, field, code):
    with pytest.raises(error) as refused:
        add(acme, **wanted)
    assert [(item.field, item.code) for item in refused.value.errors] == [(field, code)]
    assert not Suppression.across_tenants.exists()


def test_the_operator_adds_for_everybody(acme):
    add(acme, operator=True, scope="global")
    assert the_row().tenant_id is None


def test_lifting_an_address_removes_every_row_and_answers_the_tenant_wide_one(acme):
    stream = Stream.objects.get(name="news")
    suppress([bounced(acme, scope="stream", scope_id=stream.pk)], now=NOW)
    suppress([bounced(acme)], now=NOW)
    wide = Suppression.objects.get(scope="tenant").pk
    who = {"tenant_id": acme.pk, "operator": False, "actor": SYSTEM, "now": NOW}
    assert services.lift(id_or_email="A@example.com", **who) == wide
    assert not Suppression.across_tenants.exists()
    entry = AuditEntry.across_tenants.get()
    assert (entry.action, len(entry.changes["ids"])) == ("suppression.lift", 2)
    with pytest.raises(SuppressionNotFound):
        services.lift(id_or_email="A@example.com", **who)


def test_lifting_by_id_leaves_other_reasons_in_place(acme):
    suppress(
        [bounced(acme), NewSuppression(tenant_id=acme.pk, address="a@example.com", origin="manual")], now=NOW
    )
    manual = Suppression.objects.get(origin="manual")
    assert lift_many(acme, ids=[str(manual.pk)]) == [manual.pk]
    assert the_row().origin == "bounce"


def test_one_unknown_id_removes_nothing(acme, globex):
    suppress([bounced(acme), bounced(globex, "b@example.com")], now=NOW)
    mine = Suppression.objects.get().pk
    theirs = Suppression.across_tenants.get(tenant=globex).pk
    for strange in (str(theirs), str(uuid4()), "x"):
        with pytest.raises(services.UnknownSuppression) as refused:
            lift_many(acme, ids=[str(mine), strange])
        assert [(item.field, item.code) for item in refused.value.errors] == [("ids[1]", "not_found")]
    assert Suppression.across_tenants.count() == 2


def test_lifting_addresses_never_touches_another_tenant_or_the_global_list(acme, globex):
    everybody = NewSuppression(tenant_id=None, address="a@example.com", origin="manual", scope="global")
    suppress([bounced(acme), bounced(globex), everybody], now=NOW)
    assert len(lift_many(acme, addresses=["a@example.com", "nobody@example.com"])) == 1
    assert Suppression.across_tenants.count() == 2
