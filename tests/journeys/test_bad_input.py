"""A developer gets it wrong: every wrong request has its documented answer, and leaves nothing behind."""

import base64
import gzip
import json
from collections.abc import Callable
from time import process_time
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from emails.models import Attempt, Delivery, Event, Message, MessageContent, Recipient
from mailgrid.core.models import IdempotencyRecord

EMAILS = "/api/emails"
UNKNOWN_ID = "01970000-0000-7000-8000-000000000000"
TABLES = (Message, MessageContent, Delivery, Recipient, Attempt, Event, IdempotencyRecord)
MEGABYTE = 1024 * 1024
REFUSED_ATTACHMENT = (422, "invalid_attachment")
INVALID = (422, "validation_error")


COUNTS = ", ".join(f"(SELECT count(*) FROM {model._meta.db_table})" for model in TABLES)


def rows() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {COUNTS}")
        return dict(zip((model.__name__ for model in TABLES), cursor.fetchone(), strict=True))


def assert_refused(
    response: Any, status: int, name: str, *items: tuple[str, str], authenticated: bool = True
) -> dict[str, Any]:
    """The error body of docs/api.md 1.5, with its headers; `items` are (field, code) that must be blamed."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert isinstance(body, dict)
    assert (body["statusCode"], body["name"]) == (status, name), body
    assert body["message"]
    assert body["request_id"] == response["X-Request-Id"]
    if authenticated:
        assert int(response["RateLimit-Limit"]) == 600
        assert 0 <= int(response["RateLimit-Remaining"]) < 600
        assert int(response["RateLimit-Reset"]) >= 0
    blamed = {(item["field"], item["code"]) for item in body.get("errors", [])}
    assert set(items) <= blamed, body
    return body


@pytest.fixture
def client(acme, api) -> Any:
    """One client: a new one loads Django's middleware anew."""
    return api(acme)


@pytest.fixture
def refuse(client) -> Callable[..., dict[str, Any]]:
    """`refuse((422, "validation_error"), body, ("to[0]", "invalid_email"))`: refused so, and nothing is stored."""

    def check(
        expected: tuple[int, str], body: Any, *items: tuple[str, str], path: str = EMAILS, **headers: str
    ) -> dict[str, Any]:
        before = rows()
        answer = assert_refused(client.post(path, body, **headers), *expected, *items)
        assert rows() == before
        return answer

    return check


def raw(mail: dict[str, Any], more: bytes = b"") -> bytes:
    """The mail as bytes, with something after its last value."""
    return json.dumps(mail).encode()[:-1] + more + b"}"


# ---- Bytes that are no JSON of ours ---------------------------------------------------------------------------------

UNREADABLE = {
    "cut off": b'{"to":',
    "a word": b"nope",
    "single quotes": b"{'to': 'a@example.com'}",
    "a comma too many": b'{"to": "a@example.com",}',
    "two values": b"{} {}",
    "a comment": b"{} // yes",
    "a raw line end in a string": b'{"subject": "a\nb"}',
    "a raw NUL in a string": b'{"subject": "a\0b"}',
    "an escaped NUL": b'{"subject": "a\\u0000b"}',
    "an escaped NUL in a key": b'{"metadata": {"a\\u0000b": 1}}',
    "a lone high surrogate": b'{"subject": "\\ud800"}',
    "a lone low surrogate": b'{"subject": "\\uDC00 x"}',
    "a surrogate in a key": b'{"metadata": {"\\udfff": 1}}',
    "a surrogate in utf-8": b'{"subject": "\xed\xa0\x80"}',
    "a surrogate pair in utf-8": b'{"subject": "\xed\xa0\xbd\xed\xb8\x80"}',
    "invalid utf-8": b'{"subject": "\xff\xfe"}',
    "overlong utf-8": b'{"subject": "\xc0\xaf"}',
    "utf-16": '{"subject": "a"}'.encode("utf-16"),
    "utf-16 without a mark": '{"subject": "a\\u0000"}'.encode("utf-16-le"),
    "utf-32": '{"subject": "a"}'.encode("utf-32"),
    "NaN": b'{"metadata": {"a": NaN}}',
    "Infinity": b'{"metadata": {"a": Infinity}}',
    "minus Infinity": b'{"metadata": {"a": -Infinity}}',
    "1e999": b'{"metadata": {"a": 1e999}}',
    "minus 1e999": b'{"metadata": {"a": -1e999}}',
    "an integer of 65 bits": b'{"metadata": {"a": 9223372036854775808}}',
    "an integer of a million digits": b'{"metadata": {"a": ' + b"9" * 1_000_000 + b"}}",
    "a key twice": b'{"to": "a@example.com", "to": "b@example.com"}',
    "a key twice by escape": b'{"to": "a@example.com", "\\u0074o": "b@example.com"}',
    "a key twice deep inside": b'{"metadata": {"a": 1, "a": 2}}',
    "depth 33": b'{"metadata": ' + b"[" * 32 + b"]" * 32 + b"}",
    "depth 400": b'{"a":' * 400 + b"1" + b"}" * 400,
    "depth 100,000 of lists": b"[" * 100_000,
    "depth 100,000 of objects": b'{"a":' * 100_000,
    "depth 100,000, closed": b"[" * 100_000 + b"]" * 100_000,
    "10,001 keys": json.dumps({f"k{n}": 0 for n in range(10_001)}).encode(),
    "10,001 keys in all": json.dumps({"metadata": [{"a": 0}] * 10_000}).encode(),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_that_means_nothing_is_refused_before_it_is_read(refuse, body):
    for path in (EMAILS, f"{EMAILS}/schedule", f"{EMAILS}/preflight", f"{EMAILS}/bulk"):
        refuse((400, "validation_error"), body, path=path, Idempotency_Key="k")
    if body.count(b'": 0') < 10_000:  # a batch may have 100,000 keys
        refuse((400, "validation_error"), body, path=f"{EMAILS}/batch")


def test_a_batch_of_more_than_100_000_keys(refuse):
    many = json.dumps([{f"k{n}": 0 for n in range(50_001)}] * 2).encode()
    refuse((400, "validation_error"), many, path=f"{EMAILS}/batch")


def test_the_deepest_and_widest_body_that_is_read_is_judged_by_its_fields(refuse, mail):
    refuse(INVALID, {**mail, "x": json.loads("[" * 31 + "]" * 31)}, ("x", "unknown_field"))
    refuse(INVALID, {**mail, **{f"k{n}": 0 for n in range(9_000)}})


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_verbs_without_fields_read_their_body_too(client, mail, verb):
    email_id = client.post(EMAILS, {**mail, "scheduled_at": "in 1 hour"}).json()["id"]
    before = rows()
    for body in (b"{nope", b'{"a": NaN}', b"\xff"):
        assert_refused(client.post(f"{EMAILS}/{email_id}/{verb}", body), 400, "validation_error")
    answer = client.post(f"{EMAILS}/{email_id}/{verb}", {"scheduled_at": "now"})
    assert_refused(answer, 422, "validation_error", ("scheduled_at", "unknown_field"))
    assert rows() == before
    assert client.get(f"{EMAILS}/{email_id}").json()["status"] == "scheduled"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(b"{}"), {"Content_Encoding": "gzip"}),
        (b"{}", {"Content_Encoding": "br"}),
        (b"{}", {"Content_Encoding": "identity, gzip"}),
        (b"{}", {"Content_Type": "text/plain"}),
        (b"a=1", {"Content_Type": "application/x-www-form-urlencoded"}),
        (b"--x--", {"Content_Type": "multipart/form-data; boundary=x"}),
        (b"{}", {"Content_Type": "application/jsonp"}),
        (b"<a/>", {"Content_Type": "application/xml"}),
    ],
    ids=["gzip", "br", "two codings", "text", "form", "multipart", "almost json", "xml"],
)
def test_only_plain_json_is_read(refuse, body, headers):
    for path in (EMAILS, f"{EMAILS}/batch", f"{EMAILS}/bulk"):
        refuse((415, "unsupported_media_type"), body, path=path, **headers)


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", EMAILS, 45 * MEGABYTE),
        ("POST", f"{EMAILS}/batch", 50 * MEGABYTE),
        ("POST", f"{EMAILS}/bulk", MEGABYTE),
        ("PATCH", f"{EMAILS}/{UNKNOWN_ID}", MEGABYTE),
        ("POST", "/api/suppressions", MEGABYTE),
    ],
)
def test_a_body_over_the_routes_cap_is_not_read(client, method, path, limit):
    before = rows()
    answer = client.send(method, path, b" " * (limit + 1))
    assert_refused(answer, 413, "payload_too_large")
    assert rows() == before


