"""Parts of the page in frames, a phone held sideways, large text, and a keyboard for a hand."""

import io
from collections.abc import Callable

import pytest
from demo_server import PATIENCE, DemoPage, FacesPage, StreetsPage
from PIL import Image
from playwright.sync_api import Page, expect

from space.page.embedding import COMPACT, FIGURE, View

TABS = ("streets", "faces")
MOST_STOPS = 25

CLIPPED = """() => {
  const found = [];
  const hidden = '.unseen, .sr-only, svg, .visually-hidden, .block-label';
  for (const one of document.querySelectorAll('.fiancee *')) {
    if (!one.checkVisibility({ visibilityProperty: true }) || one.closest(hidden)) continue;
    const says = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
    if (![...one.childNodes].some(says)) continue;
    const range = document.createRange();
    range.selectNodeContents(one);
    const text = range.getBoundingClientRect();
    for (let box = one; box && !box.matches('.gradio-container'); box = box.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(box);
      if (overflowX === 'visible' && overflowY === 'visible') continue;
      if ([overflowX, overflowY].some((kind) => ['auto', 'scroll'].includes(kind))) break;
      const { left, right, bottom } = box.getBoundingClientRect();
      if (text.right > right + 2 || text.left < left - 2 || text.bottom > bottom + 3) {
        found.push(`${one.textContent.trim().slice(0, 40)} in ${box.className}`);
        break;
      }
    }
  }
  return found;
}"""


def opened(page: Page, url: str, tab: str) -> DemoPage:
    """A tab whose exits are all measured, whatever of it is visible."""
    screen = DemoPage(page, url, tab)
    complete = screen.part("routes", ".chain[data-complete=true]")
    expect(complete).to_be_attached(timeout=PATIENCE)
    expect(screen.part("pictures", "img").first).to_be_visible(timeout=PATIENCE)
    return screen


def clipped(page: Page) -> list[str]:
    """Texts cut off once Gradio has measured the tabs anew, which a busy machine does late."""
    for _ in range(60):
        page.wait_for_timeout(500)
        found: list[str] = page.evaluate(CLIPPED)
        if not found:
            break
    return found


@pytest.mark.parametrize("view", [COMPACT, FIGURE], ids=lambda view: view.name)
@pytest.mark.parametrize("tab", TABS)
def test_a_view_fits_its_frame(tab: str, view: View, demo_url: str, page: Page) -> None:
    page.set_viewport_size({"width": 640, "height": view.height})
    screen = opened(page, f"{demo_url}/?tab={tab}&view={view.name}&budget=0.05", tab)
    for width in (640, 390, 340):
        page.set_viewport_size({"width": width, "height": view.height})
        page.wait_for_timeout(500)
        size = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert size == [width, view.height]
        for name in ("headline", "pictures", "caption"):
            expect(screen.part(name)).to_be_in_viewport(ratio=1)
        if view is COMPACT:
            expect(screen.part("routes")).to_be_in_viewport(ratio=0.99)
    controls = page.locator("button, input").all()
    assert any(one.is_visible() for one in controls) == (view is COMPACT)


@pytest.mark.parametrize("window", [(667, 375)])
@pytest.mark.parametrize("kind", [StreetsPage, FacesPage])
def test_a_phone_held_sideways_has_picture_and_input_side_by_side(
    kind: Callable[[Page, str], DemoPage], demo_url: str, page: Page
) -> None:
    screen = kind(page, demo_url)
    source = screen.part("map" if kind is StreetsPage else "source")
    source.evaluate("element => element.scrollIntoView({block: 'center'})")
    expect(source).to_be_in_viewport(ratio=0.99)
    expect(screen.part("pictures")).to_be_in_viewport(ratio=0.6)
    left, right = screen.part("pictures").bounding_box(), source.bounding_box()
    assert left and right and left["x"] + left["width"] <= right["x"]


@pytest.mark.parametrize("tab", TABS)
def test_text_of_twice_the_size_is_cut_off_nowhere(tab: str, demo_url: str, page: Page) -> None:
    opened(page, f"{demo_url}/?tab={tab}", tab)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    for width in (1280, 640, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert clipped(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("kind", [StreetsPage, FacesPage])
def test_figures_of_all_exits_stay_in_their_cards(
    kind: Callable[[Page, str], DemoPage], demo_url: str, page: Page
) -> None:
    screen = kind(page, demo_url)
    outside = """(cards) => cards.flatMap((card) => {
      const right = card.getBoundingClientRect().right;
      return [...card.querySelectorAll('dt, dd, h3')]
        .filter((part) => part.getBoundingClientRect().right > right)
        .map((part) => part.textContent);
    })"""
    for width in (1280, 1000, 640, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert screen.part("cards", "li").evaluate_all(outside) == []


def test_a_small_phone_shows_every_tab(demo_url: str, page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    StreetsPage(page, demo_url)
    for name in ("Streets", "Faces", "How it works"):
        expect(page.get_by_role("tab", name=name)).to_be_visible()


@pytest.mark.parametrize("tab", TABS)
def test_few_stops_lead_to_the_result(tab: str, demo_url: str, page: Page) -> None:
    screen = opened(page, f"{demo_url}/?tab={tab}", tab)
    page.evaluate("document.activeElement.blur()")
    edge = screen.part("pictures").get_by_role("slider")
    stops = 0
    while stops <= MOST_STOPS and not edge.evaluate("one => one === document.activeElement"):
        page.keyboard.press("Tab")
        stops += 1
    assert stops <= MOST_STOPS


def test_arrow_keys_go_through_a_group(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, demo_url)
    screen.part("classes").get_by_label("sky", exact=True).focus()
    page.keyboard.press("ArrowRight")
    second = screen.part("classes", "input").nth(1)
    expect(second).to_be_focused()
    expect(second).to_be_checked()
    page.keyboard.press("Home")
    expect(screen.part("classes").get_by_label("sky", exact=True)).to_be_checked()
    exits = screen.part("routes").get_by_role("toolbar").get_by_role("button")
    exits.first.focus()
    page.keyboard.press("End")
    expect(exits.last).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(exits.first).to_be_focused()
    for group in (exits, screen.part("examples").get_by_role("button")):
        stops = [one.get_attribute("tabindex") for one in group.all()]
        assert stops.count("0") == 1 and set(stops) == {"0", "-1"}


def test_the_map_is_changed_by_keys(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, demo_url)
    before = saved_map(screen)
    screen.pick_class("tree")
    canvas = screen.part("map", "canvas").first
    canvas.focus()
    page.keyboard.press("ArrowDown")
    said = screen.part("tools", "output")
    expect(said).to_contain_text("row 104", timeout=PATIENCE)
    expect(screen.part("map", ".map-cursor")).to_be_visible()
    with screen.new_result():
        page.keyboard.press("Enter")
    filled = saved_map(screen)
    assert filled != before
    expect(said).to_contain_text("tree")
    screen.pick_class("car")
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    with screen.new_result():
        page.keyboard.press("Space")
    assert saved_map(screen) != filled
    expect(said).to_contain_text("car")


def saved_map(screen: StreetsPage) -> bytes:
    with screen.page.expect_download() as download:
        screen.part("save-map").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as picture:
        return picture.convert("RGB").tobytes()


def test_the_outcome_is_announced(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, demo_url)
    said = page.locator(".said[role=status]")
    expect(said).to_contain_text("budget", timeout=PATIENCE)
    screen.part("routes").get_by_role("button", name="Show exit 3").click()
    expect(said).to_contain_text("Exit 3 of", timeout=PATIENCE)
    expect(said).to_contain_text("chosen by hand")
