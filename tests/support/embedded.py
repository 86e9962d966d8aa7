"""An embed in chromium, through a reader's eyes and hands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, expect

PATIENCE = 60_000
EXAMPLES = Path(__file__).resolve().parents[2] / "weights_card" / "streets" / "examples"


class Embedded:
    """The element through a reader's eyes and hands."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        expect(self.part(".size")).to_contain_text("MB")

    def part(self, selector: str) -> Locator:
        return self.page.locator(f"fiancee-embed {selector}")

    def begin(self) -> None:
        self.part(".start").click()
        self.settle()

    def settle(self) -> None:
        """Waits until nothing is being made."""
        expect(self.part(".right")).to_contain_text("ms here", timeout=PATIENCE)
        self.page.wait_for_function(
            "(() => { const one = document.querySelector('fiancee-embed');"
            " return !one.working && one.full; })()"
        )

    def set(self, selector: str, value: str) -> None:
        self.part(selector).evaluate(
            "(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", value
        )
        self.settle()

    def pixels(self, selector: str) -> Any:
        """Red, green and blue of a canvas."""
        script = "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
        size = self.part(selector).evaluate("one => [one.height, one.width]")
        return np.array(self.part(selector).evaluate(script), np.int16).reshape(*size, 4)[..., :3]

    def ids(self) -> Any:
        """The map that is drawn."""
        found = self.page.evaluate("[...document.querySelector('fiancee-embed').drawing.ids]")
        height, width = self.pixels(".map").shape[:2]
        return np.array(found, np.uint8).reshape(height, width)

    @property
    def exit(self) -> int:
        words = self.part(".headline").inner_text()
        found = re.match(r"Exit (\d+)", words)
        return int(found[1]) if found else 0


def shown(result: Any) -> Any:
    return np.asarray(result.image, np.int16)