@pytest.mark.parametrize("field", ["to", "cc", "reply_to", "tags", "attachments", "content", "metadata"])
def test_a_million_wrong_values_are_refused_at_once(client, mail, field):
    """18 s before the bounds were asked first: an error for each value."""
    many = b"[" + b",".join([b'"x"'] * 300_000) + b"]"
    files = b'[{"filename": "a.txt", "content": ' + many + b"}]"
    mail.pop(field, None)
    value = {"content": files}.get(field, many)
    body = raw(mail, b', "%s": %s' % (b"attachments" if field == "content" else field.encode(), value))
    started = process_time()
    assert_refused(client.post(EMAILS, body), 422, "validation_error")
    assert process_time() - started < 2


# ---- Routes and methods ---------------------------------------------------------------------------------------------

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE")
ALLOWED = {
    EMAILS: "GET, POST",
    f"{EMAILS}/batch": "POST",
    f"{EMAILS}/schedule": "POST",
    f"{EMAILS}/preflight": "POST",
    f"{EMAILS}/bulk": "POST",
    f"{EMAILS}/{UNKNOWN_ID}": "GET, PATCH",
    f"{EMAILS}/{UNKNOWN_ID}/cancel": "POST",
    f"{EMAILS}/{UNKNOWN_ID}/retry": "POST",
    f"{EMAILS}/{UNKNOWN_ID}/events": "GET",
    f"{EMAILS}/{UNKNOWN_ID}/timeline": "GET",
    "/api/events": "GET",
}


@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_a_route_does_not_have(client, path):
    before = rows()
    for method in set(METHODS) - set(ALLOWED[path].split(", ")):
        answer = client.send(method, path, {})
        assert_refused(answer, 405, "method_not_allowed")
        assert answer["Allow"] == ALLOWED[path]
    assert rows() == before


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        f"{EMAILS}/",
        f"{EMAILS}/batch/",
        f"{EMAILS}/{UNKNOWN_ID}/",
        f"{EMAILS}/{UNKNOWN_ID}/cancel/",
        f"{EMAILS}/{UNKNOWN_ID}/nothing",
        "/api/events/",
        "/api/streams/",
        "/api/nothing",
        "/api//emails",
        "/api/Emails",
    ],
)
def test_a_route_that_is_not_there_is_404_and_never_redirected(client, path):
    for method in ("GET", "POST", "DELETE"):
        assert_refused(client.send(method, path, {}), 404, "not_found", authenticated=False)


@pytest.mark.parametrize(
    "email_id",
    [UNKNOWN_ID, "x", "0", "%00", "%0a", "..%5c", "a" * 5_000, f"{UNKNOWN_ID}0", "%ff", "{}", str(uuid4())],
    ids=["unknown", "x", "0", "NUL", "LF", "path", "long", "one too long", "no utf-8", "braces", "version 4"],
)
def test_an_id_that_names_nothing_is_404_however_it_is_spelt(client, email_id):
    before = rows()
    for call in ("GET", "PATCH", "POST /cancel", "POST /retry", "GET /events", "GET /timeline"):
        method, _, verb = call.partition(" ")
        body = {"scheduled_at": "now"} if method == "PATCH" else None
        answer = client.send(method, f"{EMAILS}/{email_id}{verb}", body, Idempotency_Key="k")
        assert_refused(answer, 404, "not_found")
    assert rows() == before


