"""What the page shows is what was asked: links, new inputs, marks, and a server that is gone."""

import io
import os
import re
import signal
from pathlib import Path

import pytest
from demo_fixtures import save_street_checkpoint
from demo_server import (
    PATIENCE,
    DemoPage,
    FacesPage,
    StreetsPage,
    running,
)
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from space.label_maps.maps import examples

OPENS = 4
"""Of each link, at random delays."""


def saved_map(screen: StreetsPage) -> bytes:
    with screen.page.expect_download() as download:
        screen.part("save-map").click()
    return download.value.path().read_bytes()


def pixels(content: bytes | Path) -> bytes:
    file = content if isinstance(content, Path) else io.BytesIO(content)
    with Image.open(file) as picture:
        return picture.convert("RGB").tobytes()


LATE = """(() => {
  const fetched = window.fetch;
  let state = %d;
  window.fetch = async (...request) => {
    state = (state * 16807) %% 2147483647;
    await new Promise((resolve) => setTimeout(resolve, state %% 150));
    return fetched(...request);
  };
})()"""
"""Every request waits a while, another one in each opening."""


@pytest.mark.parametrize("opening", range(OPENS))
def test_a_link_opens_with_its_own_map(opening: int, demo_url: str, page: Page) -> None:
    page.add_init_script(LATE % (opening + 1))
    screen = StreetsPage(page, f"{demo_url}/?tab=streets&example=crossing&seed=7")
    expect(screen.part("examples", ".selected .caption-label")).to_have_text("Crossing")
    expect(screen.part("seed", "input")).to_have_value("7")
    assert pixels(saved_map(screen)) == pixels(examples()[4].path)


