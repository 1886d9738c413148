"""One running Mailgrid for all clients (with pytest-xdist: one per worker)."""

from collections.abc import Iterator

import pytest

from tests.live import LiveMailgrid


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMailgrid]:
    """The embedded process, as `make run` starts it."""
    with LiveMailgrid(tmp_path_factory.mktemp("live")) as mailgrid:
        yield mailgrid
        assert "Traceback" not in mailgrid.log, mailgrid.log