@pytest.mark.parametrize(
    ("authorization", "status", "name"),
    [
        ("", 401, "missing_api_key"),
        ("Basic YTpi", 401, "missing_api_key"),
        ("Bearer", 401, "missing_api_key"),
        ("Bearer ", 401, "missing_api_key"),
        ("Bearer x", 403, "invalid_api_key"),
        ("Bearer mg_live_aaaaaaaaaaaa_" + "a" * 43, 403, "invalid_api_key"),
        ("Bearer \xff\xfe", 403, "invalid_api_key"),
    ],
)
def test_without_a_good_key_nothing_is_even_read(db, api, authorization, status, name):
    nobody = api(None)
    for path in (EMAILS, f"{EMAILS}/batch", f"{EMAILS}/{UNKNOWN_ID}/cancel"):
        answer = nobody.post(path, b"{nope", authorization=authorization)
        assert_refused(answer, status, name, authenticated=False)
        assert "RateLimit-Limit" not in answer


@pytest.mark.parametrize("request_id", ["mine-1", "A.b_c-" + "9" * 58])
def test_a_callers_own_request_id_is_kept(client, request_id):
    assert client.post(EMAILS, {}, X_Request_Id=request_id)["X-Request-Id"] == request_id


@pytest.mark.parametrize("request_id", ["", "a b", "a" * 65, "é", "a\x0bb", "<script>"])
def test_a_strange_request_id_is_replaced(client, request_id):
    answer = client.post(EMAILS, {}, X_Request_Id=request_id)
    assert_refused(answer, 422, "missing_required_field")
    assert answer["X-Request-Id"] != request_id


# ---- Fields ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_a_body_that_is_no_object(refuse, body):
    refuse(INVALID, body)


@pytest.mark.parametrize("body", [b"", b"  ", b"{}"], ids=["empty", "spaces", "object"])
def test_an_empty_body_lacks_what_is_required(refuse, body):
    missing = "missing_required_field"
    refuse((422, missing), body, ("to", missing))


@pytest.mark.parametrize("field", ["to", "subject"])
def test_a_missing_field_is_named_and_null_is_missing(refuse, mail, field):
    missing = "missing_required_field"
    refuse((422, missing), {**mail, field: None}, (field, missing))
    del mail[field]
    refuse((422, missing), mail, (field, missing))


def test_schedule_needs_a_time(refuse, mail):
    missing = "missing_required_field"
    refuse((422, missing), mail, ("scheduled_at", missing), path=f"{EMAILS}/schedule")


def test_there_must_be_something_to_say(refuse, mail):
    del mail["html"]
    refuse(INVALID, mail)


WRONG_TYPES = {
    "from": [5, [], {}, True],
    "to": [5, {}, True, [5], [None], [[]], [{"email": "a@example.com"}], []],
    "cc": [5, {}, [5]],
    "bcc": [5, {}, [True]],
    "reply_to": [5, {}, [{}]],
    "subject": [5, [], {}, True],
    "html": [5, [], {}],
    "text": [5, [], False],
    "headers": ["X-A: 1", [], {"X-A": 1}, {"X-A": None}, {"X-A": ["1"]}],
    "attachments": [
        "x",
        {},
        [5],
        [[]],
        [{"filename": 5, "content": ""}],
        [{"filename": "a.txt", "content": 5}],
    ],
    "tags": ["x", {}, ["x"], [{"name": 1}], [{"name": "a", "value": 1}]],
    "metadata": ["x", [], {"a": {}}, {"a": []}, {"a": [1]}],
    "scheduled_at": [5, {}, [], True, 1.5],
    "expires_at": [5, {}, []],
    "stream": [5, {}, [], ""],
    "priority": [4, -1, "urgent", "", 1.0, True, [], {}, "1"],
    "track_opens": ["true", 1, []],
    "track_clicks": ["false", 0, {}],
}


@pytest.mark.parametrize("field", WRONG_TYPES)
def test_a_value_of_the_wrong_type_blames_its_field(refuse, mail, field):
    for value in WRONG_TYPES[field]:
        body = refuse(INVALID, {**mail, field: value})
        first = body["errors"][0]["field"]
        assert first == field or first.startswith((f"{field}[", f"{field}.")), body
        assert not first.endswith((".str", ".int", ".bool", ".float"))


@pytest.mark.parametrize(
    "unknown", ["tenant_id", "state", "is_admin", "ses_account", "created_at", "From", "a" * 999]
)
def test_what_no_table_lists_is_unknown(refuse, mail, unknown):
    refuse(INVALID, {**mail, unknown: "x"}, (unknown, "unknown_field"))


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"tags": [{"name": "a", "id": "x", "tenant_id": 1}]}, "tags[0].tenant_id"),
        ({"attachments": [{"filename": "a.txt", "content": "", "state": 1}]}, "attachments[0].state"),
        ({"template": {"id": "welcome", "state": 1}}, "template.state"),
        ({"topic_id": UNKNOWN_ID}, "topic_id"),
    ],
)
def test_unknown_fields_deep_inside_and_those_of_later_versions_are_refused(refuse, mail, part, field):
    refuse(INVALID, {**mail, **part}, (field, "unknown_field"))


def test_the_fillers_of_sdks_are_ignored(client, mail):
    names = ("id", "email", "broadcast_id", "webhook_id", "contact_id", "segment_id", "audience_id")
    fillers = {name: {"any": ["thing"]} for name in names}
    assert client.post(EMAILS, {**mail, **fillers}).status_code == 200
    assert client.post(f"{EMAILS}/batch", [{**mail, **fillers}]).status_code == 200


OPTIONAL = [
    "cc",
    "bcc",
    "reply_to",
    "text",
    "headers",
    "attachments",
    "tags",
    "metadata",
    "scheduled_at",
    "expires_at",
    "stream",
    "priority",
    "track_opens",
    "track_clicks",
]


