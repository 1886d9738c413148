"""`python -m tests.page_pictures`: the pictures of the page to unsubscribe in docs/images, on a phone and a desktop."""

import tempfile
from pathlib import Path

from mailgrid.env import BASE_DIR
from tests.journeys.live_links import sent
from tests.live import LiveMailgrid
from tests.webpage import webpage

FOLDER = BASE_DIR / "docs" / "images"
WIDTHS = (390, 1280)


def main() -> None:
    """Write them all."""
    with tempfile.TemporaryDirectory() as folder, LiveMailgrid(Path(folder)) as mailgrid:
        for width in WIDTHS:
            url = sent(mailgrid, f"reader{width}@example.com").unsubscribe()
            with webpage(width=width, height=480, scripts=False) as page:
                page.goto(url)
                page.screenshot(path=FOLDER / f"unsubscribe-{width}.png")
                page.click("button")
                page.screenshot(path=FOLDER / f"unsubscribed-{width}.png")


if __name__ == "__main__":
    main()
