"""The demo without a browser: its pure parts, its handlers and the page that they build."""

import json
import re
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
from fiancee_hub.core.errors import InputError
from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.pipeline import Result
from space import demo
from space.examples.draw import SCENES
from space.label_maps import live, maps
from space.label_maps import screen as streets
from space.page import embedding, errors, files, links, theme
from space.result import comparison, facts, plots
from space.result.facts import Outcome
from space.settings import ROOT, Settings

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
    picture, route = handlers.streets(file, budget=0.1, seed=3)
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
        handlers.streets(file)


# drawing live


def drawing(handlers: streets.Handlers, number: int) -> str:
    """What the page's script sends of an example in the editor."""
    background = handlers.edit(handlers.examples[number].path)[0]["background"]
    with Image.open(background) as picture:
        return files.picture_address(picture, marked=False)


def test_a_moving_hand_gets_the_cheapest_exit(handlers: streets.Handlers) -> None:
    drawn = drawing(handlers, 1)
    *screen, routes, film, kept = live.Handlers(handlers.pipe).frame(drawn, 0.0, 0)
    assert list(film.shots) == [film.chosen] == [live.CHEAPEST]
    early, full = screen[0]
    assert early == full and early.startswith("data:image/webp")
    # The budget asks for more, and will get it when the hand rests.
    assert "Budget 0.000: Full depth" in routes
    assert kept.is_of(drawn, 0) and not kept.is_of(drawn, 1)


def test_a_resting_hand_pays_only_what_is_missing(
    handlers: streets.Handlers, pipe: StreetsPipeline
) -> None:
    hand, drawn = live.Handlers(pipe), drawing(handlers, 1)
    *_, frame, kept = hand.frame(drawn, 0.1, 0)
    steps = list(hand.rest(drawn, 0.1, 0, kept))
    expected = pipe.compare(handlers.examples[1].path, budget=0.1, seed=0)
    assert same(steps[0][0][0], expected.early.image) and same(steps[1][0][1], expected.full.image)
    films = [step[-2] for step in steps]
    assert [len(film.shots) for film in films] == [1, 2, pipe.model.exits]
    assert films[-1].shots[live.CHEAPEST].result is frame.shots[live.CHEAPEST].result
    # Nothing is kept once it has been used.
    assert [step[-1] for step in steps] == [None] * 3


@pytest.mark.parametrize(("number", "seed"), [(2, 0), (1, 5)])
def test_what_another_drawing_left_is_not_used(
    number: int, seed: int, handlers: streets.Handlers, pipe: StreetsPipeline
) -> None:
    hand = live.Handlers(pipe)
    *_, kept = hand.frame(drawing(handlers, 1), 0.1, 0)
    (early, _), *_ = next(hand.rest(drawing(handlers, number), 0.1, seed, kept))
    expected = pipe(handlers.examples[number].path, budget=0.1, seed=seed)
    assert same(early, expected.image)


@pytest.mark.parametrize(
    ("address", "seed", "message"),
    [
        ("", 0, "The drawing is truncated or no picture"),
        ("data:image/png;base64,?", 0, "The drawing is truncated or no picture"),
        (None, None, "The seed is empty"),
    ],
)
def test_what_cannot_be_drawn_is_said_when_the_hand_rests(
    address: str | None, seed: int | None, message: str, handlers: streets.Handlers
) -> None:
    hand = live.Handlers(handlers.pipe)
    address = drawing(handlers, 0) if address is None else address
    assert all(part == gr.skip() for part in hand.frame(address, 0.1, seed))
    with pytest.raises(InputError, match=message):
        list(hand.rest(address, 0.1, seed, None))


# links


def test_an_address_without_a_state_is_no_link() -> None:
    for query in ("", "?", "?__theme=dark", "?example="):
        assert links.read(query) is None


def test_every_example_can_be_linked_to() -> None:
    for family in links.EXAMPLES:
        names = links.slugs(family)
        assert len(set(names)) == len(names)
        for number, name in enumerate(names):
            link = links.read(f"?family={family}&example={name}")
            assert link == links.Link(family, number)


def test_a_link_has_a_whole_state() -> None:
    link = links.read("?example=crossing&budget=0.05&seed=7")
    assert link == links.Link("streets", 4, budget=0.05, seed=7)
    link = links.read("?family=faces&example=107-neutral&driver=008-smile&yaw=-8.5&smile=0.3")
    assert link == links.Link("faces", 2, 1, pose={"yaw": -8.5, "smile": 0.3})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("family=cats", "family 'cats' does not exist: choose one of streets, faces"),
        ("example=<b>", "example '<b>' does not exist: choose one of terrace"),
        ("family=faces&driver=me", "driver 'me' does not exist: choose one of 008-neutral"),
        ("budget=nan", "budget 'nan' is out of range: give 0 to 0.3"),
        ("budget=cheap", "budget 'cheap' is out of range"),
        ("seed=-1", "seed '-1' is out of range: give a whole number from 0 to"),
        ("seed=1.5", "seed '1.5' is out of range"),
        (f"seed={links.MOST_SEED + 1}", "is out of range"),
        (f"seed={'9' * 5000}", "is out of range"),
        ("family=faces&smile=2", "smile '2' is out of range: give 0 to 1"),
    ],
)
def test_a_bad_link_is_a_plain_error(query: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        links.read(query)
    assert len(str(caught.value)) < 250
    assert links.wanted(query, "streets") is None


def test_a_link_opens_the_tab_of_its_family() -> None:
    both, streets_only = ["streets", "faces"], ["streets"]
    assert links.asked_for("?family=faces", both) == "faces"
    # That one is open, unless the visitor has gone elsewhere.
    assert links.asked_for("?family=streets", both) == links.asked_for("", both) == ""
    with pytest.raises(InputError, match="This page has no faces"):
        links.asked_for("?family=faces", streets_only)


def test_a_link_fills_the_inputs_and_its_picture_follows(
    handlers: streets.Handlers, pipe: StreetsPipeline
) -> None:
    first, *others = handlers.first("?example=crossing&budget=0.05&seed=7")
    assert first[-3:] == ("crossing", 0.05, 7)
    assert all(part == gr.skip() for step in others for part in step[-6:])
    assert same(first[0][0], pipe(handlers.examples[4].path, budget=0.05, seed=7).image)


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
    assert len(using) == 5
    assert {f.concurrency_limit for f in using} == {1}


def test_the_page_asks_no_other_host(page: gr.Blocks) -> None:
    look = theme.theme()
    assert not look._stylesheets
    assert "http" not in demo.CSS.read_text(encoding="utf-8")
    assert page.analytics_enabled is False


def test_the_readme_has_the_snippets_of_the_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for snippet in (embedding.FRAME, embedding.COMPONENT):
        assert f"```html\n{snippet.format(address=embedding.ADDRESS)}\n```" in readme


def test_every_picture_of_the_demo_is_where_the_pages_say() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "screens.md"):
        sources = re.findall(r'<img src="([^"]+)"', page.read_text(encoding="utf-8"))
        assert sources and all((page.parent / source).is_file() for source in sources)


def test_loading_warms_the_model_up(checkpoint: Path) -> None:
    settings = Settings(str(checkpoint), str(checkpoint / "none"), torch.get_num_threads())
    models = demo.load(settings)
    assert models.streets.model.exits == 4 and models.faces is None