def test_null_means_not_given(client, mail):
    plain = client.post(EMAILS, mail).json()["id"]
    nulls = client.post(EMAILS, {**mail, **dict.fromkeys(OPTIONAL)}).json()["id"]
    first, second = (client.get(f"{EMAILS}/{email_id}").json() for email_id in (plain, nulls))
    own = {"id", "created_at", "expires_at", "recipients"}
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in second.items() if k not in own
    }


def test_rescheduling_to_nothing_is_refused(client, mail):
    email_id = client.post(EMAILS, {**mail, "scheduled_at": "in 1 hour"}).json()["id"]
    before = client.get(f"{EMAILS}/{email_id}").json()
    for body in ({}, {"scheduled_at": None}, {"scheduled_at": None, "expires_at": None}):
        assert_refused(client.patch(f"{EMAILS}/{email_id}", body), 422, "validation_error")
    assert client.get(f"{EMAILS}/{email_id}").json() == before


# ---- Who it is for --------------------------------------------------------------------------------------------------


def addresses(count: int, start: int = 0) -> list[str]:
    return [f"a{n}@example.com" for n in range(start, start + count)]


def test_fifty_recipients_are_taken_and_fifty_one_are_not(client, refuse, mail):
    assert client.post(EMAILS, {**mail, "to": addresses(50)}).status_code == 200
    too_many = "too_many_recipients"
    refuse(INVALID, {**mail, "to": addresses(51)}, ("to", too_many))
    refuse(INVALID, {**mail, "cc": addresses(51)}, ("cc", too_many))
    refuse(INVALID, {**mail, "bcc": addresses(51)}, ("bcc", too_many))
    split = {"to": addresses(17), "cc": addresses(17, 17), "bcc": addresses(17, 34)}
    refuse(INVALID, {**mail, **split}, ("to", too_many))
    same = {"to": addresses(50), "cc": [a.upper() for a in addresses(50)], "bcc": addresses(1)}
    assert len(client.post(EMAILS, {**mail, **same}).json()["recipients"]) == 50
    refuse(INVALID, {**mail, "reply_to": addresses(6)}, ("reply_to", "too_many"))


BAD_ADDRESSES = [
    "",
    " ",
    "a",
    "a@",
    "@b.com",
    "a@b",
    "a b@example.com",
    "a@@example.com",
    "a@example..com",
    "a@-example.com",
    "a@example.com,b@example.com",
    "a@example.com b@example.com",
    "<a@example.com",
    "a@example.com>",
    "a..b@example.com",
    ".a@example.com",
    "a.@example.com",
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "ünï@example.com",
    "Team: a@example.com;",
    "a@exa_mple.com",
    "a@example.com\\",
    "Ann, Bob <a@example.com>",
    '"Ann <a@example.com>',
    "Ann <a@example.com> x",
    "Ann <b@example.com> <a@example.com>",
    "(x) a@example.com",
    "a" * 65 + "@example.com",
    "a@" + "b" * 64 + ".com",
    "a@" + "b." * 126 + "com",
    "N" * 257 + " <a@example.com>",
    "a@xn--.com",
    "a@\u2024.com",
    "a@b\u3002",
    "=?utf-9?q?x?= <a@example.com>",
    "mailto:a@example.com",
    "a%40example.com",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_what_is_no_address(refuse, mail, address):
    for field in ("to", "cc", "bcc", "reply_to"):
        refuse(INVALID, {**mail, field: ["ok@example.com", address]}, (f"{field}[1]", "invalid_email"))
        refuse(INVALID, {**mail, field: address}, (f"{field}[0]", "invalid_email"))
    refuse((422, "invalid_from_address"), {**mail, "from": address}, ("from", "invalid_email"))


@pytest.mark.parametrize(
    "sender", ["a@globex.test", "a@nowhere.test", "a@sub.acme.test", "acme.test <a@other.test>", None]
)
def test_a_sender_of_somebody_elses_domain(refuse, globex, mail, sender):
    refuse((422, "invalid_from_address"), {**mail, "from": sender})


@pytest.mark.parametrize(
    ("written", "address", "shown"),
    [
        ("ann@example.com", "ann@example.com", "ann@example.com"),
        ("Ann Doe <Ann@EXAMPLE.com>", "Ann@example.com", "Ann Doe <Ann@example.com>"),
        ('"Doe, Ann" <ann@example.com>', "ann@example.com", '"Doe, Ann" <ann@example.com>'),
        ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@\u4f8b\u3048.\u30c6\u30b9\u30c8", "ann@xn--r8jz45g.xn--zckzah", "ann@xn--r8jz45g.xn--zckzah"),
        ("J\u00f6rg <ann@example.com>", "ann@example.com", "Jörg <ann@example.com>"),
        (
            "=?utf-8?q?J=C3=B6rg?= <ann@example.com>",
            "ann@example.com",
            "Jörg <ann@example.com>",
        ),
        ('"odd one"@example.com', '"odd one"@example.com', '"odd one"@example.com'),
        ("o'neil+tag@example.com", "o'neil+tag@example.com", "o'neil+tag@example.com"),
    ],
)
def test_addresses_as_people_write_them(client, mail, written, address, shown):
    sent = client.post(EMAILS, {**mail, "to": written, "reply_to": written})
    assert [one["email"] for one in sent.json()["recipients"]] == [address]
    read = client.get(f"{EMAILS}/{sent.json()['id']}").json()
    assert (read["to"], read["reply_to"]) == ([shown], [shown])


# ---- Header injection (A16) -----------------------------------------------------------------------------------------


def word(text: str) -> str:
    """An encoded word in base64."""
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


INJECTIONS = {
    "CR": "a\rb",
    "LF": "a\nb",
    "CRLF and a header": "a\r\nBcc: evil@example.com",
    "a folded line": "a\r\n evil",
    "an empty line": "a\r\n\r\nbody",
    "NEL": "a\x85b",
    "LINE SEPARATOR": "a\u2028b",
    "PARAGRAPH SEPARATOR": "a\u2029b",
    "VT": "a\x0bb",
    "FF": "a\x0cb",
    "FS": "a\x1cb",
    "TAB": "a\tb",
    "ESC": "a\x1bb",
    "DEL": "a\x7fb",
    "LF at the end": "a\n",
    "LF at the start": "\na",
    "a Q word with LF": "=?utf-8?q?a=0ABcc:_evil@example.com?=",
    "a Q word with CR": "=?utf-8?Q?a=0Db?=",
    "a Q word in small letters": "=?utf-8?q?a=0d=0ab?=",
    "a Q word with NUL": "=?us-ascii?q?a=00b?=",
    "a Q word with NEL": "=?iso-8859-1?q?a=85b?=",
    "a Q word with a separator": "=?utf-8?q?=E2=80=A8?=",
    "a B word with CRLF": word("a\r\nBcc: evil@example.com"),
    "a B word with LF": word("a\nb"),
    "a B word with VT": word("a\x0bb"),
    "a word of utf-7": "=?utf-7?q?a+AAoALQ-b?=",
    "a word of utf-16": "=?utf-16?b?" + base64.b64encode("a\nb".encode("utf-16")).decode() + "?=",
    "a word with a language": "=?utf-8*en?q?a=0Ab?=",
    "a word of no charset": "=??q?a=0Ab?=",
    "a word inside text": "hello =?utf-8?q?=0A?= world",
    "two words": "=?utf-8?q?a?= =?utf-8?q?=0D=0Ab?=",
}
TEXTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "to": lambda text: {"to": f"{text} <ann@example.com>"},
    "to, quoted": lambda text: {"to": f'"{text}" <ann@example.com>'},
    "to, in a list": lambda text: {"to": ["bob@example.com", f"{text} <ann@example.com>"]},
    "cc": lambda text: {"cc": f"{text} <ann@example.com>"},
    "bcc": lambda text: {"bcc": [f"{text} <ann@example.com>"]},
    "reply_to": lambda text: {"reply_to": f"{text} <ann@example.com>"},
    "a local part": lambda text: {"to": f"{text}@example.com"},
    "a quoted local part": lambda text: {"to": f'"{text}"@example.com'},
    "a domain": lambda text: {"to": f"ann@{text}.example.com"},
    "subject": lambda text: {"subject": text},
    "a header value": lambda text: {"headers": {"X-Own": text}},
    "a header value among others": lambda text: {"headers": {"X-A": "1", "X-Own": text, "X-B": "2"}},
    "a header name": lambda text: {"headers": {f"X-{text}": "1"}},
    "Message-ID": lambda text: {"headers": {"Message-ID": text}},
    "a tag name": lambda text: {"tags": [{"name": text, "value": "a"}]},
    "a tag value": lambda text: {"tags": [{"name": "a", "value": text}]},
}
FILES: dict[str, Callable[[str], dict[str, Any]]] = {
    "filename": lambda text: {"filename": f"{text}.txt"},
    "content_type": lambda text: {"content_type": f"text/plain; name={text}"},
    "content_type, quoted": lambda text: {"content_type": f'text/plain; name="{text}"'},
    "content_type alone": lambda text: {"content_type": text},
    "content_id": lambda text: {"content_id": text},
    "inline_content_id": lambda text: {"inline_content_id": text},
}


