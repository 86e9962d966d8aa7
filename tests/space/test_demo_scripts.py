"""The page's scripts and styles by themselves, in a browser without a server."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from space.label_maps import screen as label_maps
from space.page.scripts import STYLES
from space.result import chain, comparison
from space.result.network import Network

NETWORK = Network(3, (1, 2), (0.3, 0.5), (1 / 61,) * 61, "street", (0.1, 0.4, 1.0))

MAP = """<body><div style="height: 400px"></div>
<div class="label-map-screen" id="streets-screen"><div class="label-map" id="streets-map">
<div class="pixi-target"><canvas width="64" height="32"></canvas></div></div>
<div id="streets-classes"><input type="radio" value="sky" checked></div>
<div id="streets-tools"><div class="map-tools" data-colours='["#000000"]'>
<button data-tool="fill" aria-pressed="false"></button><output></output></div></div>
</div><div style="height: 3000px"></div>"""

EDITOR = """() => {
  window.done = [];
  const point = (at) => ({ x: at.x, y: at.y });
  const editor = {
    width: 64, height: 32, background_image: {}, app: { screen: { width: 64, height: 32 } },
    image_container: { toGlobal: point, toLocal: point },
  };
  Object.assign(window.fiancee, { editorOf: () => editor });
  const later = (value) => new Promise((resolve) => setTimeout(() => resolve(value), 20));
  window.fiancee.places = () => later(new Uint8Array(64 * 32));
  window.fiancee.fill = (tab, x, y) => later().then(() => done.push([x, y]));
}"""

CHAIN = """<body><div class="gradio-container"><div class="fiancee">
<div id="streets-routes">{chain}</div></div></div>"""

NOTE = """() => {
  window.kept = null;
  addEventListener("keydown", (event) => { window.kept = event.defaultPrevented; });
}"""


def add(page: Page, *scripts: Path) -> None:
    for script in scripts:
        page.add_script_tag(content=script.read_text(encoding="utf-8"))


@pytest.fixture
def drawing(page: Page) -> Page:
    """A map of 64x32 pixels in a page that scrolls, with the focus."""
    page.set_content("<body>")
    add(page, *(one for one in label_maps.DRAWING if one.name == "paint.js"))
    page.evaluate(EDITOR)
    page.evaluate("html => { document.body.innerHTML = html }", MAP)
    page.locator("canvas[role=application]").focus()
    page.evaluate(NOTE)
    return page


@pytest.mark.parametrize("key", ["Space", "Enter", "ArrowDown"])
def test_keys_that_draw_do_not_scroll_the_page(key: str, drawing: Page) -> None:
    before = drawing.evaluate("scrollY")
    drawing.keyboard.press(key)
    drawing.wait_for_timeout(300)  # Pages scroll smoothly.
    assert drawing.evaluate("scrollY") == before and drawing.evaluate("kept") is True


@pytest.mark.parametrize("keys", ["Alt+ArrowLeft", "Control+Enter"])
def test_a_map_leaves_the_browser_its_keys(keys: str, drawing: Page) -> None:
    drawing.keyboard.press(keys)
    assert drawing.evaluate("kept") is False and drawing.evaluate("done") == []


def chain_alone(page: Page) -> None:
    page.set_content(CHAIN.format(chain=chain.empty(NETWORK)))
    add(page, *(one for one in comparison.SCRIPTS if one.name == "chain.js"))


def test_a_chain_leaves_the_browser_its_keys(page: Page) -> None:
    chain_alone(page)
    page.evaluate(NOTE)
    page.locator(".track").focus()
    page.keyboard.press("Alt+ArrowLeft")
    assert page.evaluate("kept") is False


def test_the_page_keeps_its_direction_in_one_from_right_to_left(page: Page) -> None:
    chain_alone(page)
    for path in STYLES:
        page.add_style_tag(content=path.read_text(encoding="utf-8"))
    page.evaluate("document.documentElement.dir = 'rtl'")
    script = "all => all.map((one) => one.getBoundingClientRect().x)"
    places = page.locator(".chain .exit").evaluate_all(script)
    assert places == sorted(places)
