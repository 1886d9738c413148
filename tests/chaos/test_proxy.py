"""The proxy does to connections what it says: the rows behind it prove nothing else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.chaos.proxy import Link, Proxy


def _echo(connection: socket.socket) -> None:
    with closing(connection):
        try:
            while data := connection.recv(1_000):
                connection.sendall(data * 10)
        except OSError:
            return


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    """A way to a server that answers ten bytes for each one."""
    with socket.create_server(("127.0.0.1", 0)) as server, Proxy() as proxy:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_echo, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield proxy.link(server.getsockname()[1])


@pytest.fixture(autouse=True)
def _fair(link: Link) -> Iterator[None]:
    link.clear()
    yield
    link.clear()


def dial(link: Link) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", link.port), timeout=5)
    connection.settimeout(0.5)
    return connection


def ask(connection: socket.socket) -> int:
    """How many bytes come back for ten; an end in between ends the count."""
    connection.sendall(b"x" * 10)
    got = 0
    while got < 100:
        if not (data := connection.recv(1_000)):
            break
        got += len(data)
    return got


def test_everything_passes(link: Link) -> None:
    with dial(link) as connection:
        assert (ask(connection), ask(connection)) == (100, 100)


def test_what_is_late_is_not_there_yet(link: Link) -> None:
    link.weather("pass", latency_ms=3_000)
    with dial(link) as connection, pytest.raises(TimeoutError):
        ask(connection)


def test_a_narrow_way_takes_longer(link: Link) -> None:
    link.weather("pass", bytes_per_second=20)
    with dial(link) as connection, pytest.raises(TimeoutError):
        ask(connection)


def test_an_answer_is_cut_after_so_many_bytes(link: Link) -> None:
    link.weather("cut", after_bytes=30)
    with dial(link) as connection:
        assert ask(connection) == 30


def test_open_connections_and_new_ones_are_reset(link: Link) -> None:
    with dial(link) as connection:
        assert ask(connection) == 100
        link.weather("reset")
        with pytest.raises(ConnectionResetError):
            ask(connection)
    with pytest.raises(ConnectionResetError), dial(link) as another:
        ask(another)


def test_a_black_hole_swallows_and_what_was_swallowed_comes_out_when_it_ends(link: Link) -> None:
    with dial(link) as connection:
        link.weather("blackhole")
        with pytest.raises(TimeoutError):
            ask(connection)
        link.clear()
        assert len(connection.recv(1_000)) == 100


def test_half_an_open_connection_answers_nothing(link: Link) -> None:
    with dial(link) as connection:
        assert ask(connection) == 100
        link.weather("half_open")
        with pytest.raises(TimeoutError):
            ask(connection)


def test_nobody_listens(link: Link) -> None:
    link.weather("refuse")
    with pytest.raises(ConnectionRefusedError):
        dial(link)