SENDERS = ("{} <cast@acme.test>", '"{}" <cast@acme.test>', "{}@acme.test", '"{}"@acme.test')


@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS)
def test_a_line_end_in_what_becomes_a_header_is_refused(refuse, mail, text):
    for injected in TEXTS.values():
        part = injected(text)
        body = refuse(INVALID, {**mail, **part})
        assert body["errors"][0]["field"].startswith(next(iter(part)))
    for sender in SENDERS:
        bad = {**mail, "from": sender.format(text)}
        refuse((422, "invalid_from_address"), bad, ("from", "invalid_email"))
    for named in FILES.values():
        file = {"filename": "a.txt", "content": "YQ==", **named(text)}
        blamed = ("attachments[0]", "invalid_attachment")
        refuse(REFUSED_ATTACHMENT, {**mail, "attachments": [file]}, blamed)


RESERVED = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Sender",
    "Reply-To",
    "Subject",
    "Return-Path",
    "Received",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-X",
    "DKIM-Signature",
    "ARC-Seal",
    "ARC-X",
    "Authentication-Results",
    "X-SES-MESSAGE-TAGS",
    "X-SES-CONFIGURATION-SET",
    "X-SES-Anything",
    "X-Mailgrid-Tag",
]


@pytest.mark.parametrize("name", RESERVED)
def test_headers_that_are_not_the_senders_to_write(refuse, mail, name):
    for spelt in (name, name.lower(), name.upper()):
        refuse(INVALID, {**mail, "headers": {"X-Own": "1", spelt: "x"}}, ("headers", "reserved_header"))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"": "x"}, "invalid_type"),
        ({" X-A": "x"}, "invalid_type"),
        ({"X-A ": "x"}, "invalid_type"),
        ({"X-A:": "x"}, "invalid_type"),
        ({"X A": "x"}, "invalid_type"),
        ({"X_A": "x"}, "invalid_type"),
        ({"X-Ä": "x"}, "invalid_type"),
        ({"Bcc:evil@example.com\r\nX": "x"}, "invalid_type"),
        ({"X-" + "a" * 63: "x"}, "too_long"),
        ({"X-A": "x" * 2001}, "too_long"),
        ({"X-A": "x" * 1000}, "too_long"),  # no line of mail holds it
        ({"X-A": "1", "x-a": "2"}, "mutually_exclusive"),
        ({f"X-{n}": "x" for n in range(51)}, "too_many"),
    ],
)
def test_headers_that_cannot_be_written(refuse, mail, headers, code):
    refuse(INVALID, {**mail, "headers": headers}, ("headers", code))


