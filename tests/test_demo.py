"""The demo without a browser: its pure parts, its handlers and the page that they build."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from demo_fixtures import save_street_checkpoint
from gradio.utils import get_upload_folder
from PIL import Image

from fiancee_hub import FianceePipeline
from fiancee_hub.errors import InputError
from fiancee_hub.pipelines import Result
from fiancee_hub.street_pipeline import StreetsPipeline
from fiancee_hub.training.classes import STREETS
from space import comparison, demo, errors, facts, files, maps, plots, streets, theme
from space.examples.draw import SCENES
from space.facts import Outcome
from space.settings import Settings

PICTURE = Image.new("RGB", (8, 6))
EARLY = Result(PICTURE, 2, 0.08, 600_000_000, 0.9, 12.3, 0, ("Resized <b>.",))
FULL = Result(PICTURE, 5, 0.0, 6_000_000_000, 0.0, 61.5, 0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_street_checkpoint(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="module")
def pipe(checkpoint: Path) -> StreetsPipeline:
    loaded = FianceePipeline.from_pretrained(checkpoint)
    assert isinstance(loaded, StreetsPipeline)
    return loaded


@pytest.fixture(scope="module")
def handlers(pipe: StreetsPipeline) -> streets.Handlers:
    return streets.Handlers(pipe)


# settings


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(
        {"FIANCEE_CHECKPOINT_STREETS": "user/repo@v1", "FIANCEE_THREADS": "3"}
    )
    assert (settings.streets, settings.threads) == ("user/repo@v1", 3)


def test_the_default_checkpoint_lies_beside_the_app() -> None:
    settings = Settings.from_environment({})
    assert Path(settings.streets).parts[-2:] == ("weights_card", "streets")


@pytest.mark.parametrize("text", ["0", "many", "-1", "1.5"])
def test_a_wrong_setting_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="FIANCEE_QUEUE"):
        Settings.from_environment({"FIANCEE_QUEUE": text})


# maps


def test_every_example_is_the_one_that_its_scene_draws() -> None:
    examples = maps.examples()
    assert len(examples) == len(SCENES) == 6
    for example, scene in zip(examples, SCENES.values(), strict=True):
        with Image.open(example.path) as picture:
            assert picture.mode == "P"
            np.testing.assert_array_equal(np.asarray(picture), scene().ids)


def test_examples_are_streets_with_many_classes() -> None:
    used = {int(i) for scene in SCENES.values() for i in np.unique(scene().ids)}
    assert used == set(range(12))


def test_an_empty_editor_is_the_visitors_to_fill() -> None:
    values: list[Any] = [None, {}, {"background": None, "layers": [], "composite": None}]
    for value in values:
        with pytest.raises(InputError, match="map is empty"):
            maps.drawn(value)


def test_strokes_win_over_the_background() -> None:
    stroke = PICTURE.copy()
    assert maps.drawn({"background": PICTURE, "composite": stroke}) is stroke
    assert maps.drawn({"background": PICTURE, "composite": None}) is PICTURE


def test_the_blank_map_is_sky() -> None:
    assert maps.blank(STREETS, (6, 8)).getcolors() == [(48, STREETS[0].colour)]
    assert maps.blank(STREETS[1:], (6, 8)).getcolors() == [(48, STREETS[1].colour)]


def test_equal_pictures_share_a_file_that_is_never_written_again() -> None:
    first = Path(files.stored(PICTURE))
    inode = first.stat().st_ino
    second = Path(files.stored(PICTURE.copy()))
    assert first == second and second.stat().st_ino == inode
    assert same(str(first), PICTURE)


# facts and plot


def test_the_first_facts_say_that_the_truth_is_being_measured() -> None:
    html = facts.facts(Outcome(EARLY, 0.1, 5))
    assert "Measuring the true LPIPS" in html
    assert 'data-fact="exit">2 of 5<' in html
    assert 'data-fact="measured">…<' in html


@pytest.mark.parametrize(
    ("lpips", "verdict"), [(0.0831, "Budget kept"), (0.1, "Budget kept"), (0.1002, "Budget missed")]
)
def test_the_verdict_follows_the_measured_lpips(lpips: float, verdict: str) -> None:
    html = facts.facts(Outcome(EARLY, 0.1, 5, FULL, lpips))
    assert f"{verdict}: the true LPIPS is {lpips:.4f}, you allowed 0.100" in html


def test_operations_and_time_are_compared_with_full_depth() -> None:
    html = facts.facts(Outcome(EARLY, 0.1, 5, FULL, 0.05))
    assert "Operations (MACs), 90 % less" in html
    assert "Time, measured now, 80 % less" in html
    assert "0.60 G" in html and "62 ms" in html


def test_full_depth_is_no_early_exit() -> None:
    routed = replace(FULL, macs=6_010_000_000, saving=-0.002)
    html = facts.facts(Outcome(routed, 0.01, 5, FULL, 0.0))
    assert "No early exit promises LPIPS 0.010" in html
    assert 'data-fact="saving">0 %' in html and "no saving" in html


def test_notes_are_shown_as_text() -> None:
    assert "<li>Resized &lt;b&gt;.</li>" in facts.facts(Outcome(EARLY, 0.1, 5))
    assert facts.notes(()) == ""


def test_the_plot_has_every_exit_the_budget_and_the_choice() -> None:
    points = [plots.Point(1, 10, 0.12, 0.15, 3), plots.Point(2, 100, 0.0, 0.0, 20)]
    svg = plots.exits_plot(points, 0.2, 1)
    assert svg.count('class="true" cx') == svg.count('class="guess" cx') == 2
    assert svg.count('class="taken" cx') == 1
    assert "budget 0.200" in svg and "Exit 1 (taken)" in svg and "0.1500" in svg


def test_before_the_truth_is_known_the_plot_has_predictions_only() -> None:
    svg = plots.exits_plot([plots.Point(1, 10, 0.12), plots.Point(2, 100, 0.0)], 0.1, 1)
    assert svg.count('class="guess" cx') == 2
    assert 'class="true" cx' not in svg


@pytest.mark.parametrize("most", [0.05, 0.112, 0.33, 0.9, 1.2])
def test_ticks_are_few_and_round(most: float) -> None:
    ticks = plots.ticks(most)
    assert 2 <= len(ticks) <= 6 and ticks[0] == 0 and ticks[-1] <= most


def test_the_class_picker_shows_every_colour() -> None:
    css = theme.class_chips(STREETS)
    assert css.count("--chip") == len(STREETS)
    assert "label:nth-of-type(2) { --chip: #800000 }" in css


# handlers


def test_the_early_picture_comes_first(handlers: streets.Handlers, pipe: StreetsPipeline) -> None:
    path = handlers.examples[3].path
    with Image.open(path) as example:
        editor = {"background": example.copy()}
    steps = list(handlers.generate(editor, 0.1, 7))
    expected = pipe.compare(path, budget=0.1, seed=7)
    assert len(steps) == 3
    assert [same(steps[0][0][side], expected.early.image) for side in (0, 1)] == [True, True]
    assert same(steps[1][0][0], expected.early.image) and same(steps[1][0][1], expected.full.image)
    assert f'data-fact="measured">{expected.lpips:.4f}<' in steps[2][2]
    assert f'data-fact="exit">{expected.early.exit} of {pipe.model.exits}<' in steps[0][2]
    assert 'class="true" cx' not in steps[1][3] and 'class="true" cx' in steps[2][3]


def same(first: Any, second: Any) -> bool:
    """Whether two pictures, or files of pictures, are equal."""
    first, second = (Image.open(p) if isinstance(p, str) else p for p in (first, second))
    return bool(np.array_equal(np.asarray(first), np.asarray(second)))


def test_something_is_shown_before_anything_is_touched(handlers: streets.Handlers) -> None:
    assert len(list(handlers.first())) == 3


def test_two_visitors_do_not_disturb_each_other(handlers: streets.Handlers) -> None:
    path = handlers.examples[0].path
    alone = [step[0] for step in handlers.run(path, 0.1, 1)]
    one, two = handlers.run(path, 0.1, 1), handlers.run(path, 0.0, 2)
    mixed = [step[0] for pair in zip(one, two, strict=True) for step in pair]
    assert all(same(a[1], b[1]) for a, b in zip(alone, mixed[::2], strict=True))
    assert not same(mixed[-1][1], mixed[-2][1])


def test_an_upload_is_read_and_its_notes_shown(handlers: streets.Handlers, tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    Image.new("RGB", (64, 48), STREETS[3].colour).save(path)
    value, notes = handlers.edit(path)
    with Image.open(value["background"]) as shown:
        assert shown.size == handlers.pipe.size[::-1]
    assert "Resized from 64x48" in notes


def test_a_wrong_file_is_a_plain_error(handlers: streets.Handlers, tmp_path: Path) -> None:
    path = tmp_path / "<i>.png"
    path.write_text("no picture")
    with pytest.raises(gr.Error) as caught:
        errors.plainly(handlers.edit)(path)
    assert caught.value.message == (
        "&lt;i&gt;.png is truncated or no picture: save it again as PNG"
    )


@pytest.mark.parametrize("seed", [None, -1, 2**63])
def test_a_wrong_seed_is_a_plain_error(handlers: streets.Handlers, seed: int | None) -> None:
    editor = {"background": maps.blank(STREETS, handlers.pipe.size)}
    with pytest.raises(gr.Error, match="seed"):
        list(errors.plainly_streamed(handlers.generate)(editor, 0.1, seed))


def test_what_is_not_the_visitors_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("out of order")

    with pytest.raises(gr.Error) as caught:
        errors.plainly(broken)()
    assert caught.value.message == errors.OUR_SIDE
    assert "out of order" in caplog.text


def test_the_api_tells_the_route(handlers: streets.Handlers, upload: Callable[..., Any]) -> None:
    file = upload(handlers.examples[1].path)
    picture: Any
    picture, route = handlers.api(file, budget=0.1, seed=3)
    expected = handlers.pipe(handlers.examples[1].path, budget=0.1, seed=3)
    with Image.open(picture["path"]) as saved:
        assert same(saved, expected.image)
    assert json.loads(json.dumps(route))["exit"] == expected.exit
    assert route["predicted_lpips"] == expected.predicted_lpips


@pytest.fixture
def upload() -> Callable[[Path], dict[str, str]]:
    def put(path: Path) -> dict[str, str]:
        folder = Path(get_upload_folder()) / "test-demo"
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / path.name
        copy.write_bytes(path.read_bytes())
        return {"path": str(copy)}

    return put


@pytest.mark.parametrize("file", [{"path": __file__}, {"path": ""}, {}, __file__, None])
def test_the_api_reads_no_file_that_was_not_sent(handlers: streets.Handlers, file: Any) -> None:
    with pytest.raises(InputError, match="handle_file"):
        handlers.api(file)


# page


@pytest.fixture(scope="module")
def page(pipe: StreetsPipeline) -> gr.Blocks:
    return demo.build(demo.Models(pipe, None), Settings())


def test_only_the_typed_endpoint_is_public(page: gr.Blocks) -> None:
    endpoints = page.get_api_info()["named_endpoints"]
    assert list(endpoints) == ["/streets"]
    parameters = endpoints["/streets"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["label_map", "budget", "seed"]


def test_the_model_is_shared_by_one_queue(page: gr.Blocks) -> None:
    using = [f for f in page.fns.values() if f.concurrency_id == comparison.MODEL]
    assert len(using) == 3
    assert {f.concurrency_limit for f in using} == {1}


def test_the_page_asks_no_other_host(page: gr.Blocks) -> None:
    look = theme.theme()
    assert not look._stylesheets
    assert "http" not in demo.CSS.read_text(encoding="utf-8")
    assert page.analytics_enabled is False


def test_loading_warms_the_model_up(checkpoint: Path) -> None:
    settings = Settings(str(checkpoint), str(checkpoint / "none"), torch.get_num_threads())
    models = demo.load(settings)
    assert models.streets.model.exits == 4 and models.faces is None
