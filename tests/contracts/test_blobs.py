"""Blobs keep what they promise in a folder and in S3 alike."""

import hashlib
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from uuid import UUID

import pytest
from django.core.files.storage import storages

from mailgrid.core import blobs, orphans
from mailgrid.core.blobs import ASIDE, BlobMissing
from mailgrid.core.clock import now
from mailgrid.core.errors import Unavailable
from mailgrid.settings.storage import blob_store
from tests.contracts.stores import Kept, use
from tests.fakes.s3 import BUCKET, PREFIX, S3
from workers.doctor.work import blobs as doctor

ACME, GLOBEX = UUID(int=1), UUID(int=2)
DAY = timedelta(hours=25)


def name(content: bytes, tenant: UUID = ACME) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"{tenant.hex}/{digest[:2]}/{digest}"


def nobody(_references):
    return set()


def sweep(*named, after="", limit=100, at=None):
    return orphans.sweep(after=after, asked=[lambda _: set(named)], now=at or now(), limit=limit)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 5_000], ids=len)
def test_bytes_read_back(kept: Kept, content: bytes) -> None:
    reference = blobs.put(ACME, content)
    assert reference == name(content)
    assert blobs.get(reference) == content
    assert kept.names() == [reference]


def test_equal_bytes_of_a_tenant_are_stored_once_and_those_of_another_apart(kept: Kept) -> None:
    assert blobs.put(ACME, b"same") == blobs.put(ACME, b"same")
    blobs.put(GLOBEX, b"same")
    assert kept.names() == [name(b"same"), name(b"same", GLOBEX)]


def test_a_file_is_read_from_its_beginning(kept: Kept) -> None:
    with SpooledTemporaryFile(8) as file:
        file.write(b"longer than eight")
        reference = blobs.put_file(ACME, file, digest=hashlib.sha256(b"longer than eight").hexdigest())
        assert blobs.get(reference) == b"longer than eight"


def test_a_reader_gives_the_bytes_piece_by_piece(kept: Kept) -> None:
    content = bytes(range(256)) * 3_000
    with blobs.reader(blobs.put(ACME, content)) as file:
        assert file.read(1000) == content[:1000]
        assert b"".join(iter(lambda: file.read(100_000), b"")) == content[1000:]


def test_what_was_never_stored_is_missing(kept: Kept) -> None:
    with pytest.raises(BlobMissing):
        blobs.get(name(b"never"))


def test_what_is_deleted_is_missing(kept: Kept) -> None:
    reference = blobs.put(ACME, b"sealed for one")
    blobs.delete(reference)
    blobs.delete(reference)
    with pytest.raises(BlobMissing):
        blobs.get(reference)
    assert kept.names() == []


# ---- The sweep ------------------------------------------------------------------------------------------------------


def test_an_orphan_goes_in_two_steps_a_day_each(kept: Kept) -> None:
    reference = blobs.put(ACME, b"orphan")
    assert sweep().set_aside == 0  # too young
    kept.age(DAY)
    assert sweep().set_aside == 1
    assert kept.names() == [ASIDE + reference]
    assert blobs.get(reference) == b"orphan"
    assert sweep().deleted == 0  # aside for a moment
    kept.age(DAY)
    assert sweep().deleted == 1
    assert kept.names() == []


def test_what_a_row_names_stays_however_old(kept: Kept) -> None:
    reference = blobs.put(ACME, b"named")
    kept.age(10 * DAY)
    assert sweep(reference).set_aside == 0
    assert kept.names() == [reference]


def test_a_row_that_commits_while_its_bytes_are_set_aside_loses_nothing(kept: Kept) -> None:
    reference = blobs.put(ACME, b"an orphan of last week")
    kept.age(7 * DAY)

    def asked_a_moment_too_early(_references):
        assert blobs.put(ACME, b"an orphan of last week") == reference  # there already: nothing is written
        return set()

    orphans.sweep(after="", asked=[asked_a_moment_too_early], now=now(), limit=10)
    assert kept.names() == [ASIDE + reference]
    assert blobs.get(reference) == b"an orphan of last week"
    kept.age(DAY)
    assert sweep(reference).put_back == 1
    assert kept.names() == [reference]
    assert blobs.get(reference) == b"an orphan of last week"


