"""Connections of each role, on a real server: how many, for how long, and under which limits."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.utils import ConnectionHandler

from mailgrid.core.sql import run
from mailgrid.settings.storage import database

pytestmark = [pytest.mark.services, pytest.mark.django_db]


@pytest.fixture
def connect() -> Iterator[Any]:
    """`connect("web", pool_size=2)`: the connections of a process of that role."""
    opened: list[ConnectionHandler] = []

    def of_role(role: str, **more: Any) -> ConnectionHandler:
        named = {**database(os.environ["DATABASE_URL"], role=role, **more)}
        named["NAME"] = connection.settings_dict["NAME"]
        opened.append(ConnectionHandler({"default": named}))
        return opened[-1]

    yield of_role
    for handler in opened:
        handler["default"].close()
        handler["default"].close_pool()


def ask(handler: ConnectionHandler, sql: str) -> Any:
    with handler["default"].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(("role", "statement"), [("web", "5s"), ("worker", "15s"), ("", "15s")])
def test_limits_hold_in_the_server(connect, role, statement):
    handler = connect(role)
    assert ask(handler, "SHOW statement_timeout") == statement
    assert ask(handler, "SHOW lock_timeout") == "2s"
    assert ask(handler, "SHOW idle_in_transaction_session_timeout") == "30s"
    assert ask(handler, "SHOW application_name") == (f"mailgrid-{role}" if role else "mailgrid")
    assert ask(handler, "SHOW timezone") == "UTC"
    assert ask(handler, "SHOW plan_cache_mode") == "force_generic_plan"


def test_threads_of_a_web_process_share_its_pool(connect):
    """As a WSGI server does it: each thread has a connection for the time of a request."""
    handler = connect("web", pool_size=2)
    start = threading.Barrier(6)

    def requests() -> set[int]:
        start.wait()
        pids = set()
        for _ in range(20):
            pids.add(ask(handler, "SELECT pg_backend_pid()"))
            handler["default"].close_if_unusable_or_obsolete()
            assert handler["default"].connection is None  # given back
        return pids

    with ThreadPoolExecutor(6) as threads:
        seen = [future.result(timeout=30) for future in [threads.submit(requests) for _ in range(6)]]
    assert 1 <= len(set().union(*seen)) <= 2


def test_a_request_that_gets_no_connection_is_told_so(connect):
    handler = connect("web", pool_size=1)
    handler["default"].settings_dict["OPTIONS"]["pool"]["timeout"] = 0.1
    ask(handler, "SELECT 1")

    def other_request() -> None:
        with pytest.raises(OperationalError):
            ask(handler, "SELECT 1")

    with ThreadPoolExecutor(1) as threads:
        threads.submit(other_request).result(timeout=30)


def test_a_pool_gives_out_no_connection_that_the_server_has_closed(connect):
    handler = connect("web", pool_size=1)
    pid = ask(handler, "SELECT pg_backend_pid()")
    handler["default"].close_if_unusable_or_obsolete()
    assert run("SELECT pg_terminate_backend(%s, 5000)", [pid]) == [(True,)]  # and wait until it has ended
    assert ask(handler, "SELECT pg_backend_pid()") != pid


def test_a_pool_of_connections_that_the_server_has_closed_is_renewed(connect):
    handler = connect("web", pool_size=4)

    def held(start: threading.Barrier) -> int:
        pid = ask(handler, "SELECT pg_backend_pid()")
        start.wait()  # until each has one
        handler["default"].close_if_unusable_or_obsolete()
        return pid

    def of_four() -> set[int]:
        start = threading.Barrier(4)
        with ThreadPoolExecutor(4) as threads:
            return {one.result(timeout=30) for one in [threads.submit(held, start) for _ in range(4)]}

    before = of_four()
    for pid in before:
        assert run("SELECT pg_terminate_backend(%s, 5000)", [pid]) == [(True,)]
    after = of_four()
    assert (len(before), len(after), before & after) == (4, 4, set())


def test_a_pooled_connection_goes_round_as_it_is(connect):
    handler = connect("web", pool_size=1)
    pids = set()
    for _ in range(3):
        pids.add(ask(handler, "SELECT pg_backend_pid()"))
        handler["default"].close_if_unusable_or_obsolete()
    assert len(pids) == 1


def test_a_worker_keeps_its_connection_between_tasks(connect):
    handler = connect("worker")
    pid = ask(handler, "SELECT pg_backend_pid()")
    handler["default"].close_if_unusable_or_obsolete()
    assert ask(handler, "SELECT pg_backend_pid()") == pid
