"""RabbitMQ for tests, in a virtual host for tests alone."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from amqp import Connection

from tests.live import free_port
from tests.services.installing import Missing, binary
from tests.services.private import listens, running


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """The URL of a broker whose queues may be deleted; raises `Missing`."""
    if named := os.environ.get("TEST_BROKER_URL"):
        if "test" not in urlsplit(named).path:
            raise Missing(
                "TEST_BROKER_URL must name a virtual host with `test` in its name; its queues are deleted."
            )
        yield named
        return
    server = binary("RabbitMQ", package="rabbitmq-server", find=find_server, instead="TEST_BROKER_URL")
    with tempfile.TemporaryDirectory(prefix="mailgrid-rabbitmq-") as folder:
        port, epmd, distribution = free_port(), free_port(), free_port()
        environment = node_environment(Path(folder), port=port, distribution=distribution, epmd=epmd)
        log = Path(folder) / "log"
        with (
            # Erlang's port mapper; the server would start one that outlives it.
            running(
                ["epmd", "-port", str(epmd), "-address", "127.0.0.1"], ready=lambda: listens(epmd), log=log
            ),
            running([server], ready=lambda: answers(port), log=log, environment=environment),
        ):
            yield f"amqp://guest:guest@127.0.0.1:{port}//"


def find_server() -> Path | None:
    """The script inside the package: the distribution's wrapper insists on an account of its own."""
    return max(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), default=None)


def node_environment(folder: Path, *, port: int, distribution: int, epmd: int) -> dict[str, str]:
    """A node that shares nothing with another one on this machine, its port mapper included."""
    (folder / "plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.file = false\n"
        "vm_memory_high_watermark.absolute = 2GB\ndisk_free_limit.absolute = 50MB\n"
    )
    return os.environ | {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"mailgrid-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        # Two schedulers are plenty for tests, and leave the cores to them.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def answers(port: int) -> bool:
    """Whether it takes log-ins: it listens a moment before."""
    with contextlib.suppress(OSError):
        connection = Connection(f"127.0.0.1:{port}", "guest", "guest", connect_timeout=1, read_timeout=2)
        connection.connect()
        connection.close()
        return True
    return False
