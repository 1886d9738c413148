"""The system's Chromium, to look at pages as people's mail readers and browsers do, and to see what pages try.

It runs in a thread of its own: Playwright leaves an event loop behind in its thread, and Django refuses to touch the
database where one runs.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from playwright.sync_api import Browser, Error, Page, Route, sync_playwright

ADDRESS: Final = "http://page.test/"
Result = TypeVar("Result")

# How far the page reaches past its window to the right, the elements that do, and what scripts left behind.
_MEASURE: Final = """() => {
  const over = [...document.querySelectorAll('body *')].filter(
    e => e.getBoundingClientRect().right > window.innerWidth + 0.5).map(e => e.outerHTML.slice(0, 120));
  return {wide: document.documentElement.scrollWidth - window.innerWidth, over, mark: window.mark ?? null};
}"""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What became of a page. `requests` are the addresses it asked for beside its own; nothing answers there."""

    overflow: int
    too_wide: list[str]
    mark: Any
    address: str
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    picture: bytes = b""


class Chromium:
    """One browser for many looks."""

    def __init__(self, thread: ThreadPoolExecutor, browser: Browser) -> None:
        self._thread = thread
        self._browser = browser

    def look(
        self,
        html: str,
        *,
        width: int = 390,
        dark: bool = False,
        headers: Mapping[str, str] | None = None,
        click: tuple[str, ...] = (),
        picture: bool = False,
    ) -> Seen:
        """Open a page that is answered with `html`, click what `click` selects, and tell what is there."""
        asked = (html, width, dark, dict(headers or {}), click, picture)
        return self._thread.submit(self._look, *asked).result()

    def visit(self, work: Callable[[Page], Result], *, width: int) -> Result:
        """What `work` makes of a fresh page, which may go where it likes."""
        return self._thread.submit(self._visit, work, width).result()

    def _visit(self, work: Callable[[Page], Result], width: int) -> Result:
        page = self._browser.new_page(viewport={"width": width, "height": 900})
        try:
            return work(page)
        finally:
            page.close()

    def _look(
        self,
        html: str,
        width: int,
        dark: bool,
        headers: dict[str, str],
        click: tuple[str, ...],
        picture: bool,
    ) -> Seen:
        context = self._browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light"
        )
        try:
            page = context.new_page()
            requests: list[str] = []
            dialogs: list[str] = []
            page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
            context.route("**/*", lambda route: _answer(route, html, headers, requests))
            page.goto(ADDRESS)
            for selector in click:
                _click(page, selector)
            page.wait_for_timeout(300 if click else 50)
            found = page.evaluate(_MEASURE)
            return Seen(
                overflow=found["wide"],
                too_wide=found["over"],
                mark=found["mark"],
                address=page.url,
                requests=requests,
                dialogs=dialogs,
                picture=page.screenshot(full_page=True) if picture else b"",
            )
        finally:
            context.close()


def _click(page: Page, selector: str) -> None:
    """All of them, in the frames of the page or, where it has none, in itself; one that leads away ends it."""
    for frame in page.frames[1:] or page.frames:
        try:
            for found in frame.query_selector_all(selector):
                found.dispatch_event("click")
        except Error:  # where it led is in `requests` and `address`
            continue


def _answer(route: Route, html: str, headers: dict[str, str], requests: list[str]) -> None:
    if route.request.url == ADDRESS:
        route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=headers)
    else:
        requests.append(route.request.url)
        route.abort()


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A running browser; raises where the system has none."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise RuntimeError("These tests need Chromium: apt-get install chromium")
    with ThreadPoolExecutor(1) as thread:
        driver = thread.submit(lambda: sync_playwright().start()).result()
        try:
            browser = thread.submit(
                lambda: driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
            ).result()
            yield Chromium(thread, browser)
            thread.submit(browser.close).result()
        finally:
            thread.submit(driver.stop).result()
