"""The page for writers without Python, beside what a release hands them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from embedded import PATIENCE, Embedded
from playwright.sync_api import Page, expect
from static_host import hosting

pytest.importorskip("onnxscript")

PAGE = Path(__file__).resolve().parents[2] / "examples" / "embed" / "index.html"


@pytest.fixture(scope="module")
def address(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page, with the folders of both files unpacked beside it."""
    root = tmp_path_factory.mktemp("writer")
    shutil.copyfile(PAGE, root / PAGE.name)
    for name in ("streets-embed", "facades-embed"):
        (root / name).symlink_to(site / "blog" / "streets")
    with hosting(root) as url:
        yield f"{url}/"


@pytest.mark.parametrize("window", [(640, 900), (360, 740)])
def test_element_and_frame_fit_and_run(window: tuple[int, int], page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    element = Embedded(page, address)
    frame = page.frame_locator("iframe").locator("fiancee-embed")
    page.locator("iframe").scroll_into_view_if_needed()
    expect(frame.locator(".size")).to_contain_text("MB", timeout=PATIENCE)
    assert not [url for url in asked if url.endswith((".onnx", ".wasm"))]
    assert Axe().run(page).violations_count == 0
    element.begin()
    frame.locator(".start").click()
    expect(frame.locator(".right")).to_contain_text("ms here", timeout=PATIENCE)
    for root in (page.locator("html"), page.frame_locator("iframe").locator("html")):
        assert root.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    # The frame shows the comparison and the budget without being scrolled.
    below = frame.locator(".budget").evaluate(
        "one => innerHeight - one.getBoundingClientRect().bottom"
    )
    assert below > 0
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {address.split("/")[2]}
