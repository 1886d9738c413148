"""Both storages of blobs, for what holds of either."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailgrid.settings.storage import blob_store
from tests.contracts.stores import Kept, use
from tests.fakes.s3 import BUCKET, PREFIX, S3


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """S3 over HTTP."""
    server = S3()
    yield server
    server.stop()


@pytest.fixture
def on_disk(settings: Any, tmp_path: Path) -> Kept:
    """A folder."""
    use(
        settings,
        {
            "BACKEND": "mailgrid.core.blobs_on_disk.DurableFileStorage",
            "OPTIONS": {"location": str(tmp_path / "blobs")},
        },
    )

    def names() -> list[str]:
        files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(tmp_path / "blobs")) for path in files)

    def age(by: timedelta) -> None:
        for name in names():
            path = tmp_path / "blobs" / name
            then = path.stat().st_mtime - by.total_seconds()
            os.utime(path, (then, then))

    return Kept(names, age)


@pytest.fixture
def in_s3(settings: Any, s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """A bucket, under a prefix."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3_server.empty()
    use(settings, blob_store(f"s3://{BUCKET}/{PREFIX}?region=us-east-1&endpoint_url={s3_server.url}"))

    yield Kept(s3_server.names, s3_server.age)
    s3_server.empty()


@pytest.fixture(params=["on_disk", "in_s3"])
def kept(request: pytest.FixtureRequest) -> Kept:
    """Each of them."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]