@pytest.mark.parametrize("opening", range(OPENS // 2))
def test_a_link_opens_with_its_own_face(opening: int, demo_url: str, page: Page) -> None:
    page.add_init_script(LATE % (opening + 1))
    screen = DemoPage(page, f"{demo_url}/?tab=faces&example=107-neutral&yaw=8", "faces")
    screen.wait_until_measured()
    expect(screen.part("yaw", "input[type=number]")).to_have_value("8")
    expect(screen.part("stale", "p")).to_have_count(0)


def test_the_first_tab_waits_where_a_link_opens_another(demo_url: str, page: Page) -> None:
    """Nothing is rendered for a tab that nobody sees; once it is opened it begins as ever."""
    faces = DemoPage(page, f"{demo_url}/?tab=faces&example=107-neutral&yaw=8", "faces")
    faces.wait_until_measured()
    complete = page.locator("#streets-routes .chain[data-complete=true]")
    expect(complete).to_have_count(0)
    expect(page.locator("#streets-examples .selected")).to_have_count(0)
    for _ in range(2):
        page.get_by_role("tab", name="Streets").click()
        expect(complete).to_be_visible(timeout=PATIENCE)
        expect(page.locator("#streets-examples .selected")).to_have_count(1)
        expect(page).to_have_url(re.compile("tab=streets"))
        page.get_by_role("tab", name="Faces").click()
        expect(page).to_have_url(re.compile("tab=faces"))


def test_a_link_to_no_tab_leaves_the_first_one_as_it_is(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, f"{demo_url}/?tab=nowhere")
    screen.wait_until_measured()
    # It stays: a message that is gone within a second helps nobody.
    expect(page.get_by_role("alert").filter(has_text="no tab 'nowhere'")).to_be_visible()


def test_another_map_or_seed_renders_at_once(demo_url: str, page: Page, tmp_path: Path) -> None:
    screen = StreetsPage(page, demo_url)
    with screen.new_result():
        screen.pick_example(3)
    with screen.new_result():
        screen.part("new-seed").click()
    with screen.new_result():
        screen.pick_blank()
    path = tmp_path / "map.png"
    path.write_bytes(examples()[1].path.read_bytes())
    with screen.new_result():
        screen.upload(path)
    with screen.new_result():
        screen.part("map").get_by_role("button", name="Clear canvas").click()
    with screen.new_result():
        screen.part("seed", "input").fill("5")
        screen.part("seed", "input").press("Enter")
    expect(screen.part("stale", "p")).to_have_count(0)


def test_what_nobody_renders_is_marked(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, demo_url)
    mark = screen.part("stale", "p")
    screen.part("seed", "input").fill("5")
    expect(mark).to_contain_text("Out of date")
    screen.generate()
    expect(mark).to_have_count(0)
    screen.part("live-wanted", "input").uncheck()
    screen.pick_class("building")
    screen.stroke((0.3, 0.3), (0.6, 0.7))
    expect(mark).to_contain_text("Generate")
    screen.generate()
    expect(mark).to_have_count(0)


def test_the_picture_of_a_person_who_is_gone_is_marked(demo_url: str, page: Page) -> None:
    screen = FacesPage(page, demo_url)
    screen.part("source").get_by_role("button", name="Remove Image").or_(
        screen.part("source").get_by_role("button", name="Clear")
    ).first.click()
    expect(screen.part("stale", "p")).to_contain_text("There is no source", timeout=PATIENCE)
    with screen.new_result():
        screen.pick("examples", 3)
    expect(screen.part("stale", "p")).to_have_count(0)
    screen.part("mode").get_by_label("Picture").check()
    expect(screen.part("stale", "p")).to_contain_text("There is no driver", timeout=PATIENCE)


def test_an_empty_upload_leaves_the_person(demo_url: str, page: Page, tmp_path: Path) -> None:
    screen = FacesPage(page, demo_url)
    shown = str(screen.part("source", "img").first.get_attribute("src"))
    (tmp_path / "empty.png").write_bytes(b"")
    screen.upload("source", tmp_path / "empty.png")
    expect(screen.error.first).to_be_visible(timeout=PATIENCE)
    expect(screen.part("source", "img").first).to_have_attribute("src", shown)


def test_two_tabs_of_label_maps_work_side_by_side(browser: Browser, tmp_path: Path) -> None:
    checkpoint = save_street_checkpoint(tmp_path / "made")
    listed = f"streets={checkpoint},gone={tmp_path / 'nowhere'},mine={checkpoint}"
    with running({"FIANCEE_CHECKPOINTS": listed}, tmp_path / "log.txt") as (url, process):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script("navigator.clipboard.writeText = async () => {}")
        first = StreetsPage(page, url)
        page.get_by_role("tab", name="Gone").click()
        expect(page.locator("#gone-missing")).to_contain_text("could not be loaded here")
        page.locator("[role=tab][data-tab-id=mine]").click()
        second = first.beside("mine")
        second.wait_until_measured()
        second.pick_class("road")
        with second.new_result():
            second.stroke((0.2, 0.3), (0.7, 0.3))
        drawn = saved_map(second)
        second.part("copy-link").click()
        link = second.part("link", "a")
        expect(link).to_contain_text("tab=mine&map=", timeout=PATIENCE)
        page.locator("[role=tab][data-tab-id=streets]").click()
        assert pixels(saved_map(first)) != pixels(drawn)
        first.pick_class("car")
        with first.new_result():
            first.stroke((0.2, 0.6), (0.7, 0.6))
        page.locator("[role=tab][data-tab-id=mine]").click()
        assert pixels(saved_map(second)) == pixels(drawn)
        opened = DemoPage(browser.new_page(), f"{url}/?tab=mine&example=crossing", "mine")
        opened.wait_until_measured()
        expect(opened.part("examples", ".selected .caption-label")).to_have_text("Crossing")
        # One is in the middle of a wait, the other does not know yet; none counts on for ever.
        opened.part("generate").click()
        os.kill(process, signal.SIGKILL)
        expect_lost(opened)
        second.page.wait_for_timeout(1000)
        second.part("generate").click()
        expect_lost(second)
        opened.page.close()
        page.close()


def expect_lost(screen: DemoPage) -> None:
    """The page says that its server is gone, and waits no more."""
    lost = screen.error.filter(has_text="Connection to the server was lost")
    expect(lost.first).to_be_visible(timeout=PATIENCE)
    expect(screen.page.locator(".progress-text:visible, .eta-bar:visible")).to_have_count(0)