@pytest.mark.parametrize("name", ["mg_d", "mg_f", "MG_T", "mg_anything"])
def test_tags_that_are_ours(refuse, mail, name):
    body = refuse(INVALID, {**mail, "tags": [{"name": name, "value": "x"}]})
    assert body["errors"][0]["code"] == "reserved_name"


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"tags": [{"name": f"t{n}"} for n in range(21)]}, "tags"),
        ({"tags": [{"name": "a" * 257}]}, "tags[0].name"),
        ({"tags": [{"name": ""}]}, "tags[0].name"),
        ({"tags": [{"name": "a", "value": "b" * 257}]}, "tags[0].value"),
        ({"tags": [{"name": "a b"}]}, "tags[0].name"),
        ({"tags": [{"name": "ä"}]}, "tags[0].name"),
        ({"tags": [{"name": "a\n"}]}, "tags[0].name"),
        ({"tags": [{"name": "a"}, {"name": "a"}]}, ""),
        ({"metadata": {f"k{n}": 1 for n in range(51)}}, "metadata"),
        ({"metadata": {"a": "x" * 4096}}, "metadata"),
        ({"metadata": {"a": "ä" * 2048}}, "metadata"),
        ({"subject": "x" * 999}, "subject"),
        ({"html": "x" * (2 * MEGABYTE + 1)}, "html"),
        ({"text": "ä" * (MEGABYTE + 1)}, "text"),
        ({"stream": "x" * 64}, "stream"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_limits(refuse, mail, part, field):
    body = refuse(INVALID, {**mail, **part})
    assert body["errors"][0]["field"] == field


# ---- Attachments (A27) ----------------------------------------------------------------------------------------------

BAD_FILES = {
    "no content": {"content": None},
    "garbage": {"content": "not base64!"},
    "wrong padding": {"content": "YQ="},
    "url-safe alphabet": {"content": "_-8="},
    "content after the padding": {"content": "YQ==YQ=="},
    "a data URI with garbage": {"content": "data:text/plain;base64,@@"},
    "an integer too large": {"content": [0, 256]},
    "a negative integer": {"content": [-1]},
    "no name": {"filename": ""},
    "a path": {"filename": "../../etc/passwd"},
    "an absolute path": {"filename": "/etc/passwd"},
    "a path of Windows": {"filename": "..\\boot.ini"},
    "a drive": {"filename": "C:x.txt"},
    "dots": {"filename": ".."},
    "a device": {"filename": "CON"},
    "a device with an extension": {"filename": "nul.txt"},
    "right to left": {"filename": "invoice\u202etxt.pdf"},
    "300 characters": {"filename": "a" * 296 + ".txt"},
    "a program": {"filename": "run.exe"},
    "a program in capitals": {"filename": "RUN.EXE"},
    "a script": {"filename": "run.js"},
    "a program with a dot behind": {"filename": "run.exe."},
    "a program with a space behind": {"filename": "run.exe "},
    "no media type": {"content_type": "text"},
    "two media types": {"content_type": "text/plain, text/html"},
    "a content id with spaces": {"content_id": "a b"},
    "a content id with brackets": {"content_id": "<a>"},
    "a content id of 129": {"content_id": "a" * 129},
}


@pytest.mark.parametrize("part", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_not_sent(refuse, mail, part):
    file = {"filename": "a.txt", "content": "YQ==", **part}
    body = refuse(REFUSED_ATTACHMENT, {**mail, "attachments": [{"filename": "b.txt", "content": ""}, file]})
    assert body["errors"][0]["field"].startswith("attachments[1]")


@pytest.mark.parametrize("field", ["filename", "content"])
def test_a_file_lacks_something(refuse, mail, field):
    file = {"filename": "a.txt", "content": "YQ=="}
    del file[field]
    refuse(REFUSED_ATTACHMENT, {**mail, "attachments": [file]}, ("attachments[0]", "invalid_attachment"))


def test_too_many_files(refuse, mail):
    files = [{"filename": "a.txt", "content": ""}] * 21
    refuse(REFUSED_ATTACHMENT, {**mail, "attachments": files}, ("attachments", "too_many"))
    refuse(INVALID, {**mail, "attachments": files * 30}, ("attachments", "too_many"))


def test_a_file_of_more_than_25_megabytes(refuse, mail):
    file = {"filename": "a.bin", "content": base64.b64encode(bytes(25 * MEGABYTE + 1)).decode()}
    refuse(REFUSED_ATTACHMENT, {**mail, "attachments": [file]}, ("attachments[0]", "invalid_attachment"))


def test_41_megabytes_of_files_exceed_the_finished_mail(refuse, mail):
    half = {"filename": "a.bin", "content": base64.b64encode(bytes(int(15.4 * MEGABYTE))).decode()}
    refuse(INVALID, {**mail, "attachments": [half, half]})


# ---- Times ----------------------------------------------------------------------------------------------------------

NO_TIMES = [
    "",
    "tomorrow",
    "next week",
    "in an hour or so",
    "in 10000 hours",
    "in -1 hours",
    "in 1.5 hours",
    "in 5 fortnights",
    "in five minutes",
    "2026-13-01",
    "2026-02-30",
    "2026-02-28T25:00",
    "2026-02-28T10:00:00+99:99",
    "20260228T100000Z",
    "28.02.2026",
    "1767225600",
    "now()",
    "in \u0665 minutes",
    "\u0662\u0660\u0662\u0666-01-01",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "in 1 hour; drop table",
    "2026-02-28T10:00:00 UTC",
]


@pytest.mark.parametrize("time", NO_TIMES)
def test_what_is_no_time_is_never_guessed(refuse, mail, time):
    for field in ("scheduled_at", "expires_at"):
        refuse(INVALID, {**mail, field: time}, (field, "invalid_time"))


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"scheduled_at": "2020-01-01"}, "scheduled_at"),
        ({"scheduled_at": "0001-01-01"}, "scheduled_at"),
        ({"scheduled_at": "in 53 weeks"}, "scheduled_at"),
        ({"scheduled_at": "in 366 days"}, "scheduled_at"),
        ({"scheduled_at": "in 9999 weeks"}, "scheduled_at"),
        ({"scheduled_at": "9999-12-31"}, "scheduled_at"),
        ({"expires_at": "2020-01-01"}, "expires_at"),
        ({"expires_at": "now"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59"}, "expires_at"),
        ({"scheduled_at": "in 2 hours", "expires_at": "in 1 hour"}, "expires_at"),
        ({"scheduled_at": "in 2 hours", "expires_at": "in 2 hours"}, "expires_at"),
        ({"scheduled_at": "in 2 hours", "expires_at": "in 9999 days"}, "expires_at"),
    ],
    ids=str,
)
def test_a_time_out_of_range(client, refuse, mail, part, field):
    refuse(INVALID, {**mail, **part}, (field, "out_of_range"))
    if "scheduled_at" in part and part["scheduled_at"] != "in 2 hours":
        email_id = client.post(EMAILS, {**mail, "scheduled_at": "in 1 hour"}).json()["id"]
        assert_refused(
            client.patch(f"{EMAILS}/{email_id}", part), 422, "validation_error", (field, "out_of_range")
        )


