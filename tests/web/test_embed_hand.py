"""Hand and keys on an embed's map, in a page without a model."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from fiancee_hub.web.embed import STATIC

STUB = """
window.done = [];
const note = (name) => (...values) => done.push([name, ...values.flat().map(Math.round)]);
const drawing = { mark: () => {}, stroke: note("stroke"), fill: note("fill") };
const part = () => ({ checked: false });
const embed = { drawing, part, radius: 5, chosen: 1, changed: () => {}, paintMap: () => {} };
const map = document.querySelector("canvas");
listenToHand(embed, map);
listenToKeys(embed, map);
"""


@pytest.fixture
def map_alone(page: Page) -> Iterator[Page]:
    """A page with a map of 100x100 pixels at its corner; ``done`` notes what is drawn."""
    page.set_content(
        "<body style='margin: 0'><canvas width=100 height=100 tabindex=0 style='display: block'>"
    )
    hand = (STATIC / "hand.js").read_text(encoding="utf-8")
    page.add_script_tag(content=hand + STUB, type="module")
    page.wait_for_function("window.done")
    yield page


def drawn(page: Page) -> list[list[object]]:
    found: list[list[object]] = page.evaluate("done.splice(0)")
    return found


def touch(page: Page, kind: str, finger: int, x: int) -> None:
    script = """([kind, finger, x]) => {
      const canvas = document.querySelector("canvas");
      canvas.setPointerCapture = () => {};
      const at = { clientX: x, clientY: 50, button: 0 };
      const values = { ...at, pointerId: finger, isPrimary: finger === 1 };
      canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, cancelable: true, ...values }));
    }"""
    page.evaluate(script, [kind, finger, x])


def test_a_second_finger_draws_nothing(map_alone: Page) -> None:
    touch(map_alone, "pointerdown", 1, 10)
    touch(map_alone, "pointerdown", 2, 90)
    touch(map_alone, "pointermove", 2, 80)
    touch(map_alone, "pointermove", 1, 20)
    touch(map_alone, "pointerup", 2, 80)
    touch(map_alone, "pointermove", 1, 30)
    touch(map_alone, "pointerup", 1, 30)
    touch(map_alone, "pointermove", 1, 60)
    places = [[one[1], one[3]] for one in drawn(map_alone)]
    assert places == [[10, 10], [10, 20], [20, 30]]


def test_only_the_main_button_draws(map_alone: Page) -> None:
    map_alone.mouse.move(50, 50)
    for button in ("right", "middle"):
        map_alone.mouse.down(button=button)
        map_alone.mouse.up(button=button)
    assert drawn(map_alone) == []
    map_alone.mouse.click(50, 50)
    assert len(drawn(map_alone)) == 1


@pytest.mark.parametrize("keys", ["Control+f", "Meta+F", "Alt+ArrowLeft"])
def test_keys_of_the_browser_stay_its_own(keys: str, map_alone: Page) -> None:
    script = """window.kept = null;
      addEventListener("keydown", (event) => { window.kept = event.defaultPrevented; });"""
    map_alone.evaluate(script)
    map_alone.locator("canvas").focus()
    map_alone.keyboard.press(keys)
    assert map_alone.evaluate("kept") is False and drawn(map_alone) == []
    map_alone.keyboard.press("f")
    assert map_alone.evaluate("kept") is True and drawn(map_alone)[0][0] == "fill"


def test_the_edge_goes_with_the_hand_in_a_page_from_right_to_left(page: Page) -> None:
    html, css = ((STATIC / f"element.{kind}").read_text("utf-8") for kind in ("html", "css"))
    page.set_content(f"<html dir=rtl><style>{css}</style>{html}")
    page.evaluate("document.querySelector('.tool').hidden = false")
    page.locator(".edge").evaluate("one => { one.style.height = '20px' }")
    page.locator(".pair").evaluate("one => { one.style.height = '20px' }")
    page.locator(".edge").click(position={"x": 10, "y": 10})
    assert int(page.locator(".edge").input_value()) < 20


@pytest.mark.parametrize("seed", ["1e999", "9" * 30, "-3", "nothing", "7.9"])
def test_a_links_seed_is_one_that_the_model_takes(seed: str, page: Page) -> None:
    host = "http://embed.example"
    page.route(
        f"{host}/*", lambda route: route.fulfill(path=STATIC / route.request.url[len(host) + 1 :])
    )
    page.route(f"{host}/", lambda route: route.fulfill(body="", content_type="text/html"))
    page.goto(f"{host}/")
    script = """async (text) => {
      await import("/fiancee-embed.js");
      const { noise } = await import("/random.js");
      const drawing = { unpack: () => true };
      const embed = { classes: [{ id: 0 }], exits: 3, weights: "", drawing };
      customElements.get("fiancee-embed").prototype.readState.call(embed, text);
      return [...noise(embed.seed, 20)].every(Number.isFinite);
    }"""
    assert page.evaluate(script, f"map=AA&seed={seed}")
