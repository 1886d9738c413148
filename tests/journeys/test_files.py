"""A tenant uploads files, finds them, downloads them, and forgets them."""

import base64
import hashlib
import os
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from mailgrid.core.clock import now
from mailgrid.core.files import MAX_BYTES
from mailgrid.http.links import download_link
from tenants.audit.services import SYSTEM
from tenants.files import selectors
from tenants.files.api import Files
from tenants.models import AuditEntry, File
from tenants.tenancy import services as tenancy
from workers.housekeeping import collect_garbage

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def form(
    client: Any, *parts: tuple[str, str, bytes], fields: dict[str, str] | None = None, **headers: str
) -> Any:
    """POST a form: parts are (field, file name, bytes)."""
    boundary = "x" * 20
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields or {}).items()
    ]
    lines += [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'.encode()
        + b"Content-Type: application/octet-stream\r\n\r\n"
        + content
        + b"\r\n"
        for field, name, content in parts
    ]
    body = b"".join(lines) + f"--{boundary}--\r\n".encode()
    return raw(client, body, f"multipart/form-data; boundary={boundary}", **headers)


def raw(client: Any, body: bytes, content_type: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client._client.generic(
        "POST", "/api/files", body, content_type=content_type, headers=client._headers | named
    )


def followed(api: Any, url: str, method: str = "GET") -> Any:
    return api(None).send(method, url[url.index("/f/") :])


def content_of(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def test_a_file_is_uploaded_read_listed_downloaded_and_deleted(acme, api):
    client = api(acme)
    made = client.post("/api/files", {"filename": "Rechnung März.pdf", "content": b64(b"%PDF-1.7 hello")})
    assert made.status_code == 201
    file = made.json()
    assert file == {
        "object": "file",
        "id": file["id"],
        "filename": "Rechnung März.pdf",
        "content_type": "application/pdf",
        "size": 14,
        "sha256": hashlib.sha256(b"%PDF-1.7 hello").hexdigest(),
        "expires_at": None,
        "created_at": file["created_at"],
    }
    assert uuid.UUID(file["id"]).version == 7
    assert client.get(f"/api/files/{file['id']}").json() == file
    assert client.get("/api/files").json() == {"object": "list", "has_more": False, "data": [file]}

    link = client.get(f"/api/files/{file['id']}/download").json()
    assert set(link) == {
        "object",
        "id",
        "filename",
        "content_type",
        "size",
        "sha256",
        "download_url",
        "expires_at",
    }
    got = followed(api, link["download_url"])
    assert content_of(got) == b"%PDF-1.7 hello"
    assert got["Content-Type"] == "application/pdf"
    assert got["Content-Length"] == "14"

    assert client.delete(f"/api/files/{file['id']}").json() == {
        "object": "file",
        "id": file["id"],
        "deleted": True,
    }
    assert client.get(f"/api/files/{file['id']}").status_code == 404
    assert client.delete(f"/api/files/{file['id']}").status_code == 404
    assert client.get("/api/files").json()["data"] == []
    assert followed(api, link["download_url"]).status_code == 404
    trail = AuditEntry.across_tenants.filter(tenant=acme.tenant, target_type="file").order_by("seq")
    assert [(entry.action, entry.target_id) for entry in trail] == [
        ("file.create", file["id"]),
        ("file.delete", file["id"]),
    ]
    assert trail[0].changes == {"filename": "Rechnung März.pdf", "size": 14, "sha256": file["sha256"]}


def test_equal_bytes_have_different_ids_and_are_stored_once(acme, globex, api):
    first, second, third = (
        api(who).post("/api/files", {"filename": name, "content": b64(b"the same")}).json()
        for who, name in ((acme, "a.txt"), (acme, "b.txt"), (globex, "a.txt"))
    )
    assert len({first["id"], second["id"], third["id"]}) == 3
    blobs = dict(File.across_tenants.values_list("pk", "blob"))
    assert blobs[uuid.UUID(first["id"])] == blobs[uuid.UUID(second["id"])] != blobs[uuid.UUID(third["id"])]
    api(acme).delete(f"/api/files/{first['id']}")
    url = api(acme).get(f"/api/files/{second['id']}/download").json()["download_url"]
    assert content_of(followed(api, url)) == b"the same"


def test_files_are_listed_by_name_and_paged(acme, api):
    client = api(acme)
    ids = [
        client.post("/api/files", {"filename": name, "content": b64(name.encode())}).json()["id"]
        for name in ("a.txt", "b.txt", "a.txt")
    ]
    by_name = client.get("/api/files", {"filename": "a.txt"}).json()["data"]
    assert [file["id"] for file in by_name] == [ids[2], ids[0]]
    page = client.get("/api/files", {"limit": "2"}).json()
    assert (page["has_more"], [file["id"] for file in page["data"]]) == (True, [ids[2], ids[1]])
    rest = client.get("/api/files", {"after": ids[1]}).json()
    assert (rest["has_more"], [file["id"] for file in rest["data"]]) == (False, [ids[0]])
    assert client.get("/api/files", {"name": "a.txt"}).status_code == 422


def test_both_modes_share_files(acme, api):
    made = api(acme).post("/api/files", {"filename": "a.txt", "content": "YQ=="}).json()
    assert api(acme.test_key).get(f"/api/files/{made['id']}").json() == made


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"filename": "a.png", "content": b64(b"x")}, "image/png"),
        ({"filename": "scan", "content": b64(PNG)}, "image/png"),
        ({"filename": "scan", "content": b64(b"x")}, "application/octet-stream"),
        (
            {"filename": "a.txt", "content": b64(PNG), "content_type": "text/csv; charset=utf-8"},
            "text/csv; charset=utf-8",
        ),
        (
            {"filename": "a.eml", "content": b64(b"x"), "content_type": "message/rfc822"},
            "application/octet-stream",
        ),
        ({"filename": "a", "content": f"data:image/png;base64,{b64(b'x')}"}, "application/octet-stream"),
    ],
)
def test_the_type_is_what_is_said_or_follows_from_name_or_bytes(acme, api, body, content_type):
    assert api(acme).post("/api/files", body).json()["content_type"] == content_type