# ---- Streams, keys, batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["nothing", UNKNOWN_ID, "a'b", "a\u00e4", "Transactional", "*"])
def test_a_stream_that_is_not_there(refuse, mail, stream):
    refuse(INVALID, {**mail, "stream": stream}, ("stream", "not_found"))


def test_a_stream_of_another_tenant_is_not_there(api, globex, refuse, mail):
    foreign = api(globex).post("/api/streams", {"name": "secret"}).json()["id"]
    for name in (foreign, foreign.upper(), foreign.replace("-", ""), "secret"):
        refuse(INVALID, {**mail, "stream": name}, ("stream", "not_found"))
    refuse(INVALID, [{**mail, "stream": foreign}], ("[0].stream", "not_found"), path=f"{EMAILS}/batch")


@pytest.mark.parametrize(
    "key",
    ["", "a" * 257, "caf\xe9", "a\tb", "a\x7f", "\u202e"],
    ids=["empty", "257", "é", "TAB", "DEL", "RLO"],
)
def test_an_idempotency_key_that_is_none(refuse, mail, key):
    for path, body in ((EMAILS, mail), (f"{EMAILS}/schedule", mail), (f"{EMAILS}/batch", [mail])):
        refuse((400, "invalid_idempotency_key"), body, path=path, Idempotency_Key=key)


def test_a_key_that_was_used_for_another_request(client, refuse, mail):
    first = client.post(EMAILS, mail, Idempotency_Key="k" * 256)
    assert first.status_code == 200
    conflict = (409, "invalid_idempotent_request")
    refuse(conflict, {**mail, "subject": "Other"}, Idempotency_Key="k" * 256)
    refuse(conflict, {**mail, "to": "bad"}, Idempotency_Key="k" * 256)
    refuse(conflict, {}, Idempotency_Key="k" * 256)


def test_a_refused_request_leaves_its_key_free(client, refuse, mail):
    refuse(INVALID, {**mail, "to": "bad"}, Idempotency_Key="k")
    assert client.post(EMAILS, mail, Idempotency_Key="k").status_code == 200


@pytest.mark.parametrize("body", [{}, "x", 5, None, {"emails": []}], ids=str)
def test_a_batch_that_is_no_list(refuse, body):
    refuse(INVALID, json.dumps(body).encode(), path=f"{EMAILS}/batch")


@pytest.mark.parametrize("count", [0, 501])
@pytest.mark.parametrize("mode", ["strict", "permissive"])
def test_a_batch_of_too_few_or_too_many(refuse, mail, count, mode):
    refuse(INVALID, [mail] * count, path=f"{EMAILS}/batch", X_Batch_Validation=mode)


def test_a_batch_of_a_mode_that_is_not_there(refuse, mail):
    refuse(INVALID, [mail], path=f"{EMAILS}/batch", X_Batch_Validation="lenient")


def mixed(mail: dict[str, Any]) -> list[Any]:
    """Good at 0, 2 and 6; every other item wrong in its own way."""
    return [
        mail,
        {**mail, "to": ["ok@example.com", "bad"]},
        {**mail, "subject": "Second"},
        {"to": "a@example.com"},
        {**mail, "from": "a@nowhere.test"},
        "nothing",
        {**mail, "scheduled_at": "in 1 hour"},
        {**mail, "tenant_id": UNKNOWN_ID},
        {**mail, "attachments": [{"filename": "run.exe", "content": ""}]},
        {**mail, "stream": "gone"},
        {**mail, "scheduled_at": "in 9999 days"},
        {**mail, "headers": {"Bcc": "x@example.com"}},
        {**mail, "from": "nobody"},
    ]


def test_a_strict_batch_with_one_wrong_item_stores_nothing(refuse, mail):
    for headers in ({}, {"X_Batch_Validation": "strict"}, {"X_Batch_Validation": "STRICT"}):
        body = refuse(INVALID, mixed(mail), path=f"{EMAILS}/batch", Idempotency_Key="k", **headers)
        blamed = {(item["field"], item["code"]) for item in body["errors"]}
        assert {
            ("[1].to[1]", "invalid_email"),
            ("[3]", "invalid_type"),
            ("[7].tenant_id", "unknown_field"),
            ("[8].attachments[0]", "invalid_attachment"),
            ("[9].stream", "not_found"),
            ("[10].scheduled_at", "out_of_range"),
            ("[11].headers", "reserved_header"),
            ("[12].from", "invalid_email"),
        } <= blamed
        assert {field.split("]")[0] for field, _ in blamed} == {
            f"[{n}" for n in (1, 3, 4, 5, 7, 8, 9, 10, 11, 12)
        }


