"""What a visitor did stays: in the address bar, on a reload, on *Back*, after a refused upload."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from demo_server import PATIENCE, DemoPage, FacesPage, StreetsPage
from PIL import Image
from playwright.sync_api import Page, Route, expect

from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.result.stored import read_contrast


def state(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for(page: Page, part: str) -> None:
    """The address bar holds a part of a query."""
    page.wait_for_function("part => location.href.includes(part)", arg=part, timeout=PATIENCE)


@contextmanager
def late_map(page: Page) -> Iterator[None]:
    """No map reaches the page before the end."""
    held: list[Route] = []
    page.route("**/map.png", lambda route: held.append(route))
    yield
    for route in held:
        route.continue_()
    page.unroute("**/map.png")


def drawing(screen: StreetsPage) -> bytes:
    with screen.page.expect_download() as download:
        screen.part("save-map").click()
    content = download.value.path().read_bytes()
    with Image.open(io.BytesIO(content)) as picture:
        return picture.convert("RGB").tobytes()


def test_the_address_bar_carries_the_drawing(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, f"{demo_url}/?__theme=light")
    wait_for(page, "example=terrace")
    screen.pick_class("car")
    with screen.new_result():
        screen.stroke((0.3, 0.3), (0.6, 0.7))
    wait_for(page, "map=")
    assert state(page).keys() == {"tab", "map", "budget", "seed", "__theme"}
    assert len(page.url) < 4000
    drawn = drawing(screen)
    page.reload()
    screen.wait_until_measured()
    assert drawing(screen) == drawn
    page.go_back()
    expect(screen.part("examples", ".selected")).to_have_count(1, timeout=PATIENCE)
    wait_for(page, "example=terrace")
    page.wait_for_function("!document.querySelector('#streets-stale p')")
    assert drawing(screen) != drawn
    page.go_forward()
    wait_for(page, "map=")
    screen.page.wait_for_timeout(500)
    page.wait_for_function("!document.querySelector('#streets-stale p')")
    assert drawing(screen) == drawn


def test_the_address_bar_carries_a_map_that_comes_after_its_picture(
    page: Page, demo_url: str
) -> None:
    with late_map(page):
        DemoPage(page, demo_url).wait_until_measured()
        page.wait_for_timeout(500)
        assert not state(page)
    wait_for(page, "example=terrace")
    screen = DemoPage(page, f"{demo_url}/?tab=streets&example=terrace")
    screen.wait_until_measured()
    with late_map(page):
        with screen.new_result():
            screen.pick("examples", 3)
        page.wait_for_timeout(500)
        assert state(page)["example"] == "terrace"
    wait_for(page, "example=avenue")


def test_on_the_way_back_a_late_map_is_no_step(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    with screen.new_result():
        screen.pick_blank()
    wait_for(page, "map=")
    for number, name in ((2, "junction"), (3, "avenue")):
        with screen.new_result():
            screen.pick("examples", number)
        wait_for(page, f"example={name}")
    page.reload()
    screen.wait_until_measured()
    wait_for(page, "example=avenue")
    with late_map(page):
        with screen.new_result():
            page.go_back()
        page.wait_for_timeout(500)
        assert state(page)["example"] == "junction"
    page.wait_for_timeout(500)
    assert state(page)["example"] == "junction"
    with screen.new_result():
        page.go_forward()
    wait_for(page, "example=avenue")


def test_the_address_bar_carries_a_blank_map(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    wait_for(page, "example=terrace")
    with screen.new_result():
        screen.pick_blank()
    wait_for(page, "map=")
    drawn = drawing(screen)
    assert len(set(zip(*[iter(drawn)] * 3, strict=True))) == 1
    page.reload()
    screen.wait_until_measured()
    assert drawing(screen) == drawn
    expect(screen.part("examples", ".selected")).to_have_count(0)


def test_the_address_bar_carries_a_face(page: Page, demo_url: str) -> None:
    screen = FacesPage(page, demo_url)
    with screen.new_result():
        screen.pick("examples", 3)
    wait_for(page, "example=107-neutral")
    with screen.new_result():
        screen.press("yaw", "ArrowRight", 6)
    wait_for(page, "yaw=20")
    with screen.new_result():
        page.go_back()
    expect(screen.part("yaw", "input[type=number]")).to_have_value("14", timeout=PATIENCE)


def test_after_the_eraser_every_class_paints(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    screen.pick_class("building")
    for height, name in ((0.3, "car"), (0.4, "car"), (0.9, "building")):
        screen.part("map").get_by_role("button", name="Erase", exact=True).click()
        screen.part("classes").get_by_label(name, exact=True).click()
        page.wait_for_function("window.editor.current_tool === 'draw'")
        before = drawing(screen)
        screen.stroke((0.3, height), (0.6, height))
        assert drawing(screen) != before


def test_a_picture_that_is_too_large_leaves_the_source(
    page: Page, demo_url: str, tmp_path: Path
) -> None:
    screen = FacesPage(page, demo_url)
    shown = str(screen.part("source", "img").first.get_attribute("src"))
    (tmp_path / "large.png").write_bytes(b"\0" * (11 * 2**20))
    screen.upload("source", tmp_path / "large.png")
    expect(screen.error).to_contain_text("shrink it to 10 MB or less", timeout=PATIENCE)
    expect(screen.part("source", "img").first).to_have_attribute("src", shown)
    expect(screen.part("stale", "p")).to_have_count(0)


def test_every_figure_is_the_same_everywhere(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    card = screen.part("cards", "li.taken")
    taken = str(card.locator("[data-fact=time]").text_content())
    assert taken in screen.part("caption").inner_text()
    row = screen.part("plot", "tbody tr").filter(has_text="taken").locator("td")
    macs, time = (cell.text_content() for cell in row.all()[:2])
    assert time == taken
    assert screen.part("facts", "[data-fact=macs]").first.text_content() == macs
    assert screen.part("facts", "[data-fact=milliseconds]").first.text_content() == time


def test_the_bucket_fills_and_is_taken_back(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    before = drawing(screen)
    screen.part("tools").get_by_role("button", name="Fill").click()
    screen.pick_class("tree")
    canvas = screen.part("map", "canvas").first
    box = canvas.bounding_box()
    assert box is not None
    with screen.new_result():
        canvas.click(position={"x": box["width"] * 0.4, "y": box["height"] * 0.85})
    filled = drawing(screen)
    tree, road = bytes((128, 128, 0)), bytes((128, 64, 128))
    assert pixels_of(filled, tree) > pixels_of(before, tree) + 5000
    assert pixels_of(filled, road) < pixels_of(before, road) - 5000
    with screen.new_result():
        screen.part("map").get_by_role("button", name="Undo").click()
    assert drawing(screen) == before


def pixels_of(picture: bytes, colour: bytes) -> int:
    return sum(picture[at : at + 3] == colour for at in range(0, len(picture), 3))


def test_a_click_on_an_exit_shows_it(page: Page, demo_url: str) -> None:
    screen = StreetsPage(page, demo_url)
    before = screen.sources()[0]
    screen.part("routes").get_by_role("button", name="Show exit 3").click()
    expect(screen.part("headline")).to_contain_text("chosen by hand", timeout=PATIENCE)
    expect(screen.part("routes", "[aria-pressed=true]")).to_contain_text("Exit 3")
    assert screen.sources()[0] != before


def test_of_two_states_at_once_the_last_one_comes(page: Page, demo_url: str) -> None:
    """The first is on its way when the second is asked for."""
    screen = FacesPage(page, f"{demo_url}/?tab=faces")
    states = ["tab=faces&example=107-neutral&yaw=9", "tab=faces&example=008-smile&yaw=-9"]
    page.evaluate(
        """async (states) => {
          for (const state of states) {
            const button = Object.assign(document.createElement('button'), {textContent: state});
            button.dataset.state = state;
            document.body.append(button);
            button.click();
            await new Promise((resolve) => setTimeout(resolve, 150));
          }
        }""",
        states,
    )
    wait_for(page, "example=008-smile")
    wait_for(page, "yaw=-9")
    expect(screen.part("yaw", "input[type=range]")).to_have_value("-9", timeout=PATIENCE)
    screen.wait_until_measured()
    page.wait_for_timeout(500)
    assert state(page)["example"] == "008-smile"


def test_a_clip_of_what_has_changed_meanwhile_is_marked(page: Page, demo_url: str) -> None:
    FacesPage(page, f"{demo_url}/?tab=faces")
    marks = page.evaluate(
        """() => {
          const { clipBegun, clipMade, outdatedClip } = window.fiancee;
          clipBegun('faces');
          const same = clipMade('faces', 'old');
          outdatedClip('faces', 'old');
          const changed = clipMade('faces', 'old');
          clipBegun('faces');
          return [same, changed, clipMade('faces', 'old')];
        }"""
    )
    assert marks == ["", "old", ""]


def test_a_press_on_a_hard_input_loads_it(
    page: Page, demo_url: str, shipped_pipe: StreetsPipeline
) -> None:
    found = read_contrast("streets", shipped_pipe.loaded_from)
    if found is None:
        pytest.skip("No budget tells two examples of these weights apart")
    screen = StreetsPage(page, demo_url)
    with screen.new_result():
        screen.part("contrast").get_by_role("button").last.click()
    hard = found.sides[1]
    # The budget comes with the map, and what was made for the one before is routed anew at the end.
    expect(screen.part("routes", "[aria-pressed=true]")).to_contain_text(
        hard.exit, timeout=PATIENCE
    )
    expect(screen.part("examples", ".selected .caption-label")).to_have_text(
        hard.name.split(",")[0]
    )
    wait_for(page, hard.state.split("&")[1])
