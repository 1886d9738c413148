"""`python -m tests.screenshots`: the pictures in docs/images/templates.

The built-in templates, light and dark, narrow and wide, and the console's preview.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailgrid.settings.test")

import django
from playwright.sync_api import Page

django.setup()

from mailgrid.env import BASE_DIR  # noqa: E402
from templates.installing import Builtin, builtins  # noqa: E402
from templates.rendering import Content, compiled, render  # noqa: E402
from templates.variables import PROVIDED, declared  # noqa: E402
from tests.chromium import Chromium, chromium  # noqa: E402
from tests.live import LiveMailgrid  # noqa: E402

WIDTHS = (390, 800)
FOLDER = BASE_DIR / "docs" / "images" / "templates"


def filled(one: Builtin, data: dict[str, object]) -> str:
    """The HTML that a reader gets."""
    content = Content(
        subject=one.draft.subject,
        html=one.prepared.html,
        text=one.prepared.text,
        variables=declared(one.draft.variables),
    )
    html = render(compiled(content), data, provided=PROVIDED).html
    assert html is not None
    return html


def templates(browser: Chromium) -> None:
    """Each built-in one with its first test data."""
    for one in builtins():
        html = filled(one, next(iter(one.test_data.values())))
        for width in WIDTHS:
            for dark in (False, True):
                seen = browser.look(html, width=width, dark=dark, picture=True)
                _keep(f"{one.name}-{width}-{'dark' if dark else 'light'}.png", seen.picture)


def preview(browser: Chromium, live: LiveMailgrid) -> None:
    """The console's page of a template, in a running Mailgrid."""
    found = live.call("GET", "/api/templates?name=receipt")[1]["data"][0]["id"]
    username, password = live.admin

    def look(page: Page) -> bytes:
        page.goto(f"{live.url}/admin/")
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", password)
        page.click("button[type=submit]")
        page.goto(f"{live.url}/admin/templates/template/{found}/change/")
        page.wait_for_timeout(500)
        return page.screenshot(full_page=True)

    _keep("preview.png", browser.visit(look, width=1680))


def _keep(name: str, picture: bytes) -> None:
    path = FOLDER / name
    path.write_bytes(picture)
    print(path.relative_to(BASE_DIR))


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, TemporaryDirectory() as folder, LiveMailgrid(Path(folder)) as live:
        templates(browser)
        preview(browser, live)


if __name__ == "__main__":
    main()
