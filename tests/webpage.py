"""A page in the system's Chromium, for what only a browser can tell."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright


@contextmanager
def webpage(*, width: int = 1280, height: int = 844, scripts: bool = True) -> Iterator[Page]:
    """A new page of this size (CSS pixels), closed at the end. `scripts` says whether JavaScript runs."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        yield chromium.new_page(viewport={"width": width, "height": height}, java_script_enabled=scripts)
        chromium.close()