def test_a_permissive_batch_stores_the_good_items(client, mail):
    answer = client.post(f"{EMAILS}/batch", mixed(mail), X_Batch_Validation="permissive")
    assert answer.status_code == 200
    body = answer.json()
    assert [(one["index"], one["status"]) for one in body["data"]] == [
        (0, "queued"),
        (2, "queued"),
        (6, "scheduled"),
    ]
    assert [one["index"] for one in body["errors"]] == [1, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    assert all(set(one) == {"index", "message"} and one["message"] for one in body["errors"])
    assert rows() == {
        "Message": 3,
        "MessageContent": 3,
        "Delivery": 3,
        "Recipient": 3,
        "Attempt": 0,
        "Event": 3,
        "IdempotencyRecord": 0,
    }
    assert Message.across_tenants.filter(batch_id=body["batch_id"]).count() == 3


def test_a_permissive_batch_may_have_no_good_item(client, mail):
    answer = client.post(f"{EMAILS}/batch", [{}, 5], X_Batch_Validation="permissive")
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert sum(rows().values()) == 0


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "action", "missing_required_field"),
        ({"action": "hold"}, "filter", "missing_required_field"),
        ({"action": "erase", "filter": {"stream": "x"}}, "action", "invalid_choice"),
        ({"action": "hold", "filter": {}}, "filter", "missing_required_field"),
        ({"action": "hold", "filter": {"stream": None}}, "filter", "missing_required_field"),
        ({"action": "hold", "filter": {"status": "queued"}}, "filter.status", "unknown_field"),
        ({"action": "hold", "filter": {"tenant_id": UNKNOWN_ID}}, "filter.tenant_id", "unknown_field"),
        ({"action": "hold", "filter": {"batch_id": "x"}}, "filter.batch_id", "not_found"),
        ({"action": "hold", "filter": {"since": "yesterday"}}, "filter.since", "invalid_time"),
        ({"action": "hold", "filter": {"tag": "a b"}}, "filter.tag", "invalid_choice"),
        ({"action": "hold", "filter": {"tag": ""}}, "filter.tag", "invalid_choice"),
        ({"action": "hold", "filter": []}, "filter", "invalid_type"),
    ],
    ids=str,
)
def test_a_bulk_action_that_says_not_what_on_what(client, mail, body, field, code):
    client.post(EMAILS, mail)
    before = rows()
    answer = client.post(f"{EMAILS}/bulk", body)
    assert answer.status_code == 422
    assert_refused(answer, 422, answer.json()["name"], (field, code))
    assert rows() == before
    assert Delivery.across_tenants.get().state == "queued"


# ---- Query strings --------------------------------------------------------------------------------------------------

BAD_QUERIES = [
    "foo=1",
    "tenant_id=" + UNKNOWN_ID,
    "Limit=5",
    "limit=0",
    "limit=101",
    "limit=-1",
    "limit=x",
    "limit=1.0",
    "limit=1e1",
    "limit=%D9%A5",
    "limit=5&limit=6",
    "limit=00000001",
    "after=x",
    "before=x",
    f"after={UNKNOWN_ID}&before={UNKNOWN_ID}",
    f"after={UNKNOWN_ID}&after={UNKNOWN_ID}",
    "after=%00",
    "before=" + "9" * 5_000,
    "status=nothing",
    "status=queued,nothing",
    "status=queued&status=x",
    "last_event=nothing",
    "source=ftp",
    "since=x",
    "since=yesterday",
    "until=2026-02-30",
    "since=now&since=now",
    "batch_id=x",
    "to=%00",
    "tag=%00",
    "tag=a%20b",
    "tag=%22",
    "tag=a%22:b",
    "tag=:",
    "tag=a:b:c",
    "to=a&to=b",
    "template_id[]=x",
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_query_that_the_list_does_not_understand(client, query):
    assert_refused(client.get(f"{EMAILS}?{query}"), 422, "invalid_parameter")


@pytest.mark.parametrize(
    "tag",
    [
        "isnull:x",
        "contains:x",
        "regex",
        "regex:a",
        "in:x",
        "range:1",
        "gt:1",
        "has_key:x",
        "a__b:x",
        "pk:1",
        "1:x",
        "1",
    ],
)
def test_a_tag_is_a_name_and_never_a_lookup(client, mail, tag):
    """`isnull:x` was a 500, `gt:1` listed mail without any tag."""
    client.post(EMAILS, mail)
    client.post(EMAILS, {**mail, "tags": [{"name": "other", "value": "x"}, {"name": "a", "value": "b"}]})
    name, _, value = tag.partition(":")
    wanted = client.post(EMAILS, {**mail, "tags": [{"name": name, "value": value}]}).json()["id"]
    assert [one["id"] for one in client.get(EMAILS, {"tag": tag}).json()["data"]] == [wanted]
    bulk = client.post(f"{EMAILS}/bulk", {"action": "hold", "filter": {"tag": tag}})
    assert bulk.json()["matched"] == 1


def test_like_wildcards_in_filters_are_letters(client, mail):
    client.post(EMAILS, mail)
    for query in (
        {"to": "%"},
        {"to": "ann_example.com"},
        {"from": "%"},
        {"from": "cast_acme.test"},
        {"stream": "%"},
    ):
        assert client.get(EMAILS, query).json()["data"] == [], query


# ---- Anything else --------------------------------------------------------------------------------------------------

STRANGE = [
    5,
    -1,
    2**63 - 1,
    1.5,
    -0.0,
    True,
    False,
    None,
    "",
    " ",
    "x",
    "\u202e",
    "\U0001f600" * 300,
    "a" * 10_000,
    [],
    [[]],
    [None],
    [""],
    [{}],
    [1, "a"],
    {},
    {"a": None},
    {"": ""},
    {"a": {"b": {}}},
    [{"name": ""}],
    "now",
    "0",
    "%s%n",
    "{{x}}",
]
FIELDS = [*WRONG_TYPES, "template", "id", "email", "__class__", ""]


def test_no_value_in_any_field_is_our_fault(client, mail):
    for field in FIELDS:
        for value in STRANGE[::4]:
            for path in (EMAILS, f"{EMAILS}/preflight"):
                answer = client.post(path, {**mail, field: value})
                assert answer.status_code in {200, 422}, (field, value, answer.content[:300])
                assert isinstance(answer.json(), dict)


def test_no_batch_item_is_our_fault(client, mail):
    items = [*STRANGE, *({**mail, field: value} for field in FIELDS for value in STRANGE)]
    for start in range(0, len(items), 500):
        some = items[start : start + 500]
        answer = client.post(f"{EMAILS}/batch", some, X_Batch_Validation="permissive")
        assert answer.status_code == 200, answer.content[:300]
