"""docker-compose.yml runs the processes of the Procfile, with what their settings ask for."""

import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from django.conf import settings
from django.urls import resolve

from mailgrid.core import bells
from mailgrid.env import BASE_DIR, VARIABLES
from mailgrid.settings.storage import STORAGES, VAR_DIR
from tests.live_fleet import procfile
from tests.unit.deploy.declared import (
    DEPLOY,
    EXAMPLE,
    SOFT_SHUTDOWN_SECONDS,
    WORKERS,
    env_file,
    env_file_with_marks,
    process,
)
from workers.fleet.signs import PROCESSES
from workers.queues import GROUPS

TEXT: Final = (BASE_DIR / "docker-compose.yml").read_text()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(TEXT)
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = sorted(procfile())
ONE_SHOT: Final = "migrate"
STOOD_ON: Final = ["postgres", "rabbitmq", "redis"]
# Read by Django and by Flower themselves.
OF_OTHERS: Final = {"DJANGO_SETTINGS_MODULE", "FLOWER_ADDRESS", "FLOWER_PORT"}
ASKED_FOR: Final = {
    "SECRET_KEY": "s" * 40,
    "KEY_PEPPER": "p" * 40,
    "ENCRYPTION_KEYS": f"k1:{'A' * 43}=",
    "FLOWER_PASSWORD": "flower",
    "POSTGRES_PASSWORD": "postgres",
    "RABBITMQ_PASSWORD": "rabbitmq",
    "PUBLIC_URL": "https://mail.example.com",
}


def interpolated(text: str) -> str:
    """As Compose reads it where `.env` holds what is asked for."""
    text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: ASKED_FOR[found.group(1)], text)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def environment(service: str) -> dict[str, str]:
    return {
        name: interpolated(str(value)) for name, value in SERVICES[service].get("environment", {}).items()
    }


def seconds(duration: str) -> int:
    return int(re.fullmatch(r"(\d+)s", duration).group(1))  # type: ignore[union-attr]


def test_every_process_of_the_procfile_is_a_service_and_the_reverse() -> None:
    assert sorted(SERVICES) == sorted([*OURS, ONE_SHOT, *STOOD_ON])


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_the_command_of_its_process(name: str) -> None:
    given = environment(name)
    declared = process(name, given)
    assert shlex.split(SERVICES[name]["command"]) == declared.words
    assert declared.variables.items() <= given.items()


@pytest.mark.parametrize("name", [*OURS, ONE_SHOT])
def test_a_service_is_given_declared_variables_only(name: str) -> None:
    assert set(environment(name)) - {variable.name for variable in VARIABLES} == (
        OF_OTHERS & set(environment(name))
    )


def start(service: str, var_dir: Path, *, without: str = "") -> subprocess.CompletedProcess[str]:
    """Read the settings as a container of this service does; the folder alone is another one."""
    given = environment(service) | {"VAR_DIR": str(var_dir), "PATH": os.environ["PATH"]}
    given.pop(without, None)
    module = "workers.flowerconfig" if service == "flower" else "mailgrid.settings.fleet"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {module}"],
        cwd=BASE_DIR,
        env=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["web", "worker-send", "beat", "flower", ONE_SHOT])
def test_a_service_has_the_settings_that_a_fleet_needs(name: str, tmp_path: Path) -> None:
    done = start(name, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "missing", ["DATABASE_URL", "BROKER_URL", "REDIS_URL", "SECRET_KEY", "KEY_PEPPER", "ENCRYPTION_KEYS"]
)
def test_what_a_fleet_needs_is_what_the_services_are_given(missing: str, tmp_path: Path) -> None:
    done = start("worker-send", tmp_path, without=missing)
    assert done.returncode == 1
    assert f"A fleet needs {missing}" in done.stderr


def test_compose_asks_for_what_only_the_operator_knows_and_the_example_names_it() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?set it in \.env\}", TEXT))
    assert asked == set(ASKED_FOR)
    example = env_file(EXAMPLE.read_text())
    assert asked <= set(example)
    assert {name for name, value in example.items() if not value} == asked - {"PUBLIC_URL"}
    assert set(re.findall(r"\$\{(\w+)", TEXT)) - asked == {"PORT", "FLOWER_PORT"}


def test_the_example_sets_declared_variables_only() -> None:
    known = {variable.name for variable in VARIABLES} | {
        "DJANGO_SETTINGS_MODULE",
        "POSTGRES_PASSWORD",
        "RABBITMQ_PASSWORD",
    }
    assert set(env_file_with_marks(EXAMPLE.read_text())) <= known


def test_the_example_counts_the_processes_that_send() -> None:
    sending = [name for name, group in WORKERS.items() if GROUPS[group][0].startswith("send.")]
    assert sorted(sending) == ["worker-bulk", "worker-immediate", "worker-send"]
    total = sum(int(process(name, {}).option("concurrency")) for name in sending)
    assert env_file(EXAMPLE.read_text())["SENDING_PROCESSES"] == str(total)


def test_every_queue_is_served_by_one_worker_of_its_group() -> None:
    served = {name: tuple(process(name, {}).option("queues").split(",")) for name in WORKERS}
    assert served == {name: GROUPS[group] for name, group in WORKERS.items()}
    assert sorted(queue for queues in served.values() for queue in queues) == sorted(bells.QUEUES)