# ---- Forms ----------------------------------------------------------------------------------------------------------


def test_a_form_is_taken_too(acme, api):
    made = form(
        api(acme), ("file", "scan", PNG), fields={"expires_at": "in 2 hours", "filename": "Scan März.png"}
    )
    assert made.status_code == 201, made.content
    file = made.json()
    assert (file["filename"], file["size"], file["content_type"]) == ("Scan März.png", 32, "image/png")
    assert file["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert file["expires_at"] is not None
    assert form(api(acme), ("file", "scan.txt", b"x")).json()["filename"] == "scan.txt"


def test_a_form_as_djangos_client_writes_it(acme, api):
    body = encode_multipart(
        BOUNDARY, {"file": SimpleUploadedFile("ü.txt", b"hello"), "content_type": "text/x"}
    )
    made = raw(api(acme), body, MULTIPART_CONTENT).json()
    assert (made["filename"], made["content_type"], made["size"]) == ("ü.txt", "text/x", 5)


def test_a_large_form_arrives_whole(acme, api):
    content = os.urandom(3 * 1024 * 1024)
    made = form(api(acme), ("file", "large.bin", content)).json()
    url = api(acme).get(f"/api/files/{made['id']}/download").json()["download_url"]
    assert content_of(followed(api, url)) == content


def test_a_path_in_a_forms_file_name_is_left_out(acme, api):
    assert form(api(acme), ("file", "../../etc/passwd", b"x")).json()["filename"] == "passwd"
    assert form(api(acme), ("file", r"C:\\evil\\a.txt", b"x")).json()["filename"] == "a.txt"


@pytest.mark.parametrize(
    ("parts", "fields", "status", "name"),
    [
        ([], {}, 422, "missing_required_field"),
        ([], {"file": "as text"}, 422, "validation_error"),
        ([("file", "a.txt", b"a"), ("file", "b.txt", b"b")], {}, 400, "validation_error"),
        ([("other", "a.txt", b"a")], {}, 422, "validation_error"),
        ([("file", "a.txt", b"a")], {"tenant_id": "x"}, 422, "validation_error"),
        ([("file", "a.txt", b"a")], {"content": "YQ=="}, 422, "validation_error"),
        ([("file", "a.exe", b"a")], {}, 422, "invalid_attachment"),
        ([("file", "a.txt", b"a")], {"filename": "a\x00.txt"}, 422, "invalid_attachment"),
        ([("file", "a.txt", b"a")], {"filename": ""}, 422, "invalid_attachment"),
        ([("file", "a.txt", b"a")], {"content_type": "text"}, 422, "validation_error"),
        ([("file", "a.txt", b"a")], {"expires_at": "yesterday"}, 422, "validation_error"),
    ],
)
def test_a_wrong_form_is_refused_and_keeps_nothing(acme, api, parts, fields, status, name):
    answer = form(api(acme), *parts, fields=fields)
    assert (answer.status_code, answer.json()["name"]) == (status, name), answer.content
    assert File.across_tenants.count() == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 422),
        (b"--x\r\n", "multipart/form-data", 400),
        (b"", "multipart/form-data; boundary=x", 422),
        (b"x=1", "application/x-www-form-urlencoded", 415),
        (b"hello", "text/plain", 415),
        (b"hello", "application/pdf", 415),
    ],
)
def test_a_body_of_another_kind_is_refused(acme, api, body, content_type, status):
    assert raw(api(acme), body, content_type).status_code == status
    assert raw(api(acme), body, content_type, content_encoding="gzip").status_code == 415


