"""Exits in the reader's browser: a static folder in chromium makes the library's pictures."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from embedded import EXAMPLES, PATIENCE, Embedded, shown
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from static_host import hosting

from fiancee_hub.cli.main import main
from fiancee_hub.core.errors import CheckpointError, OutputError
from fiancee_hub.core.marking import DESCRIPTION, MARK
from fiancee_hub.core.router import BUDGETS, Calibration, route
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.hub.checkpoints import CONFIG
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.saving import CARD
from fiancee_hub.web.embed import FACTS, GAP, MODEL, PAGE, POSTER, STATIC, Embed, embed

pytest.importorskip("onnxscript")

EXAMPLE_POST = Path(__file__).resolve().parents[2] / "examples" / "blog" / "index.html"


def test_nothing_of_the_model_is_fetched_before_the_reader_asks(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened = Embedded(page, f"{address}index.html")
    expect(opened.part("img")).to_be_visible()
    assert not [url for url in asked if url.endswith((".onnx", ".wasm", "manifest.json"))]
    opened.begin()
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {address.split("/")[2]}
    assert any(url.endswith("branch-1.onnx") for url in asked)
    assert not any(url.endswith("lpips.onnx") for url in asked)


def test_the_poster_says_that_it_is_generated(site: Path) -> None:
    with Image.open(site / "blog" / "streets" / POSTER) as poster:
        assert poster.getexif()[DESCRIPTION] == MARK


def test_the_terms_of_the_weights_go_with_them(site: Path, checkpoint: Path) -> None:
    copied = site / "blog" / "streets" / MODEL / CARD
    assert copied.read_text() == (checkpoint / CARD).read_text()


def test_every_exit_is_the_library_s(begun: Embedded, library: LabelMapPipeline) -> None:
    rendering = library.prepare(begun.ids(), seed=0)
    taken = begun.exit
    assert taken == rendering.route(0.1)
    prediction = begun.page.evaluate("[...document.querySelector('fiancee-embed').prediction.mean]")
    assert prediction == pytest.approx(rendering.predicted, abs=1e-4)
    assert np.abs(begun.pixels(".full") - shown(rendering.result(library.model.exits))).max() <= 1
    # From the deepest up: what was computed before is taken up, whatever the order.
    for exit_index in range(library.model.exits, 0, -1):
        begun.part(".exits button").nth(exit_index - 1).click()
        begun.settle()
        assert np.abs(begun.pixels(".early") - shown(rendering.result(exit_index))).max() <= 1


def test_the_budget_moves_the_exit(begun: Embedded, library: LabelMapPipeline) -> None:
    rendering = library.prepare(begun.ids(), seed=0)
    for budget in ("0", "0.05", "0.3"):
        begun.set(".budget", budget)
        expected = rendering.route(float(budget))
        assert (begun.exit or library.model.exits) == expected
        expect(begun.part(".exits .taken")).to_have_count(1)
        index = begun.part(".exits .taken").evaluate(
            "one => [...one.parentNode.children].indexOf(one)"
        )
        assert index + 1 == expected


@pytest.mark.parametrize("other", [".examples button >> nth=1", ".by-time"])
def test_an_exit_chosen_by_hand_is_not_kept_for_another_question(
    other: str, begun: Embedded
) -> None:
    assert begun.exit  # The router takes less than full depth, which is chosen now.
    begun.part(".exits button").last.click()
    begun.settle()
    expect(begun.part(".headline")).to_contain_text("chosen by hand")
    begun.part(other).click()
    begun.settle()
    expect(begun.part(".headline")).to_contain_text(re.compile("the (cheapest|fastest) within"))
    pressed = begun.part('.exits [aria-pressed="true"]')
    expect(pressed).to_have_class(re.compile("taken"))


def test_the_true_distance_is_measured_on_request(
    begun: Embedded, library: LabelMapPipeline
) -> None:
    begun.set(".budget", "0.3")
    expected = library.compare(begun.ids(), budget=0.3, seed=0).lpips
    begun.part(".measure").click()
    expect(begun.part(".headline")).to_contain_text(f"measured {expected:.3f}", timeout=PATIENCE)


def test_drawing_filling_and_undoing(begun: Embedded, library: LabelMapPipeline) -> None:
    before = begun.ids()
    begun.part(".classes").get_by_label("road", exact=True).check()
    box = begun.part(".map").bounding_box()
    assert box
    mouse = begun.page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    mouse.up()
    begun.settle()
    drawn = begun.ids()
    (road,) = [entry.id for entry in library.config.classes if entry.name == "road"]
    changed = drawn != before
    assert changed.mean() > 0.02
    assert (drawn[changed] == road).all()
    expected = library(drawn, exit=library.model.exits, seed=0)
    assert np.abs(begun.pixels(".full") - shown(expected)).max() <= 1
    begun.part(".bucket").check()
    begun.part(".classes").get_by_label("tree", exact=True).check()
    begun.part(".map").click(position={"x": 0.5 * box["width"], "y": 0.2 * box["height"]})
    begun.settle()
    assert (begun.ids() != drawn).sum() >= changed.sum()
    for _ in range(2):
        begun.part(".undo").click()
    begun.settle()
    assert (begun.ids() == before).all()
    expect(begun.part(".undo")).to_be_disabled()


def test_keys_draw(begun: Embedded) -> None:
    before = begun.ids()
    begun.part(".classes").get_by_label("car", exact=True).check()
    begun.part(".map").focus()
    for key in ("ArrowLeft", "ArrowUp", " "):
        begun.page.keyboard.press(key)
    begun.settle()
    assert (begun.ids() != before).any()


def test_a_link_brings_everything_back(begun: Embedded, address: str, browser: Browser) -> None:
    begun.part(".examples button").nth(1).click()
    begun.settle()
    begun.part(".seed").click()
    begun.set(".budget", "0.02")
    state = begun.page.evaluate("document.querySelector('fiancee-embed').state()")
    assert len(state) < 4000
    page = browser.new_page()
    again = Embedded(page, f"{address}index.html#{state}")
    again.begin()
    assert (again.ids() == begun.ids()).all()
    assert (again.pixels(".full") == begun.pixels(".full")).all()
    assert again.part(".headline").inner_text() == begun.part(".headline").inner_text()
    expect(again.part(".message")).to_be_hidden()
    page.close()


def test_a_link_of_other_weights_says_so(page: Page, begun: Embedded, address: str) -> None:
    state = begun.page.evaluate("document.querySelector('fiancee-embed').state()")
    other = re.sub("weights=.*", "weights=123456789abc", state)
    page.goto("about:blank")
    again = Embedded(page, f"{address}index.html#{other}")
    again.begin()
    expect(again.part(".message")).to_contain_text("made with other weights")
    again.part(".seed").click()
    expect(again.part(".message")).to_be_hidden()


@pytest.mark.parametrize(
    "state", ["map=%%%", "map=AAAA", "seed=-1&budget=x&exit=99", "map=" + "A" * 9000]
)
def test_a_damaged_link_opens_the_first_example(state: str, page: Page, address: str) -> None:
    again = Embedded(page, f"{address}index.html#{state}")
    again.begin()
    assert len(np.unique(again.ids())) > 3


def test_without_a_network_after_loading(begun: Embedded, library: LabelMapPipeline) -> None:
    begun.page.context.set_offline(True)
    begun.part(".seed").click()
    begun.settle()
    expected = library(begun.ids(), exit=library.model.exits, seed=1)
    assert np.abs(begun.pixels(".full") - shown(expected)).max() <= 1
    unseen = next(n for n in range(1, library.model.exits) if n != begun.exit)
    begun.part(".exits button").nth(unseen - 1).click()
    expect(begun.part(".message")).to_contain_text("check the connection", timeout=PATIENCE)
    begun.page.context.set_offline(False)
    begun.part(".exits button").nth(unseen - 1).click()
    begun.settle()
    assert begun.exit == unseen


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("model/stage-1.onnx", lambda content: content[:-1], "stage-1.onnx arrived damaged"),
        (
            "model/condition.onnx",
            lambda content: bytes([content[0] ^ 1]) + content[1:],
            "condition.onnx arrived damaged",
        ),
        (
            "vendor/ort-wasm-simd-threaded.wasm",
            lambda content: b"<!doctype html>",
            "ort-wasm-simd-threaded.wasm is a web page instead of the file",
        ),
        ("model/manifest.json", lambda content: b"<!doctype html>", "manifest.json is no JSON"),
        ("model/stage-1.onnx", None, "stage-1.onnx is missing on this site (404)"),
    ],
)
def test_a_damaged_file_is_one_sentence(
    name: str, change: Any, message: str, page: Page, address: str
) -> None:
    def answer(route_: Any) -> None:
        if change is None:
            route_.fulfill(status=404, body="no such page")
        else:
            route_.fulfill(status=200, body=change(route_.fetch().body()))

    page.route(f"**/{name}", answer)
    opened = Embedded(page, f"{address}index.html")
    opened.part(".start").click()
    expect(opened.part(".message")).to_contain_text(message, timeout=PATIENCE)
    page.unroute(f"**/{name}")
    opened.part(".start").click()
    opened.settle()


@pytest.mark.parametrize("window", [(640, 720), (360, 740)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_is_accessible(
    theme: str, window: tuple[int, int], page: Page, address: str
) -> None:
    opened = Embedded(page, f"{address}index.html?theme={theme}")
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= window[0]
        violations = Axe().run(page).response["violations"]
        grave = [one for one in violations if one["impact"] in ("serious", "critical")]
        assert not grave, json.dumps(grave, indent=1)[:3000]
        if opened.part(".start").is_visible():
            opened.begin()


def test_two_in_a_page_of_another_host(site: Path, page: Page, address: str) -> None:
    tag = f'<fiancee-embed><img src="{address}poster.webp" alt="Poster"></fiancee-embed>'
    script = f'<script type="module" src="{address}fiancee-embed.js"></script>'
    (site / "post.html").write_text(f"<!doctype html><p>Before</p>{script}{tag}<p>Between</p>{tag}")
    port = address.split("/")[2].split(":")[1]
    page.goto(f"http://localhost:{port}/post.html")
    for number in range(2):
        part = page.locator("fiancee-embed").nth(number)
        part.locator(".start").click()
        expect(part.locator(".right")).to_contain_text("ms here", timeout=PATIENCE)


def test_noise_and_routes_are_the_library_s(page: Page, address: str) -> None:
    page.goto(f"{address}index.html")
    for size in (1, 7, 8, 16, 20, 64):
        for seed in (0, 1, 2**31, 2**40 + 5):
            made = page.evaluate(
                "async ([seed, size]) => [...(await import('./random.js')).noise(seed, size)]",
                [seed, size],
            )
            random = torch.Generator().manual_seed(seed)
            assert made == pytest.approx(torch.randn(size, generator=random).tolist(), abs=2e-6)
    cases, expected = recorded_routes(500)
    found = page.evaluate(
        """async (cases) => {
          const { route } = await import('./router.js');
          return cases.map(({ mean, spread, budget, calibration }) =>
            route({ mean: Float32Array.from(mean), spread: Float32Array.from(spread) },
              budget, calibration));
        }""",
        cases,
    )
    assert found == expected
    assert len(set(expected)) > 3


def recorded_routes(count: int) -> tuple[list[dict[str, Any]], list[int]]:
    """Predictions, budgets and calibrations at random, and the exits that the library takes."""
    random = np.random.default_rng(0)
    cases, expected = [], []
    for _ in range(count):
        mean = np.sort(random.uniform(0, 0.3, (1, 4)))[:, ::-1].astype(np.float32)
        spread = random.uniform(0, 0.05, (1, 4)).astype(np.float32)
        budget = float(random.choice([*BUDGETS, *random.uniform(0, 1, 8)]))
        margins = tuple(
            None if random.random() < 0.1 else float(random.uniform(-0.5, 2)) for _ in BUDGETS
        )
        calibration = Calibration(0.9, 0.9, 500, BUDGETS, margins)
        given = None if random.random() < 0.1 else calibration
        expected.append(int(route(mean, spread, budget, given)[0]))
        stated = given and {"budgets": list(BUDGETS), "margins": list(margins)}
        cases.append(
            {
                "mean": mean[0].tolist(),
                "spread": spread[0].tolist(),
                "budget": budget,
                "calibration": stated,
            }
        )
    return cases, expected


def test_an_exit_before_the_first_stage_asks_for_no_guide(page: Page, address: str) -> None:
    """Faces have one: guides are looked up by what the first stage has made."""
    names = ["condition", "predictor", "stage-1", "stage-2", "image", "guides"]
    manifest = {
        "exits": [{"stage": 0}, {"stage": 1}],
        "graphs": [{"name": name} for name in [*names, "branch-1", "branch-2"]],
    }
    page.goto(address)
    needed = page.evaluate(
        """async (manifest) => {
          const { Model } = await import('./model.js');
          const model = new Model(null, 'wasm', manifest, {}, '', null);
          return [1, 2, 3].map((exit) => model.needed(exit));
        }""",
        manifest,
    )
    assert needed == [
        ["branch-1"],
        ["stage-1", "guides", "branch-2"],
        ["stage-1", "stage-2", "image"],
    ]


def test_the_runtime_is_what_its_page_says() -> None:
    page = (STATIC / "vendor" / "README.md").read_text()
    for name, digest in re.findall(r"^    (\S+) +([0-9a-f]{64})$", page, re.MULTILINE):
        content = (STATIC / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name


@pytest.mark.usefixtures("ready_graphs")
def test_the_command_line(
    checkpoint: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", str(checkpoint), "--out", str(tmp_path / "site")]) == 0
    assert "until the first picture" in capsys.readouterr().out
    facts = json.loads((tmp_path / "site" / FACTS).read_text())
    assert len(facts["examples"]) == 2
    assert main(["embed", str(tiny_checkpoint), "--out", str(tmp_path / "none")]) == 2
    assert "no example maps" in capsys.readouterr().err


@pytest.mark.usefixtures("ready_graphs")
def test_all_of_it_in_one_file(checkpoint: Path, tmp_path: Path) -> None:
    assert main(["embed", str(checkpoint), "--out", str(tmp_path / "page.zip")]) == 0
    with ZipFile(tmp_path / "page.zip") as packed:
        names = packed.namelist()
    assert {"page/index.html", "page/embed.json", "page/model/manifest.json"} <= set(names)
    assert all(name.startswith("page/") for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["page.zip"]


def test_the_example_post_shows_the_element(site: Path, browser: Browser) -> None:
    post = site / "blog" / "index.html"
    shutil.copyfile(EXAMPLE_POST, post)
    broken: list[str] = []
    with hosting(site) as url, browser.new_context() as context:
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        seen = Embedded(page, f"{url}/blog/")
        assert Axe().run(page).violations_count == 0
        poster = page.locator("fiancee-embed > img")
        width, height = (int(poster.get_attribute(side) or 0) for side in ("width", "height"))
        size = LabelMapPipeline.from_pretrained(EXAMPLES.parent).size
        assert (width, height) == (3 * size[1] + 2 * GAP, size[0])
        seen.begin()
        told = page.locator("main em").all_inner_texts()
        assert told and all(seen.part(f"button:has-text('{words}')").count() for words in told)
        assert not broken


def test_a_missing_example_is_said_before_the_graphs_are_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "mine"))
    example = read_config(folder / CONFIG).domain.examples[-1]
    (folder / example.file).unlink()
    begun: list[Any] = []
    monkeypatch.setattr("fiancee_hub.web.embed.export_checkpoint", lambda *a, **_: begun.append(a))
    with pytest.raises(CheckpointError, match="is missing"):
        embed(folder, tmp_path / "site")
    assert not begun and not (tmp_path / "site").exists()


def test_the_folder_of_a_zip_file_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(_: Path, target: Path, **options: Any) -> Embed:
        target.mkdir()
        (target / PAGE).write_text("a page")
        return Embed(target, 1, 1)

    monkeypatch.setattr("fiancee_hub.web.embed.embed", small)
    made = embed(tmp_path, tmp_path / "new" / "deep" / "site.zip")
    with ZipFile(made.folder) as packed:
        assert f"site/{PAGE}" in packed.namelist()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another place"):
        embed(tmp_path, tmp_path / "file" / "site.zip")