def test_bytes_stored_again_after_they_were_set_aside_survive_the_second_step(kept: Kept) -> None:
    reference = blobs.put(ACME, b"again")
    kept.age(DAY)
    sweep()
    kept.age(DAY)
    assert blobs.put(ACME, b"again") == reference
    assert sweep().deleted == 1
    assert kept.names() == [reference]


def test_the_walk_goes_through_everything_in_steps(kept: Kept) -> None:
    references = sorted(
        blobs.put(tenant, bytes([number])) for tenant in (ACME, GLOBEX) for number in range(12)
    )
    kept.age(DAY)
    asked: list[str] = []

    def remember(found):
        asked.extend(sorted(found))
        return set(found)

    position, steps = "", 0
    while True:
        position = orphans.sweep(after=position, asked=[remember], now=now(), limit=5).position
        steps += 1
        if not position:
            break
    assert (asked, steps) == (references, 5)


def test_each_table_is_asked(kept: Kept) -> None:
    first, second, third = (blobs.put(ACME, content) for content in (b"1", b"2", b"3"))
    kept.age(DAY)
    orphans.sweep(after="", asked=[lambda _: {first}, lambda _: {second}], now=now(), limit=10)
    assert kept.names() == sorted([first, second, ASIDE + third])


# ---- A folder -------------------------------------------------------------------------------------------------------


def test_what_a_crashed_writer_left_is_swept(on_disk: Kept) -> None:
    reference = blobs.put(ACME, b"whole")
    half = Path(storages["blobs"].path(reference)).with_name(".abc.123.456")
    half.write_bytes(b"ha")
    on_disk.age(DAY)
    sweep(reference)
    on_disk.age(DAY)
    sweep(reference)
    assert on_disk.names() == [reference]


def test_an_empty_store_can_be_swept(on_disk: Kept) -> None:
    assert sweep() == orphans.Swept(position="", deleted=0, put_back=0)


def test_a_full_disk_is_said_to_be_our_fault(on_disk: Kept, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable):
        blobs.put(ACME, b"hello")


# ---- S3 -------------------------------------------------------------------------------------------------------------


def test_while_s3_is_away_nothing_is_accepted_and_nothing_is_called_missing(in_s3: Kept, settings) -> None:
    server = S3()
    use(settings, blob_store(f"s3://{BUCKET}?region=us-east-1&endpoint_url={server.url}"))
    reference = blobs.put(ACME, b"before")
    server.stop()
    with pytest.raises(Unavailable):
        blobs.put(ACME, b"during")
    with pytest.raises(OSError, match="Could not connect"):
        blobs.get(reference)
    with pytest.raises(OSError, match="Could not connect"):
        sweep()


def test_a_bucket_that_is_not_there_is_no_missing_blob(in_s3: Kept, settings, s3_server) -> None:
    use(settings, blob_store(f"s3://elsewhere?region=us-east-1&endpoint_url={s3_server.url}"))
    with pytest.raises(Unavailable):
        blobs.put(ACME, b"hello")
    with pytest.raises(OSError, match="NoSuchBucket"):
        blobs.get(name(b"hello"))


def test_bytes_in_s3_are_written_once(in_s3: Kept, s3_server) -> None:
    reference = blobs.put(ACME, b"once")
    key = {"Bucket": BUCKET, "Key": PREFIX + reference}
    first = s3_server.client.head_object(**key)["LastModified"]
    in_s3.age(DAY)
    blobs.put_file(ACME, BytesIO(b"once"), digest=hashlib.sha256(b"once").hexdigest())
    assert s3_server.client.head_object(**key)["LastModified"] < first


def test_doctor_finds_the_store_well_and_leaves_nothing_behind(kept: Kept) -> None:
    assert [finding.sentence for finding in doctor()] == ["Attachments can be written and read back."]
    assert kept.names() == []
