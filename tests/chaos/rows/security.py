"""A: forged events and headers, and secrets. Most of it are ordinary tests; what needs a fleet is here."""

import json
import subprocess
import urllib.error
import urllib.request
from collections import defaultdict
from typing import Any

from tests.chaos import probes
from tests.chaos.case import Case
from tests.chaos.fleet import SECRET, TRANSPORT
from tests.chaos.registry import row
from tests.fakes.ses import SnsIdentity

_SES = "tests/integration/test_ses_delivery.py"
_BAD = "tests/journeys/test_bad_input.py"
_COMPOSE = "tests/unit/emails/composition/test_compose.py"


@row("A12", budget=90)
def a12(case: Case) -> None:
    """Forged notifications are refused or stored raw and never applied; no URL of theirs is fetched."""
    case.run_tests(
        "tests/unit/workers/test_sns.py",
        f"{_SES}::test_a_forged_notification_changes_nothing",
        f"{_SES}::test_another_topic_and_another_secret_are_refused_at_the_door",
    )


@row("A13", budget=90)
def a13(case: Case) -> None:
    """A genuine notification is replayed: applied once; an old request to confirm a subscription is refused."""
    case.submit(10)
    case.settle()
    body = case.fleet.rows("SELECT body FROM emails_notification ORDER BY id LIMIT 1")[0][0]
    facts = "SELECT count(*) FROM emails_event"
    known = case.fleet.rows(facts)
    assert {_post(case, body) for _ in range(case.size(1_000))} == {200}
    identity = SnsIdentity.load_or_make(case.rig.identity, region="eu-west-1")
    request = identity.subscription_confirmation(topic_arn=case.ses.topic_arn, token="x" * 64)
    old = identity.sign(request | {"Timestamp": "2024-01-01T00:00:00.000Z"}, version="1")
    confirmed = case.ses.counters().get("subscriptions.refused", 0)
    assert _post(case, json.dumps(old)) == 200
    assert case.judge().dups == 0
    assert case.fleet.rows(facts) == known
    assert case.ses.counters().get("subscriptions.refused", 0) == confirmed
    told = case.fleet.rows("SELECT result FROM emails_notification WHERE state = 'refused'")
    assert told == [("the request to confirm is older than an hour",)]


@row("A14", budget=60)
def a14(case: Case) -> None:
    """A subscription is confirmed by SNS's API for a topic that is ours, and for no other one."""
    case.run_tests(
        f"{_SES}::test_a_subscription_to_another_topic_is_not_confirmed",
        "tests/contracts/test_ses_faults.py::test_a_subscription_is_confirmed_by_the_api",
        "tests/unit/workers/test_sns.py::test_a_subscription_in_another_region_is_not_confirmed",
    )


@row("A15", budget=90)
def a15(case: Case) -> None:
    """Tags and headers that are ours are refused; an account's events tell nothing about another tenant's mail."""
    case.run_tests(
        f"{_BAD}::test_headers_that_are_not_the_senders_to_write",
        f"{_BAD}::test_tags_that_are_ours",
        f"{_COMPOSE}::test_a_reserved_field_in_the_envelope_is_refused",
        f"{_SES}::test_an_account_tells_nothing_about_another_tenants_mail",
    )


@row("A16", budget=90)
def a16(case: Case) -> None:
    """Nothing that a tenant writes becomes a header line of its own; the finished bytes are read again."""
    case.run_tests(_COMPOSE, f"{_BAD}::test_a_line_end_in_what_becomes_a_header_is_refused")


@row("A30", budget=90)
def a30(case: Case) -> None:
    """Database, logs, Redis and bells hold no key and no secret in clear, and nothing of sensitive mail."""
    code = f"one-time code {case.random.getrandbits(64)}"
    who = case.fleet.senders[0]
    stream = {"name": f"codes{case.once}", "sensitive": True, "transport": TRANSPORT}
    case.fleet.expect(201, "POST", "/api/streams", stream, key=who.key)
    case.sleep(6)  # web processes ask for a tenant's streams every five seconds
    case.freeze("worker-send")
    case.load.submit(5, batch=1, senders=[who], stream=stream["name"], html=f"<p>{code}</p>", subject=code)
    case.submit(20, batch=1)
    bells = case.wait(lambda: case.broker.peek("send.high"))
    case.thaw("worker-send")
    assert case.judge().dups == 0
    written = {
        **_dump(case.fleet.database_url),
        "logs": "".join(path.read_text(errors="replace") for path in case.fleet.directory.glob("*.log")),
        "redis": probes.everything_in_redis(case),
        "bells": bells,
    }
    secrets = {"SES key": SECRET, "API key": who.key, "mail": code}
    secrets |= {name: value for name, value in case.fleet.secrets.items() if len(value) > 15}
    found = [
        f"{what} in {where}"
        for what, secret in secrets.items()
        for where, text in written.items()
        if secret in text
    ]
    assert not found, found
    assert who.recipients not in bells
    case.tell(bytes=sum(map(len, written.values())))


def _dump(database_url: str) -> dict[str, str]:
    """Everything that the database holds, as text, by table."""
    words = ["pg_dump", "--data-only", "--inserts", database_url]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    tables: dict[str, str] = defaultdict(str)
    table = ""
    for line in done.stdout.splitlines():  # values have lines of their own
        table = line.split()[2] if line.startswith("INSERT INTO public.") else table
        tables[table] += line
    assert "public.emails_message" in tables
    return tables


def _post(case: Case, body: str) -> int:
    """The status with which our ingress answers a notification."""
    request: Any = urllib.request.Request(case.fleet.hook_url, data=body.encode(), method="POST")
    request.add_header("Content-Type", "text/plain; charset=UTF-8")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