@pytest.mark.parametrize("name", sorted(WORKERS))
def test_a_worker_is_called_after_its_group(name: str) -> None:
    assert process(name, {}).option("hostname") == f"{WORKERS[name]}@%h"


def test_immediate_mail_and_the_sweep_never_wait_for_the_only_process() -> None:
    for name in ("worker-immediate", "worker-maintenance"):
        assert int(process(name, {}).option("concurrency")) >= 2


def test_images_are_pinned_to_a_major_version_and_come_from_no_named_registry() -> None:
    images = {name: SERVICES[name]["image"] for name in STOOD_ON}
    assert images == {"postgres": "postgres:15", "rabbitmq": "rabbitmq:4", "redis": "redis:7"}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^FROM (.*)$", dockerfile, re.MULTILINE) == ["python:3.11-slim"]


def test_all_our_services_run_one_image_built_here() -> None:
    for name in (*OURS, ONE_SHOT):
        assert SERVICES[name]["image"] == "mailgrid"
        assert SERVICES[name]["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}


def test_every_volume_is_declared_and_used() -> None:
    used = {
        volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())
    }
    assert used == set(COMPOSE["volumes"]) == {"postgres", "rabbitmq", "blobs"}


def test_web_and_workers_share_the_blobs_where_the_settings_put_them() -> None:
    where = Path(STORAGES["blobs"]["OPTIONS"]["location"]).relative_to(VAR_DIR)  # type: ignore[index]
    with_blobs = {name for name in OURS if "volumes" in SERVICES[name]}
    assert with_blobs == {"web", *WORKERS}
    for name in with_blobs:
        assert SERVICES[name]["volumes"] == [f"blobs:{environment(name)['VAR_DIR']}/{where}"]


def test_the_image_makes_the_folders_that_containers_write_to() -> None:
    var_dir = environment("web")["VAR_DIR"]
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    uid = re.search(r"--uid (\d+)", dockerfile).group(1)  # type: ignore[union-attr]
    assert f"--mode=0700 {var_dir} {var_dir}/blobs" in dockerfile
    assert "\nUSER mailgrid\n" in dockerfile
    for name in (*OURS, ONE_SHOT):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["tmpfs"] == ["/tmp", f"{var_dir}:uid={uid},gid={uid},mode=0700"]


@pytest.mark.parametrize("name", sorted([*OURS, *STOOD_ON]))
def test_a_service_is_watched_and_started_again(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", PROCESSES)
def test_workers_and_beat_are_asked_for_a_sign_of_life(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"] == ["CMD", "python", "manage.py", "alive", name]


@pytest.mark.parametrize(("name", "port"), [("web", "PORT"), ("flower", "FLOWER_PORT")])
def test_what_people_reach_is_asked_at_its_own_port_and_open_to_this_machine_alone(
    name: str, port: str
) -> None:
    own = environment(name)[port]
    assert [interpolated(entry) for entry in SERVICES[name]["ports"]] == [f"127.0.0.1:{own}:{own}"]
    assert f"http://127.0.0.1:{own}/health" in SERVICES[name]["healthcheck"]["test"][-1]


def test_nothing_else_is_open() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"web", "flower"}


def test_the_address_that_web_is_asked_at_exists() -> None:
    path = re.search(r"127\.0\.0\.1:8000(/\w+)'", SERVICES["web"]["healthcheck"]["test"][-1])
    assert path
    assert resolve(path.group(1)).func.__name__ == "healthz"


def test_workers_have_the_time_to_finish_a_batch() -> None:
    for name in WORKERS:
        assert seconds(SERVICES[name]["stop_grace_period"]) > SOFT_SHUTDOWN_SECONDS


@pytest.mark.parametrize("name", OURS)
def test_nothing_starts_before_the_tables_are_there(name: str) -> None:
    needed = SERVICES[name]["depends_on"]
    assert needed[ONE_SHOT] == {"condition": "service_completed_successfully"}
    assert SERVICES[ONE_SHOT]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES[ONE_SHOT]["restart"] == "no"


def test_a_migration_has_all_the_time_it_takes() -> None:
    assert environment(ONE_SHOT)["DATABASE_URL"].endswith("/mailgrid?options=-c%20statement_timeout%3D0")


def test_redis_writes_nothing_down() -> None:
    assert SERVICES["redis"]["command"] == ["redis-server", "--save", "", "--appendonly", "no"]


def is_left_out(path: str) -> bool:
    patterns = [
        line for line in (BASE_DIR / ".dockerignore").read_text().split("\n") if line and line[0] != "#"
    ]
    names = [path, *(str(parent) for parent in Path(path).parents)]
    return any(
        fnmatch(name, pattern.removeprefix("**/")) or fnmatch(name, pattern)
        for name in names
        for pattern in patterns
    )


def test_the_image_holds_the_product_and_none_of_the_secrets() -> None:
    for app in ("mailgrid", "tenants", "emails", "workers"):
        assert not is_left_out(f"{app}/__init__.py"), app
        assert f"{app}" in (DEPLOY / "Dockerfile").read_text()
    assert not is_left_out("manage.py")
    assert not is_left_out("requirements/base.txt")
    for secret in (
        ".env",
        "deploy/mailgrid.env",
        "var/secrets.json",
        "var/demo.json",
        ".git/config",
        ".venv/bin/python",
    ):
        assert is_left_out(secret), secret


def test_the_static_files_need_no_step_of_their_own() -> None:
    assert settings.WHITENOISE_USE_FINDERS is True
