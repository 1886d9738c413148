"""docs/operations.md tells of the processes, variables, commands and units there are."""

import re
from typing import Final

from django.core.management import get_commands

from mailgrid.env import BASE_DIR, VARIABLES
from tests.live_fleet import procfile
from tests.unit.deploy.declared import WORKERS, process
from workers.fleet.signs import PROCESSES
from workers.queues import GROUPS

TEXT: Final = (BASE_DIR / "docs" / "operations.md").read_text()
BLOCKS: Final = "\n".join(re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


def test_the_table_of_processes_is_that_of_the_procfile() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(procfile())
    for name, queues, pool in rows:
        if name in WORKERS:
            assert queues == ", ".join(f"`{queue}`" for queue in GROUPS[WORKERS[name]])
            assert pool == process(name, {}).option("concurrency")


def test_the_arithmetic_of_connections_holds() -> None:
    children = sum(int(process(name, {}).option("concurrency")) for name in WORKERS)
    web = process("web", {"HOST": "h", "PORT": "1"})
    processes, threads = int(web.option("workers")), int(web.option("blocking-threads"))
    total = f"{processes} × {threads} + {children} × 2 + 1 + 1 = {processes * threads + children * 2 + 2};"
    assert total in TEXT


def test_every_unit_is_enabled() -> None:
    (line,) = re.findall(r"systemctl enable (mailgrid\.target .*?)\n(?=\S)", BLOCKS, re.DOTALL)
    named = set(re.findall(r"mailgrid-(\w+)(?!@)\b", line)) - {"worker"}
    groups = set(re.search(r"mailgrid-worker@\{([^}]+)\}", line).group(1).split(","))  # type: ignore[union-attr]
    assert named == set(procfile()) - set(WORKERS)
    assert groups == set(GROUPS)


def test_every_command_exists() -> None:
    found = set(re.findall(r"(?:^|`)mailgrid ([a-z]+)", TEXT, re.MULTILINE))
    assert {"bootstrap", "adddomain", "migrate", "doctor", "alive"} <= found <= set(get_commands())
    assert set(re.findall(r"mailgrid alive ([a-z-]+)", TEXT)) <= set(PROCESSES)


def test_every_variable_is_declared() -> None:
    known = {variable.name for variable in VARIABLES}
    of_others = {
        "POSTGRES_PASSWORD",
        "RABBITMQ_PASSWORD",
        "FLOWER_PORT",
        "FLOWER_ADDRESS",
        "MAILGRID_API_KEY",
    }
    of_aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    words = set(re.findall(r"\b([A-Z]+_[A-Z_]+)\b", TEXT)) - {"PRECONDITION_FAILED"}
    assert words - known == of_others | of_aws