def test_a_field_twice_is_refused(acme, api):
    part = b'--x\r\nContent-Disposition: form-data; name="filename"\r\n\r\na.txt\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--x--\r\n'
    answer = raw(api(acme), part + part + file, "multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["name"]) == (400, "validation_error")


# ---- Limits ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("mailgrid.core.files.MAX_BYTES", 1000)
    monkeypatch.setattr("tenants.files.api.Files.body_limit", 3000)


def test_a_file_of_the_limit_is_taken_and_a_larger_one_is_not(acme, api, small):
    client = api(acme)
    for size, status in ((1000, 201), (1001, 422)):
        by_form = form(client, ("file", "a.bin", bytes(size)))
        by_json = client.post("/api/files", {"filename": "a.bin", "content": b64(bytes(size))})
        assert [by_form.status_code, by_json.status_code] == [status, status]
        if status == 422:
            assert [by_form.json()["name"], by_json.json()["name"]] == ["invalid_attachment"] * 2
            assert [by_form.json()["errors"][0]["field"], by_json.json()["errors"][0]["field"]] == [
                "file",
                "content",
            ]


def test_a_body_over_the_cap_is_refused_before_it_is_read(acme, api, small):
    client = api(acme)
    assert form(client, ("file", "a.bin", bytes(3000))).status_code == 413
    assert client.post("/api/files", {"filename": "a.bin", "content": b64(bytes(3000))}).status_code == 413
    assert File.across_tenants.count() == 0


def test_the_limits_are_those_of_the_documents():
    assert (MAX_BYTES, Files.body_limit) == (25 * 1024 * 1024, 36 * 1024 * 1024)


# ---- Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "name", "field", "code"),
    [
        ({"filename": None}, "missing_required_field", "filename", "missing_required_field"),
        ({"content": None}, "missing_required_field", "content", "missing_required_field"),
        ({"filename": "../../etc/passwd"}, "invalid_attachment", "filename", "invalid_attachment"),
        ({"filename": "CON"}, "invalid_attachment", "filename", "invalid_attachment"),
        ({"filename": "photo\u202egpj.exe"}, "invalid_attachment", "filename", "invalid_attachment"),
        ({"filename": "x" * 300}, "invalid_attachment", "filename", "invalid_attachment"),
        ({"filename": "setup.js"}, "invalid_attachment", "filename", "invalid_attachment"),
        ({"content": "a!"}, "invalid_attachment", "content", "invalid_attachment"),
        ({"content": [1, 2]}, "validation_error", "content", "invalid_type"),
        ({"content_type": "text/plain\r\nX: y"}, "validation_error", "content_type", "invalid_choice"),
        ({"content_type": f"a/{'b' * 300}"}, "validation_error", "content_type", "invalid_choice"),
        ({"expires_at": "2001-01-01"}, "validation_error", "expires_at", "out_of_range"),
        ({"expires_at": "now"}, "validation_error", "expires_at", "out_of_range"),
        ({"expires_at": "someday"}, "validation_error", "expires_at", "invalid_time"),
        ({"tenant_id": "x"}, "validation_error", "tenant_id", "unknown_field"),
        ({"sha256": "x"}, "validation_error", "sha256", "unknown_field"),
    ],
)
def test_bad_input_is_refused_by_its_field_and_keeps_nothing(acme, api, wrong, name, field, code):
    answer = api(acme).post("/api/files", {"filename": "a.txt", "content": "YQ==", **wrong})
    assert (answer.status_code, answer.json()["name"]) == (422, name), answer.content
    assert [(item["field"], item["code"]) for item in answer.json()["errors"]] == [(field, code)]
    assert File.across_tenants.count() == 0


