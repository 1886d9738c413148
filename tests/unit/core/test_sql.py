"""Rows written by hand read back through Django's ORM as what they were, on every database."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from emails.messages.content import COLUMNS
from emails.models import MessageContent, Recipient
from emails.streams.models import Stream
from mailgrid.core.ids import uuid7
from mailgrid.core.models import IdempotencyRecord, Pulse
from mailgrid.core.sql import Insert, any_of, insert_all, insert_rows, run, values_table
from mailgrid.core.sql.rows import _MAX_ROWS
from tests.unit.emails.events.mail import accepted

pytestmark = pytest.mark.django_db

KEPT = (
    "id",
    "tenant_id",
    "test",
    "route",
    "key",
    "request_hash",
    "status",
    "body",
    "created_at",
    "expires_at",
)
NOON = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)
TEXTS = [
    "",
    "plain",
    "tab\tnew\nline\r\n",
    "back\\slash \\N \\. \\t",
    "quotes ' \" ` $1 %s %(x)s {}",
    "null",
    "[1, 2]",
    "äöü 😀 \u2028 \x01\x7f",
]


def kept(key: str, **more: object) -> tuple[object, ...]:
    values = {
        "id": uuid7(),
        "tenant_id": UUID(int=7),
        "test": False,
        "route": "r",
        "key": key,
        "request_hash": "h",
        "status": 200,
        "body": b"",
        "created_at": NOON,
        "expires_at": NOON,
    }
    return tuple((values | more).values())


@pytest.fixture
def message(acme):
    return accepted(acme.tenant, stream=Stream.across_tenants.filter(tenant=acme.tenant).first())


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_stored_as_it_is(text):
    insert_rows(IdempotencyRecord, KEPT, [kept(text)])
    assert IdempotencyRecord.objects.values_list("key", flat=True).get() == text


def test_every_type_is_stored_as_django_would(acme):
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    body = bytes(range(256))
    row = kept(
        "k", test=True, status=-32768, body=body, created_at=east, expires_at=NOON.replace(microsecond=0)
    )
    insert_rows(IdempotencyRecord, KEPT, [row])
    found = IdempotencyRecord.objects.get()
    assert (found.pk, found.tenant_id, found.test, found.status) == (row[0], UUID(int=7), True, -32768)
    assert bytes(found.body) == body
    assert (found.created_at, found.expires_at) == (NOON, NOON.replace(microsecond=0))
    assert IdempotencyRecord.objects.filter(pk=row[0], test=True, created_at=NOON, body=body).exists()


def test_what_is_missing_is_null_and_an_empty_document_is_not(message):
    MessageContent.objects.all().delete()
    insert_rows(MessageContent, COLUMNS, [(message.pk, None, None, "", "", [], None)])
    found = MessageContent.objects.get()
    assert (found.payload, found.sealed, found.attachments, found.erased_at) == (None, None, [], None)
    assert MessageContent.objects.filter(payload=None, sealed=None, erased_at=None, attachments=[]).exists()


def test_documents_keep_their_shape(message):
    document = {"a": [1, -1.5, True, None, "x\n\\"], "ü": {"": {}}, "big": 2**62}
    MessageContent.objects.all().delete()
    insert_rows(MessageContent, COLUMNS, [(message.pk, "t", b"\0\xff", "k", "b", document, NOON)])
    found = MessageContent.objects.get()
    assert (found.attachments, bytes(found.sealed or b""), found.erased_at) == (document, b"\0\xff", NOON)


@pytest.mark.parametrize("count", [0, 1, _MAX_ROWS, _MAX_ROWS + 1])
def test_any_number_of_rows_arrives_in_order(count):
    rows = [kept(str(place)) for place in range(count)]
    inserted = insert_rows(IdempotencyRecord, KEPT, rows, returning="key")
    assert inserted == [str(place) for place in range(count)]
    assert IdempotencyRecord.objects.count() == count


def test_rows_that_are_there_are_left_as_they_are():
    insert_rows(IdempotencyRecord, KEPT, [kept("a", status=1)])
    again = [kept("a", status=2), kept("b", status=2), kept("b", status=3)]
    assert insert_rows(IdempotencyRecord, KEPT, again, ignore_conflicts=True, returning="key") == ["b"]
    assert dict(IdempotencyRecord.objects.values_list("key", "status")) == {"a": 1, "b": 2}


@pytest.mark.parametrize("count", [1, _MAX_ROWS + 1])
def test_several_tables_are_filled_together_or_not_at_all(count):
    names = Insert(Pulse, ("name", "at"), [("one", NOON)])
    rows = [kept(str(place)) for place in range(count)]
    insert_all([names, Insert(IdempotencyRecord, KEPT, rows), Insert(Pulse, ("name", "at"), [])])
    assert (Pulse.objects.count(), IdempotencyRecord.objects.count()) == (1, count)
    twice = Insert(IdempotencyRecord, KEPT, [kept("x"), *rows])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_all([Insert(Pulse, ("name", "at"), [("two", NOON)]), twice])
    assert (Pulse.objects.count(), IdempotencyRecord.objects.count()) == (1, count)


def test_columns_that_begin_alike_need_not_travel_with_the_rows():
    columns = tuple(column for column in KEPT if column not in {"test", "status", "route"})
    places = [KEPT.index(column) for column in columns]
    rows = [tuple(kept(key)[place] for place in places) for key in ("a", "b")]
    beginning = (("test", False), ("status", 0), ("route", ""))
    insert_all([Insert(IdempotencyRecord, columns, rows, beginning)])
    found = IdempotencyRecord.objects.order_by("key").values_list("key", "test", "status", "route")
    assert list(found) == [("a", False, 0, ""), ("b", False, 0, "")]
    assert (
        insert_rows(
            IdempotencyRecord, columns, rows, beginning=beginning, ignore_conflicts=True, returning="key"
        )
        == []
    )


def test_a_column_may_begin_without_a_value(message):
    MessageContent.objects.all().delete()
    columns = tuple(column for column in COLUMNS if column != "erased_at")
    row = (message.pk, "t", None, "", "", [])
    insert_all([Insert(MessageContent, columns, [row], (("erased_at", None),))])
    assert MessageContent.objects.get().erased_at is None


def test_nothing_to_insert_asks_nobody():
    with CaptureQueriesContext(connection) as asked:
        insert_all([Insert(Pulse, ("name", "at"), [])])
        insert_rows(Pulse, ("name", "at"), [])
    assert [one["sql"] for one in asked if "INSERT" in one["sql"]] == []


def test_rows_are_updated_from_a_table_of_values(message):
    ann, bob = Recipient.across_tenants.order_by("position").values_list("pk", flat=True)
    columns = {"id": "id", "reason": "reason", "rank": "rank", "at": "status_at"}
    rows = [(bob, "b\\\t", 30, NOON), (ann, "a'", 20, NOON), (uuid7(), "nobody", 1, NOON)]
    table, parameters = values_table("v", Recipient, columns, rows)
    changed = run(
        f"""WITH {table} UPDATE emails_recipient SET reason = v.reason, rank = v.rank, status_at = v.at
            FROM v WHERE emails_recipient.id = v.id RETURNING emails_recipient.reason""",
        parameters,
    )
    assert sorted(changed) == [("a'",), ("b\\\t",)]
    found = Recipient.across_tenants.order_by("position").values_list("pk", "reason", "rank", "status_at")
    assert list(found) == [(ann, "a'", 20, NOON), (bob, "b\\\t", 30, NOON)]


@pytest.mark.parametrize("count", [1, 2, 300])
def test_any_of_finds_those_and_no_others(count):
    insert_rows(IdempotencyRecord, KEPT, [kept(str(place)) for place in range(400)])
    ids = list(IdempotencyRecord.objects.order_by("pk").values_list("pk", flat=True))[:count]
    these, parameters = any_of("id", IdempotencyRecord, "id", ids)
    assert run(f"SELECT count(*) FROM core_idempotencyrecord WHERE {these}", parameters) == [(count,)]
    these, parameters = any_of("key", IdempotencyRecord, "key", ["7", "it's", "none"])
    assert run(f"SELECT key FROM core_idempotencyrecord WHERE {these}", parameters) == [("7",)]
