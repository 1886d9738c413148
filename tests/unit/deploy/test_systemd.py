"""The units of deploy/systemd run the processes of the Procfile, and let them finish what they have in hand."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.live_fleet import procfile
from tests.unit.deploy.declared import (
    DEPLOY,
    EXAMPLE,
    SOFT_SHUTDOWN_SECONDS,
    WORKERS,
    env_file,
    env_file_with_marks,
    expanded,
    process,
)
from workers.queues import GROUPS

UNITS: Final = DEPLOY / "systemd"
SHARED: Final = UNITS / "mailgrid-.service.d" / "shared.conf"
PROGRAMS: Final = "/opt/mailgrid/.venv/bin/"

Unit = dict[str, list[str]]


def unit(path: Path) -> Unit:
    """Every setting of a unit or drop-in with its values; what `\\` continues is one line."""
    found: Unit = {}
    for line in re.sub(r"\\\n\s*", "", path.read_text()).splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def unit_name(name: str) -> str:
    """The unit of a process: `worker-send` is mailgrid-worker@send.service."""
    return f"mailgrid-worker@{WORKERS[name]}.service" if name in WORKERS else f"mailgrid-{name}.service"


def unit_file(name: str) -> Path:
    return UNITS / re.sub(r"@[a-z]+\.", "@.", unit_name(name))


def environment(name: str) -> dict[str, str]:
    """What a unit sets itself, and what the files in its folder set."""
    given = env_file("\n".join(shlex.split(" ".join(unit(unit_file(name))["Environment"]))))
    if name in WORKERS:
        given |= env_file((UNITS / f"worker-{WORKERS[name]}.env").read_text())
    return given


@pytest.mark.parametrize("name", sorted(procfile()))
def test_a_unit_runs_the_command_of_its_process(name: str) -> None:
    given = environment(name)
    (line,) = unit(unit_file(name))["ExecStart"]
    written = line.replace("%%", "\0").replace("%i", WORKERS.get(name, "")).replace("\0", "%")
    declared = process(name, given)
    assert shlex.split(expanded(written.removeprefix(PROGRAMS), given)) == declared.words
    assert line.startswith(PROGRAMS)
    assert declared.variables.items() <= given.items()


def test_there_are_no_other_units() -> None:
    files = {unit_file(name).name for name in procfile()}
    assert {path.name for path in UNITS.glob("*.service")} == files


def test_every_group_has_a_file_with_its_queues() -> None:
    found = {path.stem: env_file(path.read_text())["QUEUES"] for path in UNITS.glob("*.env")}
    assert found == {f"worker-{group}": ",".join(queues) for group, queues in GROUPS.items()}
    (needed, of_this_machine) = unit(unit_file("worker-send"))["EnvironmentFile"]
    assert needed == "/opt/mailgrid/deploy/systemd/worker-%i.env"
    assert of_this_machine == "-/etc/mailgrid/worker-%i.env"


def test_every_unit_is_part_of_the_whole() -> None:
    assert unit(SHARED)["PartOf"] == ["mailgrid.target"]
    for name in procfile():
        assert unit(unit_file(name))["WantedBy"] == ["mailgrid.target"]


def test_processes_come_back_and_finish_what_they_have_in_hand() -> None:
    shared = unit(SHARED)
    assert (shared["Restart"], shared["RestartSec"]) == (["always"], ["1"])
    assert shared["StartLimitIntervalSec"] == ["0"]
    assert (shared["KillMode"], shared["OOMPolicy"]) == (["mixed"], ["continue"])
    assert int(shared["TimeoutStopSec"][0]) > SOFT_SHUTDOWN_SECONDS


def test_processes_may_write_to_their_own_folder_alone() -> None:
    shared = unit(SHARED)
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"):
        assert shared[name] == ["yes"]
    assert (shared["ProtectSystem"], shared["UMask"]) == (["strict"], ["0077"])
    settings = env_file_with_marks(EXAMPLE.read_text())
    assert settings["VAR_DIR"] == f"/var/lib/{shared['StateDirectory'][0]}"
    assert shared["EnvironmentFile"] == ["/etc/mailgrid/mailgrid.env"]


def test_the_example_names_every_service_for_them() -> None:
    settings = env_file_with_marks(EXAMPLE.read_text())
    assert settings["DJANGO_SETTINGS_MODULE"] == "mailgrid.settings.fleet"
    assert {"DATABASE_URL", "BROKER_URL", "REDIS_URL"} <= set(settings)


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """With the programs of this virtual environment. Where there is no systemd, nobody is asked."""
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("*.service"):
        path.write_text(path.read_text().replace(PROGRAMS, f"{Path(sys.executable).parent}/"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", "mailgrid.target", *map(unit_name, sorted(procfile()))],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
