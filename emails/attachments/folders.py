"""Read a file below a folder, and nothing else: no link leads out of it, and only plain files are opened."""

import os
import stat
from pathlib import Path

from emails.attachments.ports import NotFetched


def read_below(folder: Path, key: str, *, limit: int) -> bytes:
    """The bytes of the file `key` names below `folder`, at most `limit` of them. Raises `NotFetched`."""
    try:
        return _read(_found(folder, key), limit)
    except FileNotFoundError:
        raise NotFetched("not_found", "There is no such file in the source.", for_good=True) from None
    except OSError as error:
        raise NotFetched(
            "not_readable", f"The file cannot be read: {error.strerror}", for_good=False
        ) from error


def _found(folder: Path, key: str) -> Path:
    """Where the file really is; one outside of the folder is not there."""
    path = (folder / key).resolve(strict=True)
    if not path.is_relative_to(folder.resolve(strict=True)):
        raise FileNotFoundError(key)
    return path


def _read(path: Path, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not hold us up
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise NotFetched("too_large", f"More than {limit:,} bytes.", for_good=True)
    return content
