"""Links and seeds in a real browser: a state comes back, a seed makes the same picture again."""

from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from demo_server import PATIENCE, DemoPage, FacesPage, StreetsPage
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.label_maps.maps import examples


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    opened.grant_permissions(["clipboard-read", "clipboard-write"])
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def copied(screen: DemoPage) -> str:
    """Presses Copy link; the link, as shown, in the clipboard and in the address bar."""
    screen.part("copy-link").click()
    expect(screen.part("link", "p")).to_contain_text("Copied", timeout=PATIENCE)
    address = str(screen.part("link", "a").get_attribute("href"))
    assert screen.page.evaluate("navigator.clipboard.readText()") == address
    assert screen.page.url == address
    return address


def state(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def value(screen: DemoPage, slider: str) -> float:
    return float(screen.part(slider, "input[type=number]").input_value())


def pictures(screen: DemoPage) -> list[np.ndarray[Any, Any]]:
    return [_pixels(screen, source) for source in screen.sources()]


def _pixels(screen: DemoPage, source: str) -> np.ndarray[Any, Any]:
    content = (
        b64decode(source.partition(",")[2])
        if source.startswith("data:")
        else screen.page.request.get(source).body()
    )
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def same(first: Any, second: Any) -> bool:
    """To the grey level: what is made beside others sums in another order."""
    return all(np.abs(a - b).max() <= 1 for a, b in zip(first, second, strict=True))


def set_number(screen: DemoPage, part: str, number: str) -> None:
    box = screen.part(part, "input[type=number]")
    box.fill(number)
    box.press("Tab")


def test_a_link_brings_example_budget_and_seed_back(
    page: Page, context: BrowserContext, demo_url: str, shipped_pipe: StreetsPipeline
) -> None:
    screen = StreetsPage(page, demo_url)
    with screen.new_result():
        screen.pick_example(5)
    set_number(screen, "budget", "0.05")
    set_number(screen, "seed", "7")
    screen.generate()
    address = copied(screen)
    assert state(address) == {
        "tab": "streets",
        "example": "crossing",
        "budget": "0.05",
        "seed": "7",
    }
    opened = StreetsPage(context.new_page(), address)
    assert (value(opened, "budget"), value(opened, "seed")) == (0.05, 7)
    expect(opened.part("examples", ".selected .caption-label")).to_have_text("Crossing")
    assert same(pictures(opened), pictures(screen))
    expected = shipped_pipe.compare(examples()[4].path, budget=0.05, seed=7)
    assert np.abs(pictures(opened)[0] - np.asarray(expected.early.image, np.int16)).max() <= 1
    # The map in the editor is the link's as well.
    opened.generate()
    assert same(pictures(opened), pictures(screen))
    assert copied(opened) == address


def test_a_link_brings_a_face_and_its_sliders_back(
    page: Page, context: BrowserContext, demo_url: str
) -> None:
    screen = FacesPage(page, demo_url)
    with screen.new_result():
        screen.pick("examples", 3)
    # One event each: between slow key presses the hand would come to rest.
    with screen.new_result():
        set_number(screen, "yaw", "8")
    with screen.new_result():
        set_number(screen, "smile", "0.3")
    set_number(screen, "budget", "0.05")
    expect(screen.part("routes")).to_contain_text("Budget 0.050", timeout=PATIENCE)
    address = copied(screen)
    assert state(address) == {
        "tab": "faces",
        "example": "107-neutral",
        "budget": "0.05",
        "yaw": "8",
        "smile": "0.3",
        "pitch": "-3",
    }
    opened = open_faces(context.new_page(), address)
    assert [value(opened, name) for name in ("yaw", "smile", "pitch", "budget")] == [
        8,
        0.3,
        -3,
        0.05,
    ]
    assert same(pictures(opened), pictures(screen))


def test_a_link_brings_a_driver_back(page: Page, context: BrowserContext, demo_url: str) -> None:
    screen = FacesPage(page, demo_url)
    screen.part("mode").get_by_label("Picture").check()
    with screen.new_result():
        screen.pick("driver-examples", 4)
    address = copied(screen)
    assert state(address) | {"driver": "107-smile"} == state(address)
    opened = open_faces(context.new_page(), address)
    expect(opened.part("mode").get_by_label("Picture")).to_be_checked()
    expect(opened.part("driver", "img").first).to_be_visible(timeout=PATIENCE)
    assert same(pictures(opened), pictures(screen))


def open_faces(page: Page, address: str) -> DemoPage:
    """The page of a link; nobody touches a tab."""
    screen = DemoPage(page, address)
    screen.tab = FacesPage.tab
    screen.wait_until_measured()
    expect(page.get_by_role("tab", name="Faces")).to_have_attribute("aria-selected", "true")
    return screen


def test_the_same_seed_makes_the_same_picture(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    made = []
    for seed in ("3", "4", "3"):
        set_number(screen, "seed", seed)
        screen.generate()
        made.append(pictures(screen))
    assert same(made[0], made[2])
    assert not same(made[0], made[1])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("example=moon", "The link's example 'moon' does not exist: choose one of terrace"),
        ("budget=7&seed=3", "The link's budget '7' is out of range: give 0 to 0.3"),
        ("tab=faces&yaw=99", "The link's yaw '99' is out of range: give -35 to 35"),
    ],
)
def test_a_bad_link_is_answered_plainly_and_the_page_works(
    query: str, message: str, page: Page, demo_url: str, shipped_pipe: StreetsPipeline
) -> None:
    screen = DemoPage(page, f"{demo_url}/?{query}")
    said = page.get_by_role("alert").filter(has_text=message)
    expect(said).to_be_visible(timeout=PATIENCE)
    screen.wait_until_measured()
    expect(said).to_be_visible()
    expect(screen.error).to_have_count(0)
    assert (value(screen, "budget"), value(screen, "seed")) == (0.1, 0)
    screen.generate()
    expected = shipped_pipe.compare(examples()[0].path, budget=0.1, seed=0)
    assert np.abs(pictures(screen)[1] - np.asarray(expected.full.image, np.int16)).max() <= 1
