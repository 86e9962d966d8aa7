"""The demo for people who hear it, use no mouse, or need contrast: axe-core, and a keyboard."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from demo_server import PATIENCE, DemoPage, FacesPage, StreetsPage
from PIL import Image
from playwright.sync_api import Page, expect

from fiancee_hub.families.faces.films import write_clip
from space.faces.examples import examples as face_examples
from space.page.embedding import COMPACT, FIGURE, View

THEMES = ("light", "dark")
GRAVE = ("serious", "critical")


def grave_findings(page: Page) -> list[str]:
    """What axe calls serious or critical, as rule, selector, reason."""
    # Colours are judged where they have come to rest.
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{one['id']} | {' '.join(map(str, node['target']))} | {node.get('failureSummary')}"
        for one in violations
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_streets_have_no_grave_finding(theme: str, demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, f"{demo_url}/?__theme={theme}")
    screen.generate()
    assert grave_findings(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_faces_have_no_grave_finding(theme: str, demo_url: str, page: Page, tmp_path: Path) -> None:
    screen = FacesPage(page, f"{demo_url}/?__theme={theme}")
    with screen.new_result():
        screen.press("yaw", "ArrowRight", 5)
    assert grave_findings(page) == []
    screen.part("mode").get_by_label("Picture").check()
    with screen.new_result():
        screen.pick("driver-examples", 4)
    assert grave_findings(page) == []
    _make_clip(screen, tmp_path)
    assert grave_findings(page) == []


def _make_clip(screen: FacesPage, folder: Path) -> None:
    frames = [Image.open(example.path).convert("RGB") for example in face_examples()[2:]]
    write_clip(frames, 4, folder / "clip.mp4")
    screen.part("mode").get_by_label("Clip").check()
    screen.upload("clip-group", folder / "clip.mp4")
    expect(screen.part("clip-notes", "li")).to_contain_text("2 frames", timeout=PATIENCE)
    screen.part("make").click()
    expect(screen.part("clip", "video")).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize("theme", THEMES)
def test_how_it_works_has_no_grave_finding(theme: str, demo_url: str, page: Page) -> None:
    StreetsPage(page, f"{demo_url}/?__theme={theme}")
    page.get_by_role("tab", name="How it works").click()
    expect(page.locator("#embed-frame")).to_contain_text(demo_url, timeout=PATIENCE)
    assert grave_findings(page) == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("view", [COMPACT, FIGURE], ids=lambda view: view.name)
@pytest.mark.parametrize("tab", ["streets", "faces"])
def test_views_for_frames_have_no_grave_finding(
    tab: str, view: View, theme: str, demo_url: str, page: Page
) -> None:
    page.set_viewport_size({"width": 640, "height": view.height})
    screen = DemoPage(page, f"{demo_url}/?tab={tab}&view={view.name}&__theme={theme}", tab)
    complete = screen.part("routes", ".chain[data-complete=true]")
    expect(complete).to_be_attached(timeout=PATIENCE)
    assert grave_findings(page) == []


STREET_PARTS = (
    *("tabs", "streets-examples", "streets-sources", "streets-map", "streets-tools"),
    *("streets-classes", "streets-pictures", "streets-routes", "streets-budget"),
    *("streets-live-wanted", "streets-seed", "streets-generate", "streets-save-picture"),
    "streets-copy-link",
)
FACE_PARTS = (
    *("tabs", "faces-source", "faces-examples", "faces-mode", "faces-yaw"),
    *(
        "faces-blink",
        "faces-driving",
        "faces-crop",
        "faces-pictures",
        "faces-routes",
        "faces-budget",
    ),
    *("faces-generate", "faces-save-picture", "faces-copy-link", "faces-whole-wanted"),
)
"""In the order of the page."""


@pytest.mark.parametrize(
    ("kind", "parts"),
    [(StreetsPage, STREET_PARTS), (FacesPage, FACE_PARTS)],
    ids=["streets", "faces"],
)
def test_a_keyboard_reaches_every_control_in_the_order_of_the_page(
    kind: Callable[[Page, str], DemoPage], parts: Sequence[str], demo_url: str, page: Page
) -> None:
    kind(page, demo_url)
    page.get_by_role("tab").first.focus()
    reached = [_focused(page, parts)]
    while parts[-1] not in reached and len(reached) < 120:
        page.keyboard.press("Tab")
        reached.append(_focused(page, parts))
    assert set(parts) <= set(reached), reached
    firsts = [reached.index(name) for name in parts]
    assert firsts == sorted(firsts), reached


def _focused(page: Page, parts: Sequence[str]) -> str:
    """Id of the part that has the focus; the first of all, the tabs, holds the others."""
    script = """(names) => names.findLast(
      (name) => document.activeElement.closest('#' + name)) ?? ''"""
    return str(page.evaluate(script, list(parts)))


def test_tabs_and_sliders_obey_keys(demo_url: str, page: Page) -> None:
    StreetsPage(page, demo_url)
    track, box = (page.locator(f"#streets-{part}") for part in ("routes .track", "budget input"))
    track.press("ArrowUp")
    expect(track).to_have_attribute("aria-valuenow", "0.105")
    expect(page.locator("#streets-routes .choice")).to_contain_text(
        "Budget 0.105", timeout=PATIENCE
    )
    # The chain is drawn anew, and whoever was on it is still there.
    expect(track).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(box.first).to_have_value("0.1")
    tab = page.get_by_role("tab", name="Faces")
    tab.focus()
    page.keyboard.press("Enter")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page.locator("#faces-source")).to_be_visible(timeout=PATIENCE)


def test_generate_and_brushes_obey_keys(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, demo_url)
    brush = page.locator("#streets-classes").get_by_label("building", exact=True)
    brush.focus()
    page.keyboard.press("Space")
    expect(brush).to_be_checked()
    live = screen.part("live-wanted", "input")
    live.focus()
    page.keyboard.press("Space")
    expect(live).not_to_be_checked()
    page.locator("#streets-seed input").fill("3")
    with screen.new_result():
        screen.part("generate").focus()
        page.keyboard.press("Enter")


def test_the_edge_between_the_pictures_obeys_keys(demo_url: str, page: Page) -> None:
    screen = StreetsPage(page, demo_url)
    edge = screen.part("pictures").get_by_role("slider")
    expect(edge).to_have_attribute("aria-valuenow", "50", timeout=PATIENCE)
    edge.press("ArrowRight")
    expect(edge).to_have_attribute("aria-valuenow", "55")
    edge.press("Home")
    expect(edge).to_have_attribute("aria-valuenow", "0")
    box, frame = edge.bounding_box(), screen.part("pictures").bounding_box()
    assert box is not None and frame is not None
    assert box["x"] < frame["x"] + 0.1 * frame["width"]


@pytest.mark.parametrize("kind", [StreetsPage, FacesPage])
def test_every_picture_has_words(
    kind: Callable[[Page, str], DemoPage], demo_url: str, page: Page
) -> None:
    screen = kind(page, demo_url)
    shown = screen.part("pictures", "img")
    expect(shown.first).to_have_attribute("alt", "Early exit", timeout=PATIENCE)
    expect(shown.last).to_have_attribute("alt", "Full depth", timeout=PATIENCE)
    silent = page.locator("img:not([alt]), img[alt='']").all()
    visible = [str(image.get_attribute("src"))[:80] for image in silent if image.is_visible()]
    assert visible == []