def test_what_runs_elsewhere_is_handed_out_as_a_file_only(acme, api):
    """A polyglot is whatever its reader takes it for: browsers are told to take it for nothing."""
    page = b"GIF89a/*<script>alert(1)</script>*/"
    made = (
        api(acme)
        .post("/api/files", {"filename": "a.html", "content": b64(page), "content_type": "text/html"})
        .json()
    )
    got = followed(api, api(acme).get(f"/api/files/{made['id']}/download").json()["download_url"])
    assert content_of(got) == page
    assert got["Content-Disposition"] == 'attachment; filename="a.html"'
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert got["Cache-Control"] == "private, no-store"
    assert got["Referrer-Policy"] == "no-referrer"
    assert not got.cookies
    assert "Set-Cookie" not in got


# ---- Idempotency ----------------------------------------------------------------------------------------------------


def test_a_repeated_upload_is_answered_with_the_first_and_made_once(acme, api):
    client, body = api(acme), {"filename": "a.txt", "content": b64(b"hello")}
    first = client.post("/api/files", body, idempotency_key="k1")
    again = client.post("/api/files", body, idempotency_key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    by_form = form(client, ("file", "a.txt", b"hello"), idempotency_key="k1")
    assert by_form.content == first.content  # the same file under the same name
    for other in (
        {"content": b64(b"other")},
        {"filename": "b.txt"},
        {"content_type": "text/x"},
        {"expires_at": "in 1 hour"},
    ):
        refused = client.post("/api/files", {**body, **other}, idempotency_key="k1")
        assert (refused.status_code, refused.json()["name"]) == (409, "invalid_idempotent_request")
    assert File.across_tenants.count() == 1
    assert client.post("/api/files", {**body, "filename": "a.exe"}, idempotency_key="k2").status_code == 422
    assert client.post("/api/files", body, idempotency_key="k2").status_code == 201


# ---- Time and tenants -----------------------------------------------------------------------------------------------


def test_an_expired_file_is_gone_at_once(acme, api):
    made = (
        api(acme)
        .post("/api/files", {"filename": "a.txt", "content": "YQ==", "expires_at": "in 30 minutes"})
        .json()
    )
    url = api(acme).get(f"/api/files/{made['id']}/download").json()["download_url"]
    with time_machine.travel(now() + timedelta(minutes=31)):
        assert api(acme).get(f"/api/files/{made['id']}").status_code == 404
        assert api(acme).get(f"/api/files/{made['id']}/download").status_code == 404
        assert api(acme).delete(f"/api/files/{made['id']}").status_code == 404
        assert api(acme).get("/api/files").json()["data"] == []
        assert followed(api, url).status_code == 404


def test_another_tenants_files_are_not_there(acme, globex, api):
    made = api(globex).post("/api/files", {"filename": "a.txt", "content": "YQ=="}).json()
    for method, path in (("GET", ""), ("GET", "/download"), ("DELETE", "")):
        assert api(acme).send(method, f"/api/files/{made['id']}{path}").status_code == 404
    assert api(acme).get("/api/files").json()["data"] == []
    assert File.across_tenants.count() == 1


def test_a_suspended_tenant_reads_and_does_not_upload(acme, api):
    made = api(acme).post("/api/files", {"filename": "a.txt", "content": "YQ=="}).json()
    tenancy.suspend(tenant_id=acme.tenant.pk, reason="", actor=SYSTEM, now=now())
    assert api(acme).get(f"/api/files/{made['id']}/download").status_code == 200
    answer = api(acme).post("/api/files", {"filename": "a.txt", "content": "YQ=="})
    assert (answer.status_code, answer.json()["name"]) == (403, "tenant_suspended")


# ---- Links ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def link(acme, api):
    made = api(acme).post("/api/files", {"filename": "a.txt", "content": b64(b"hello")}).json()
    url = api(acme).get(f"/api/files/{made['id']}/download").json()["download_url"]
    return url[url.index("/f/") :]


def test_a_link_ends_after_an_hour(api, link):
    with time_machine.travel(now() + timedelta(minutes=59)):
        assert content_of(api(None).get(link)) == b"hello"
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert api(None).get(link).status_code == 404


def test_a_link_that_was_changed_leads_nowhere(api, link):
    for place in range(len("/f/"), len(link)):
        changed = link[:place] + ("A" if link[place] != "A" else "B") + link[place + 1 :]
        assert api(None).get(changed).status_code == 404, place
    for forged in ("/f/x", "/f/a.b.c", "/f/" + "." * 50, f"{link}x", f"{link}/x", "/f/%00", "/f/ü"):
        answer = api(None).get(forged)
        assert (answer.status_code, answer.json()["name"]) == (404, "not_found"), forged


def test_a_link_names_no_address_and_no_name(link):
    assert "@" not in unquote(link)
    assert "a.txt" not in link
    assert "acme" not in link


def test_a_link_is_read_and_nothing_else(api, link):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert api(None).send(method, link).status_code == 405
    head = api(None).send("HEAD", link)
    assert (head.status_code, head["Content-Length"]) == (200, "5")


def test_a_link_of_a_closed_tenant_leads_nowhere(acme, api, link):
    tenancy.close(tenant_id=acme.tenant.pk, actor=SYSTEM, now=now())
    assert api(None).get(link).status_code == 404


def test_a_link_to_bytes_that_are_gone_is_404(api, link):
    storages["blobs"].delete(File.across_tenants.get().blob)
    assert api(None).get(link).status_code == 404


def test_links_of_one_kind_do_not_open_another(acme, api):
    made = api(acme).post("/api/files", {"filename": "a.txt", "content": "YQ=="}).json()
    url, _ = download_link("attachment", uuid.UUID(made["id"]).hex, "0", now=now())
    assert followed(api, url).status_code == 404
    url, _ = download_link(selectors.LINK, uuid.UUID(made["id"]).hex, now=now())
    assert content_of(followed(api, url)) == b"a"


# ---- The attachments of an email ------------------------------------------------------------------------------------


def attached(api, who, mail, **more):
    files = [
        {"filename": "a.txt", "content": b64(b"first")},
        {"filename": "logo.png", "content": b64(PNG), "content_id": "logo"},
    ]
    answer = api(who).post("/api/emails", {**mail, "attachments": files, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["id"]


def test_the_attachments_of_an_email_can_be_downloaded(acme, api, mail):
    email = attached(api, acme, mail)
    listed = api(acme).get(f"/api/emails/{email}/attachments").json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    first, second = listed["data"]
    shown = ("object", "filename", "content_type", "content_id", "content_disposition", "size")
    assert [first[name] for name in shown] == ["attachment", "a.txt", "text/plain", None, "attachment", 5]
    assert [second[name] for name in shown] == ["attachment", "logo.png", "image/png", "logo", "inline", 32]
    assert content_of(followed(api, first["download_url"])) == b"first"
    assert content_of(followed(api, second["download_url"])) == PNG
    one = api(acme).get(f"/api/emails/{email}/attachments/{second['id']}").json()
    assert {**one, "download_url": "", "expires_at": ""} == {**second, "download_url": "", "expires_at": ""}
    assert uuid.UUID(second["id"]).version == 7


def test_an_email_without_attachments_has_none(acme, api, mail):
    email = api(acme).post("/api/emails", mail).json()["id"]
    assert api(acme).get(f"/api/emails/{email}/attachments").json()["data"] == []
    assert api(acme).get(f"/api/emails/{email}/attachments/{email}").status_code == 404


def test_attachments_of_another_tenant_or_mode_are_not_there(acme, globex, api, mail):
    email = attached(api, acme, mail)
    first = api(acme).get(f"/api/emails/{email}/attachments").json()["data"][0]["id"]
    for key in (globex.key, acme.test_key):
        assert api(key).get(f"/api/emails/{email}/attachments").status_code == 404
        assert api(key).get(f"/api/emails/{email}/attachments/{first}").status_code == 404
    for wrong in ("x", str(uuid.uuid4()), email):
        assert api(acme).get(f"/api/emails/{email}/attachments/{wrong}").status_code == 404


def test_sensitive_attachments_are_never_shown(acme, api, mail):
    api(acme).post("/api/streams", {"name": "codes", "sensitive": True})
    email = attached(api, acme, mail, stream="codes")
    assert api(acme).get(f"/api/emails/{email}/attachments").status_code == 404
    url, _ = download_link("attachment", uuid.UUID(email).hex, "0", now=now())
    assert followed(api, url).status_code == 404
    api(acme).patch("/api/streams/codes", {"sensitive": False})  # what was sealed stays sealed
    assert api(acme).get(f"/api/emails/{email}/attachments").status_code == 404
    assert followed(api, url).status_code == 404


def test_erased_attachments_are_gone(acme, api, mail, work):
    email = attached(api, acme, mail)
    url = api(acme).get(f"/api/emails/{email}/attachments").json()["data"][0]["download_url"]
    work.everything()
    collect_garbage(now=now() + timedelta(days=31))
    assert api(acme).get(f"/api/emails/{email}/attachments").status_code == 404
    assert followed(api, url).status_code == 404
