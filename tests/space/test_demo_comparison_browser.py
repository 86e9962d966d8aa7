"""The comparison in a real browser: cards, budget, difference, downloads."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_server import PATIENCE, DemoPage, FacesPage, StreetsPage
from PIL import Image
from playwright.sync_api import expect

from fiancee_hub.core.marking import GENERATED, MARK
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.label_maps.maps import examples
from space.result.budget import BUDGET, BUDGETS


def pixels(content: bytes) -> np.ndarray[Any, Any]:
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def fetched(screen: DemoPage, source: str) -> bytes:
    if source.startswith("data:"):
        return b64decode(source.partition(",")[2])
    return screen.page.request.get(source).body()


def move_budget(screen: DemoPage, budget: float) -> None:
    """Types another budget and waits until the screen follows."""
    box = screen.part("budget", "input[type=number]")
    box.fill(str(budget))
    box.press("Tab")
    expect(screen.part("routes")).to_contain_text(f"Budget {budget:.3f}", timeout=PATIENCE)


def save(screen: DemoPage, button: str) -> tuple[str, bytes]:
    """Presses a button; name and content of the file that the browser saves."""
    with screen.page.expect_download() as download:
        screen.part(button).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_a_moved_budget_shows_the_picture_that_it_takes(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    path, exits = examples()[0].path, shipped_pipe.model.exits
    rendering = shipped_pipe.prepare(path, seed=0)
    other = next(b for b in reversed(BUDGETS) if rendering.route(b) != rendering.route(BUDGET))
    expect(screen.part("cards", "li")).to_have_count(exits)
    for budget in (other, BUDGET):
        move_budget(screen, budget)
        expected = shipped_pipe(path, budget=budget, seed=0)
        expect(screen.part("cards", "li.taken")).to_have_attribute(
            "data-exit", str(expected.exit), timeout=PATIENCE
        )
        assert screen.fact("exit") == f"{expected.exit} of {exits}"
        early = pixels(fetched(screen, screen.sources()[0]))
        assert np.abs(early - np.asarray(expected.image, np.int16)).max() <= 1
        alt = screen.part("difference", "img").get_attribute("alt") or ""
        assert f"Exit {expected.exit}" in alt or "Full depth" in alt


def test_every_exit_has_its_picture_and_figures(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    rendering, costs = shipped_pipe.prepare(examples()[0].path, seed=0), shipped_pipe.config.costs
    for card in screen.part("cards", "li").all():
        index = int(card.get_attribute("data-exit") or 0)
        expected = np.asarray(rendering.result(index).image, np.int16)
        shown = pixels(fetched(screen, card.locator("img").get_attribute("src") or ""))
        # Pictures on cards are small files, so a little less than exact.
        assert np.abs(shown - expected).mean() < 4
        # Early exits pay for the predictor that chose them.
        share = 100 * min(1, costs.ratio(index))
        expect(card.locator("[data-fact=macs]")).to_have_text(f"{share:.1f} %")


def test_the_picture_and_the_comparison_are_saved(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    name, content = save(screen, "save-picture")
    expected = shipped_pipe(examples()[0].path, budget=BUDGET, seed=0)
    assert name == f"fiancee-streets-exit-{expected.exit}.png"
    assert np.abs(pixels(content) - np.asarray(expected.image, np.int16)).max() <= 1
    assert Image.open(BytesIO(content)).info[GENERATED] == MARK
    name, content = save(screen, "save-comparison")
    assert name == "fiancee-streets-comparison.png"
    assert Image.open(BytesIO(content)).info[GENERATED] == MARK


def test_a_drawn_map_is_saved_and_uploads_as_it_was(screen: StreetsPage, tmp_path: Path) -> None:
    _, plain = save(screen, "save-map")
    screen.pick_class("tree")
    screen.stroke((0.2, 0.3), (0.7, 0.6))
    _, drawn = save(screen, "save-map")
    assert not np.array_equal(pixels(plain), pixels(drawn))
    path = tmp_path / "map.png"
    path.write_bytes(drawn)
    with screen.new_map():
        screen.upload(path)
    assert save(screen, "save-map")[1] == drawn
    expect(screen.part("map-notes", "li")).to_have_count(0)


@pytest.mark.parametrize("window", [(390, 900)])
def test_the_comparison_fits_a_phone(screen: StreetsPage) -> None:
    assert screen.page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in (
        "#streets-cards li",
        "#streets-difference figure",
        "#streets-routes .band",
        "#streets-save-map",
        "#streets-pairs img",
    ):
        for found in screen.page.locator(part).all():
            found.scroll_into_view_if_needed()
            box = found.bounding_box()
            assert box is not None and box["width"] > 40
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_faces_switch_and_save_as_well(faces: FacesPage) -> None:
    before = faces.sources()
    taken = faces.part("cards", "li.taken").get_attribute("data-exit")
    move_budget(faces, 0.0)
    expect(faces.part("cards", "li.taken")).not_to_have_attribute("data-exit", taken or "")
    after = faces.sources()
    assert after[0] == after[1] == before[1] != before[0]
    _, content = save(faces, "save-picture")
    assert np.array_equal(pixels(content), pixels(fetched(faces, after[0])))
    assert Image.open(BytesIO(content)).info[GENERATED] == MARK
    assert save(faces, "save-comparison")[0] == "fiancee-faces-comparison.png"
