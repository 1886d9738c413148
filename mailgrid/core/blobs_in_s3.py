"""Blobs in S3, or in a store that speaks its protocol.

The one place below `workers` that talks to the network (docs/adr/0011). S3 answers a write when it is durable, and
every read after that sees it ("Amazon S3 data consistency model").
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, Final, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from mailgrid.core.blobs import Stored

CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 20  # without a byte
TRIES: Final = 3
_READ_BYTES: Final = 256 * 1024


class BlobStoreAway(OSError):
    """S3 did not answer, or refused."""


class S3BlobStorage(S3Storage):  # type: ignore[misc]
    """The storage of django-storages, with what blobs need. Credentials are found where AWS's tools find them."""

    def __init__(self, **settings: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            s3={"addressing_style": "path" if "endpoint_url" in settings else "auto"},
            signature_version="s3v4",
        )
        super().__init__(client_config=config, default_acl=None, **settings)

    def keep(self, name: str, content: BinaryIO) -> None:
        """See `BlobStorage`."""
        with _translated():
            if self.exists(name):
                return
            content.seek(0)
            self._client.put_object(**self._named(name), Body=content)

    def open(self, name: str, mode: str = "rb") -> BinaryIO:
        """See `BlobStorage`. The bytes come as they are read."""
        with _translated():
            body = self._client.get_object(**self._named(name))["Body"]
        return cast(BinaryIO, BufferedReader(_Body(body), _READ_BYTES))

    def listed(self, *, after: str, limit: int) -> list[Stored]:
        """See `BlobStorage`."""
        root = self._key("")
        with _translated():
            found = self._client.list_objects_v2(
                Bucket=self.bucket_name, Prefix=root, StartAfter=root + after, MaxKeys=limit
            )
        return [
            Stored(one["Key"].removeprefix(root), one["LastModified"]) for one in found.get("Contents", ())
        ]

    def move(self, name: str, to: str) -> None:
        """See `BlobStorage`. A crash in the middle leaves both names."""
        try:
            with _translated():
                source = {"Bucket": self.bucket_name, "Key": self._key(name)}
                self._client.copy_object(**self._named(to), CopySource=source)
        except FileNotFoundError:
            return
        self.delete(name)

    def delete(self, name: str) -> None:
        """See `BlobStorage`."""
        with _translated():
            self._client.delete_object(**self._named(name))

    @property
    def _client(self) -> Any:
        return self.connection.meta.client  # one for each thread

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket_name, "Key": self._key(name)}

    def _key(self, name: str) -> str:
        return f"{self.location}/{name}" if self.location else name


class _Body(RawIOBase):
    """What S3 sends, read as it comes."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _translated():
            piece: bytes = self._body.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._body.close()
        super().close()


@contextmanager
def _translated() -> Iterator[None]:
    """The errors of S3 as those of a file system."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise FileNotFoundError(str(error)) from None
        raise BlobStoreAway(str(error)) from error
    except BotoCoreError as error:
        raise BlobStoreAway(str(error)) from error
