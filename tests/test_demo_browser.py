"""The demo in a real browser."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

pytest.importorskip("playwright.sync_api")

from demo_fixtures import save_street_checkpoint
from demo_server import CHROMIUM, PATIENCE, ROOT, StreetsPage, browsing, serving
from playwright.sync_api import Browser, expect

from fiancee_hub import FianceePipeline
from space.maps import examples

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

SHIPPED = ROOT / "weights_card" / "streets"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if (SHIPPED / "config.json").is_file():
        return SHIPPED
    return save_street_checkpoint(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="module")
def pipe(checkpoint: Path) -> FianceePipeline:
    return FianceePipeline.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def url(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(checkpoint, tmp_path_factory.mktemp("demo") / "log.txt") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as opened:
        yield opened


@pytest.fixture(params=[(1400, 900)])
def screen(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[StreetsPage]:
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    yield StreetsPage(page, url)
    page.close()


def picture(screen: StreetsPage, source: str) -> np.ndarray[Any, Any]:
    with Image.open(BytesIO(screen.page.request.get(source).body())) as image:
        return np.asarray(image.convert("RGB"))


def largest_difference(first: Any, second: Any) -> int:
    return int(np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).max())


def test_an_example_is_generated_as_the_library_does(
    screen: StreetsPage, pipe: FianceePipeline
) -> None:
    screen.pick_example(5)
    sources = screen.generate()
    expected = pipe.compare(examples()[4].path, budget=0.1, seed=0)
    early, full = (picture(screen, source) for source in sources)
    assert largest_difference(early, expected.early.image) <= 1
    assert largest_difference(full, expected.full.image) <= 1
    assert screen.fact("exit") == f"{expected.early.exit} of {pipe.model.exits}"
    assert float(screen.fact("predicted")) == pytest.approx(
        expected.early.predicted_lpips, abs=2e-4
    )
    assert float(screen.fact("measured")) == pytest.approx(expected.lpips, abs=2e-4)
    kept = screen.page.locator("#facts .kept")
    assert kept.count() == (1 if expected.kept else 0)
    assert screen.page.locator("#plot circle.true").count() == pipe.model.exits
    assert screen.hosts == {screen.page.url.split("/")[2]}


def test_a_stroke_changes_the_picture(screen: StreetsPage) -> None:
    before = [picture(screen, source) for source in screen.sources()]
    screen.pick_class("building")
    screen.stroke((0.35, 0.3), (0.6, 0.7))
    after = [picture(screen, source) for source in screen.generate()]
    assert not np.array_equal(before[1], after[1])


def test_drawing_starts_on_a_blank_map(screen: StreetsPage) -> None:
    screen.pick_blank()
    screen.pick_class("road")
    screen.stroke((0.2, 0.8), (0.8, 0.8))
    assert len(screen.generate()) == 2
    expect(screen.page.locator("#facts .notes")).to_have_count(0)


def test_the_budget_and_the_seed_count(screen: StreetsPage, pipe: FianceePipeline) -> None:
    screen.page.locator("#budget input[type=number]").fill("0")
    screen.page.locator("#seed input").fill("11")
    screen.generate()
    expected = pipe.compare(examples()[0].path, budget=0.0, seed=11)
    assert screen.fact("exit") == f"{expected.early.exit} of {pipe.model.exits}"
    assert float(screen.fact("measured")) == pytest.approx(expected.lpips, abs=2e-4)


def test_a_new_seed_is_drawn(screen: StreetsPage) -> None:
    screen.page.get_by_role("button", name="New seed").click()
    expect(screen.page.locator("#seed input")).not_to_have_value("0")


def test_a_wrong_file_is_refused_in_plain_words(screen: StreetsPage, tmp_path: Path) -> None:
    path = tmp_path / "letter.png"
    path.write_text("no picture")
    screen.upload(path)
    expect(screen.error).to_contain_text("letter.png is truncated or no picture", timeout=PATIENCE)


def test_a_photograph_is_refused_in_plain_words(screen: StreetsPage, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    path = tmp_path / "photograph.png"
    Image.fromarray(noise).save(path)
    screen.upload(path)
    expect(screen.error).to_contain_text("in no class colour", timeout=PATIENCE)


def test_an_upload_says_what_was_done_to_it(screen: StreetsPage, tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    with Image.open(examples()[2].path) as example:
        example.resize((640, 480), Image.Resampling.NEAREST).save(path)
    with screen.new_map():
        screen.upload(path)
    expect(screen.page.locator("#map-notes")).to_contain_text("Resized", timeout=PATIENCE)
    assert len(screen.generate()) == 2


@pytest.mark.parametrize("screen", [(375, 800)], indirect=True)
def test_the_page_fits_a_phone(screen: StreetsPage) -> None:
    width = screen.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 375
    for part in ("#examples", "#label-map", "#classes", "#generate", "#pictures", "#plot"):
        box = screen.page.locator(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 375


def test_programs_get_the_picture_and_its_route(url: str, pipe: FianceePipeline) -> None:
    path = examples()[3].path
    image, route = Client(url, verbose=False).predict(
        label_map=handle_file(str(path)), budget=0.1, seed=5, api_name="/streets"
    )
    expected = pipe(path, budget=0.1, seed=5)
    with Image.open(image) as saved:
        assert largest_difference(saved, expected.image) <= 1
    assert (route["exit"], route["seed"]) == (expected.exit, 5)


def test_programs_are_told_what_is_wrong(url: str) -> None:
    client = Client(url, verbose=False)
    with pytest.raises(Exception, match="budget 7 is out of range"):
        client.predict(
            label_map=handle_file(str(examples()[0].path)), budget=7, api_name="/streets"
        )
    with pytest.raises(Exception, match="handle_file"):
        client.predict(label_map={"path": str(ROOT / "app.py")}, api_name="/streets")
