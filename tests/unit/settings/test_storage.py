"""How a process holds its database connections is decided by its role and its URL."""

from pathlib import Path

import pytest

from mailgrid.env import WrongSetting, env
from mailgrid.settings.storage import SQLITE, blob_store, database

URL = "postgres://mailgrid:secret@db.internal:5433/mail"


def test_sqlite_is_the_embedded_database_whatever_the_role():
    assert database("sqlite", role="web") is SQLITE


@pytest.mark.parametrize("url", ["mysql://db/mail", "sqlite:///mail.sqlite3", "nonsense"])
def test_another_database_is_refused_with_a_sentence(url):
    with pytest.raises(WrongSetting, match="expected `sqlite` or a postgres:// URL"):
        database(url)


def test_the_url_says_where_the_database_is():
    made = database(URL)
    assert (made["HOST"], made["PORT"], made["NAME"]) == ("db.internal", 5433, "mail")
    assert (made["USER"], made["PASSWORD"]) == ("mailgrid", "secret")


@pytest.mark.parametrize("role", ["", "worker", "beat", "flower"])
def test_all_but_web_processes_keep_checked_connections(role):
    made = database(URL, role=role)
    assert (made["CONN_MAX_AGE"], made["CONN_HEALTH_CHECKS"]) == (60, True)
    assert "pool" not in made["OPTIONS"]
    assert "-c statement_timeout=15s" in made["OPTIONS"]["options"]
    assert made["OPTIONS"]["application_name"] == (f"mailgrid-{role}" if role else "mailgrid")


@pytest.mark.parametrize(("size", "least"), [(1, 1), (2, 2), (20, 2)])
def test_web_processes_lend_connections_of_a_pool(size, least):
    made = database(URL, role="web", pool_size=size)
    assert made["CONN_MAX_AGE"] == 0  # Django refuses both together
    pool = made["OPTIONS"]["pool"]
    assert (pool["min_size"], pool["max_size"]) == (least, size)
    assert "-c statement_timeout=5s" in made["OPTIONS"]["options"]
    assert made["OPTIONS"]["application_name"] == "mailgrid-web"


@pytest.mark.parametrize("role", ["", "web", "worker"])
def test_nobody_waits_for_a_lock_or_pauses_in_a_transaction_for_long(role):
    words = database(URL, role=role)["OPTIONS"]["options"]
    assert "-c lock_timeout=2s" in words
    assert "-c idle_in_transaction_session_timeout=30s" in words


def test_options_of_the_url_win():
    given = f"{URL}?sslmode=require&application_name=mine&options=-c%20statement_timeout%3D0"
    options = database(given)["OPTIONS"]
    assert (options["sslmode"], options["application_name"]) == ("require", "mine")
    assert options["options"].endswith("-c statement_timeout=0")  # the server takes the last one


def test_statements_are_prepared_unless_the_url_says_that_connections_are_shared():
    assert database(URL)["OPTIONS"]["prepare_threshold"] == 2
    assert database(f"{URL}?prepare_threshold=0")["OPTIONS"]["prepare_threshold"] == 0
    assert database(f"{URL}?prepare_threshold=off")["OPTIONS"]["prepare_threshold"] is None


def test_blobs_lie_in_a_folder_unless_a_bucket_is_named():
    assert blob_store("")["BACKEND"] == "mailgrid.core.blobs_on_disk.DurableFileStorage"
    assert blob_store("s3://mail-blobs/prod/eu?region=eu-west-1&endpoint_url=http://minio:9000") == {
        "BACKEND": "mailgrid.core.blobs_in_s3.S3BlobStorage",
        "OPTIONS": {
            "bucket_name": "mail-blobs",
            "location": "prod/eu",
            "region_name": "eu-west-1",
            "endpoint_url": "http://minio:9000",
        },
    }
    assert blob_store("s3://mail-blobs")["OPTIONS"] == {"bucket_name": "mail-blobs", "location": ""}


@pytest.mark.parametrize(
    "url",
    [
        "mail-blobs",
        "s3:",
        "s3:///x",
        "https://mail-blobs/x",
        "s3://key:secret@mail-blobs",
        "s3://b?acl=public",
    ],
)
def test_another_store_of_blobs_is_refused_with_a_sentence(url):
    with pytest.raises(WrongSetting, match="BLOB_STORE: expected s3://bucket/prefix"):
        blob_store(url)


def test_folders_of_attachments_belong_to_slugs(monkeypatch):
    monkeypatch.setenv("ATTACHMENT_DIRECTORIES", "acme=/srv/acme, globex=/srv/g, acme=/srv/more")
    assert env("ATTACHMENT_DIRECTORIES") == {
        "acme": (Path("/srv/acme"), Path("/srv/more")),
        "globex": (Path("/srv/g"),),
    }
    for wrong in ("/srv/acme", "acme=srv", "=/srv"):
        monkeypatch.setenv("ATTACHMENT_DIRECTORIES", wrong)
        with pytest.raises(WrongSetting, match="slug=/folder"):
            env("ATTACHMENT_DIRECTORIES")
