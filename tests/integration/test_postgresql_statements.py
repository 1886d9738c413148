"""Hand-written statements on PostgreSQL: few of them, of one text for any number of rows, planned once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from emails.delivery.ports import ErrorClass, TransportError
from emails.delivery.services import deliver_batch
from emails.models import Attempt, Event, Message
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from mailgrid.core.models import IdempotencyRecord, Pulse
from mailgrid.core.sql import insert_rows, run, running
from tests.integration.test_claim import OneCall, Spy
from tests.unit.core.test_sql import KEPT, kept

pytestmark = [pytest.mark.services, pytest.mark.django_db]

EMAILS = "/api/emails"


def said(work: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        work()
    return [" ".join(one["sql"].split()) for one in queries]


def prepared() -> set[str]:
    return {text for (text,) in run("SELECT statement FROM pg_prepared_statements WHERE NOT from_sql")}


def test_a_message_is_accepted_by_one_look_and_one_statement(acme, api, mail):
    client = api(acme)
    client.post(EMAILS, mail)  # what the process remembers
    asked = said(lambda: client.post(EMAILS, {**mail, "to": ["a@example.com", "b@example.com"]}))
    assert [text.split()[0] for text in asked] == ["SELECT", "WITH"]
    assert asked[1].count("INSERT INTO") == 5
    assert asked == said(lambda: client.post(f"{EMAILS}/batch", [mail] * 20))


def test_a_key_costs_a_look_a_record_and_its_answer(acme, api, mail):
    client = api(acme)
    client.post(EMAILS, mail, idempotency_key="a")
    asked = said(lambda: client.post(EMAILS, mail, idempotency_key="b"))
    assert [text.split()[0] for text in asked if "SAVEPOINT" not in text] == [
        "SELECT",
        "INSERT",
        "SELECT",
        "WITH",
        "UPDATE",
    ]
    assert len(said(lambda: client.post(EMAILS, mail, idempotency_key="b"))) == 1


def test_any_number_of_deliveries_is_moved_by_statements_of_the_same_text(acme, api, mail):
    client = api(acme)

    def delivered(count: int) -> None:
        client.post(f"{EMAILS}/batch", [mail] * count)
        with ThreadPoolExecutor(1) as pool:
            summary = deliver_batch(priority=Priority.HIGH, transports=OneCall(), pool=pool)
        assert summary["sent"] == count

    for _ in range(4):
        delivered(1)
    known = prepared()
    assert len([text for text in known if "UPDATE emails_" in text]) == 5
    for count in (2, 7, 49):
        delivered(count)
    new = {text for text in prepared() - known if "INSERT" in text or "UPDATE" in text}
    assert new == set()


def test_a_plan_for_a_small_table_is_forgotten_after_a_while(monkeypatch):
    def ask() -> None:
        assert run("SELECT count(*) FROM core_pulse WHERE name = %s", ["x"]) == [(0,)]

    def plan() -> str:
        ((name,),) = run("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%%core_pulse%%$1'")
        return " ".join(line for (line,) in run(f"EXPLAIN EXECUTE {name}('x')"))

    def use_indexes(word: str) -> None:
        for kind in ("indexscan", "indexonlyscan", "bitmapscan"):
            run(f"SET LOCAL enable_{kind} = {word}")

    use_indexes("off")  # as for a small table; how small it is depends on the tests before
    for _ in range(4):
        ask()
    use_indexes("on")
    assert "Seq Scan on core_pulse" in plan()
    insert_rows(Pulse, ("name", "at"), [(f"n{place}", now()) for place in range(5_000)])
    ask()
    assert "Seq Scan on core_pulse" in plan()
    for _ in range(2):  # however often
        monkeypatch.setattr(running, "PLANS_KEPT_SECONDS", -1)
        ask()
        monkeypatch.undo()
        assert "Index" in plan()
        ask()


def test_nothing_is_prepared_where_connections_are_shared(monkeypatch):
    monkeypatch.setattr(connection.connection, "prepare_threshold", None)
    monkeypatch.setattr(running, "PLANS_KEPT_SECONDS", -1)
    before = prepared()
    for _ in range(4):
        run("SELECT 'shared', count(*) FROM core_pulse WHERE name = %s", ["x"])
    assert prepared() == before


@pytest.mark.parametrize("text", ["x" * 81, "NUL \0"], ids=["too long", "NUL"])
def test_text_that_the_column_does_not_hold_is_refused_and_not_cut(text):
    with pytest.raises(DataError), transaction.atomic():
        insert_rows(IdempotencyRecord, KEPT, [kept("k", route=text)])
    assert IdempotencyRecord.objects.count() == 0


@pytest.mark.parametrize("kind", [ErrorClass.CONTENT, ErrorClass.NETWORK, ErrorClass.DOUBT])
def test_what_a_provider_says_is_kept_without_what_no_column_holds(acme, api, mail, kind):
    api(acme).post(EMAILS, mail)
    refused = TransportError(kind=kind, code="a\0b", message="no\0pe \ud800 é")
    with ThreadPoolExecutor(1) as pool:
        deliver_batch(priority=Priority.HIGH, transports=Spy(lambda _: refused), pool=pool)
    assert list(Attempt.objects.values_list("error_code", "error_message")) == [("ab", "nope ? é")]
    told = [event.data["failed"]["message"] for event in Event.across_tenants.filter(type="email.failed")]
    assert told == (["nope ? é"] if kind == ErrorClass.CONTENT else [])


def test_every_query_is_logged_with_its_text_prepared_or_not():
    sql = "SELECT at FROM core_pulse WHERE name = %s"
    texts = [said(lambda: run(sql, [str(uuid4())])) for _ in range(5)]
    assert texts == [["SELECT at FROM core_pulse WHERE name = $1"]] * 5


def test_a_failed_statement_leaves_the_next_ones_working(acme, api, mail):
    for _ in range(4):
        with pytest.raises(DataError), transaction.atomic():
            run("SELECT 1 / %s::integer", [0])
        assert run("SELECT count(*) FROM core_pulse WHERE at < %s", [now()]) == [(0,)]
    Pulse.objects.create(name="x", at=now())
    assert api(acme).post(EMAILS, mail).status_code == 200
    assert Message.across_tenants.count() == 1
