"""A running Mailgrid and the links of its mail: bursts of hits, and the page to unsubscribe in a real browser."""

import http.client
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page

from emails.tracking.links import OwnLinks
from tests.journeys.live_links import counted, sent
from tests.journeys.tracked import FIREFOX
from tests.live import LiveMailgrid, wait_until
from tests.webpage import webpage

TARGET = "https://shop.example.com/p?id=1"
PHONE, DESKTOP = 390, 1280


@pytest.fixture(scope="module")
def mailgrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMailgrid]:
    with LiveMailgrid(tmp_path_factory.mktemp("links")) as running:
        yield running


def burst(mailgrid: LiveMailgrid, links: OwnLinks, *, of_each: int) -> Counter[int]:
    """That many opens and as many clicks over eight connections; the statuses of the answers."""

    def some(count: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        with closing(http.client.HTTPConnection("127.0.0.1", mailgrid.port, timeout=60)) as connection:
            for url in [links.pixel(), links.click(TARGET) or ""] * count:
                connection.request("GET", url.removeprefix(mailgrid.url), headers={"User-Agent": "burst"})
                answer = connection.getresponse()
                answer.read()
                seen[answer.status] += 1
        return seen

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(some, [of_each // 8] * 8), Counter())


# ---- Bursts ---------------------------------------------------------------------------------------------------------


def test_a_burst_of_hits_costs_no_error_and_loses_none(mailgrid: LiveMailgrid) -> None:
    links = sent(mailgrid, "burst@example.com")
    assert burst(mailgrid, links, of_each=1_000) == {200: 1_000, 302: 1_000}
    wait_until(lambda: counted(mailgrid, links) == (1_000, 1_000))


def test_hits_that_come_while_the_database_is_locked_wait_for_it(mailgrid: LiveMailgrid) -> None:
    links = sent(mailgrid, "locked@example.com")
    with closing(sqlite3.connect(mailgrid.var_dir / "mailgrid.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert burst(mailgrid, links, of_each=80) == {200: 80, 302: 80}
        wait_until(lambda: "tracking.hits.waiting" in mailgrid.log)
        assert counted(mailgrid, links) == (0, 0)
        other.execute("ROLLBACK")
    wait_until(lambda: counted(mailgrid, links) == (80, 80))


def test_hits_of_the_last_moment_are_recorded_before_the_process_ends(tmp_path: Path) -> None:
    with LiveMailgrid(tmp_path) as running:
        links = sent(running, "late@example.com")
        assert burst(running, links, of_each=80) == {200: 80, 302: 80}
        assert running.stop().code == 0
        assert counted(running, links) == (80, 80)


# ---- The page -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that runs no scripts."""
    with webpage(width=request.param, scripts=False) as opened:
        yield opened


def heading(page: Page) -> str:
    return page.inner_text("h1")


def fits(page: Page) -> bool:
    """Nothing is wider than the window, and what is to be pressed is large enough for a thumb."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    boxes = [one.bounding_box() for one in page.query_selector_all("main, h1, p, button")]
    button = page.query_selector("button")
    pressed = button.bounding_box() if button else None
    return (
        all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        and pressed is not None
        and pressed["height"] >= 44
    )


def test_a_person_unsubscribes_and_subscribes_again(mailgrid: LiveMailgrid, page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    links = sent(mailgrid, f"reader{width}@example.com")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(links.unsubscribe())
    assert heading(page) == "Unsubscribe?"
    assert "r•••@example.com" in page.inner_text("main")
    assert fits(page)
    page.click("button")
    assert heading(page) == "You are unsubscribed"
    assert fits(page)
    page.goto(links.unsubscribe())
    assert heading(page) == "You are already unsubscribed"
    code, listed = mailgrid.call("GET", f"/api/suppressions/reader{width}@example.com")
    assert (code, listed["origin"], listed["scope"]) == (200, "unsubscribe", "stream")
    page.click("button")
    assert heading(page) == "You are subscribed again"
    assert mailgrid.call("GET", f"/api/suppressions/reader{width}@example.com")[0] == 404
    assert complaints == []
    assert page.context.cookies() == []


def test_a_broken_link_says_so(mailgrid: LiveMailgrid) -> None:
    with webpage(width=PHONE) as page:
        answer = page.goto(f"{mailgrid.url}/u/broken")
        assert answer is not None
        assert answer.status == 400
        assert heading(page) == "This link does not work"


def test_somebody_opens_a_mail_in_a_browser_and_clicks(mailgrid: LiveMailgrid) -> None:
    """The copy that arrived; its link leads to a page of our own here, so that nothing leaves the machine."""
    target = f"{mailgrid.url}/healthz"
    code, accepted = mailgrid.call(
        "POST",
        "/api/emails",
        {
            "from": mailgrid.sender,
            "to": ["browser@example.com", "other@example.com"],
            "subject": "News",
            "html": f'<p><a href="{target}">News</a></p>',
            "track_opens": True,
            "track_clicks": True,
        },
    )
    assert code == 200, accepted
    mailgrid.settled(accepted["id"])
    time.sleep(2.5)  # who comes sooner is taken for a scanner
    (copy,) = [one for one in mailgrid.journal(accepted["id"]) if one.recipients == ["browser@example.com"]]
    with webpage() as page:
        page.set_extra_http_headers(
            {"User-Agent": FIREFOX}
        )  # a browser without a window says that it is a robot
        page.set_content(copy.html or "")
        page.wait_for_function("document.images[0].complete && document.images[0].naturalWidth === 1")
        page.click("a")
        page.wait_for_url(target)
        assert page.evaluate("document.referrer") == ""

    def told() -> list[tuple[str, str, str]]:
        _, answer = mailgrid.call("GET", f"/api/emails/{accepted['id']}/events?limit=100")
        return [
            (one["type"], one["data"]["recipient"], one["data"][kind]["class"])
            for one in answer["data"]
            for kind in ("open", "click")
            if kind in one["data"]
        ]

    wait_until(lambda: len(told()) == 2)
    assert sorted(told()) == [
        ("email.clicked", "browser@example.com", "human"),
        ("email.opened", "browser@example.com", "human"),
    ]
    assert mailgrid.settled(accepted["id"])["last_event"] == "clicked"
