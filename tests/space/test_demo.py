"""The demo without a browser: its pure parts, its handlers and the page that they build."""

import asyncio
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio.utils import _parse_file_size, get_upload_folder
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.marking import GENERATED, MARK
from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.families.label_maps.palettes import voc_colour
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.results import Result
from space import demo
from space.examples.draw import SCENES
from space.label_maps import live, maps, packed
from space.label_maps import screen as label_maps
from space.label_maps.events import Handlers
from space.page import embedding, endpoints, errors, events, files, links, scripts, theme
from space.page.outputs import Outputs
from space.page.tabs import Tab
from space.result import facts, plots
from space.result.facts import Outcome
from space.result.record import Record
from space.result.times import KEPT, times_of
from space.screens import SCREENS
from space.settings import ROOT, SHIPPED, Checkpoint, Settings

PICTURE = Image.new("RGB", (8, 6))
EARLY = Result(PICTURE, 2, 0.08, 600_000_000, 0.9, 12.3, 0, ("Resized <b>.",))
FULL = Result(PICTURE, 5, 0.0, 6_000_000_000, 0.0, 61.5, 0)


TAB = Tab("streets", "Streets", opened=lambda *_, **__: None)


@pytest.fixture(scope="module")
def handlers(pipe: StreetsPipeline) -> Handlers:
    return Handlers(TAB, pipe)


# settings


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(
        {"FIANCEE_CHECKPOINTS": "mine=user/repo@v1, other=else/where", "FIANCEE_THREADS": "3"}
    )
    assert settings.checkpoints == (
        Checkpoint("mine", "user/repo@v1"),
        Checkpoint("other", "else/where"),
    )
    assert settings.threads == 3


def test_the_default_checkpoints_lie_beside_the_app() -> None:
    found = Settings.from_environment({}).checkpoints
    assert [one.name for one in found] == ["streets", "facades", "faces"]
    assert all(Path(one.address).parts[-2:] == ("weights_card", one.name) for one in found)
    listed = {"FIANCEE_CHECKPOINTS": "faces=weights_card/faces"}
    assert Settings.from_environment(listed).checkpoints == found[2:]


def test_the_variables_of_one_checkpoint_each_keep_working() -> None:
    found = Settings.from_environment({"FIANCEE_CHECKPOINT_FACES": "user/repo@v1"}).checkpoints
    assert found == (*SHIPPED[:2], Checkpoint("faces", "user/repo@v1"))
    for address in ("weights_card/streets", "FOLDER"):
        listed = {"FIANCEE_CHECKPOINTS": f"my-town={address}"}
        given = {"FIANCEE_CHECKPOINT_MY_TOWN": " weights_card/faces "}
        (one,) = Settings.from_environment(listed | given).checkpoints
        assert one == Checkpoint("my-town", SHIPPED[2].address)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weights_card/streets", "write NAME=FOLDER_OR_HUB_ID"),
        ("mine=", "write NAME=FOLDER_OR_HUB_ID"),
        ("My streets=a/b", "use small letters, digits and dashes"),
        ("method=a/b", "that name is taken"),
        ("a=b/c,a=d/e", "names a tab twice"),
    ],
)
def test_a_wrong_list_of_checkpoints_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.from_environment({"FIANCEE_CHECKPOINTS": text})


@pytest.mark.parametrize("text", ["0", "many", "-1", "1.5", "²", "9" * 5000])
def test_a_wrong_setting_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="FIANCEE_QUEUE"):
        Settings.from_environment({"FIANCEE_QUEUE": text})


@pytest.mark.parametrize("text", ["0", "0mb", "mb", "10 stones", "-1mb", "²mb"])
def test_a_wrong_size_is_named_before_anything_is_loaded(text: str) -> None:
    with pytest.raises(ValueError, match="FIANCEE_UPLOAD"):
        Settings.from_environment({"FIANCEE_UPLOAD": text})


@pytest.mark.parametrize("text", ["4096", "4096 b", "4KB"])
def test_gradio_takes_every_size_that_is_taken(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(gr.Blocks, "launch", lambda page, **options: asked.update(options))
    monkeypatch.setattr(gr.Blocks, "block_thread", lambda page: None)
    demo.launch(gr.Blocks(), (), Settings.from_environment({"FIANCEE_UPLOAD": text}))
    assert _parse_file_size(asked["max_file_size"]) == 4096


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
    with pytest.raises(InputError, match="map is empty"):
        maps.drawing("")


def test_a_checkpoint_brings_its_own_examples(shipped_streets: Path, pipe: StreetsPipeline) -> None:
    own = StreetsPipeline.from_pretrained(shipped_streets)
    examples = maps.examples_of(own)
    assert [one.title for one in examples] == [one.title for one in own.config.domain.examples]
    assert all(one.path.is_relative_to(shipped_streets) for one in examples)
    # Without any, those of its domain are shown that come with the page; or none at all.
    assert maps.examples_of(pipe) == maps.examples()
    assert maps.examples("nowhere") == ()


def test_the_blank_map_is_sky() -> None:
    assert maps.blank(STREETS, (6, 8)).getcolors() == [(48, STREETS[0].colour)]
    assert maps.blank(STREETS[1:], (6, 8)).getcolors() == [(48, STREETS[1].colour)]


def test_equal_pictures_share_a_file_that_is_never_written_again() -> None:
    first = Path(files.stored(PICTURE))
    inode = first.stat().st_ino
    second = Path(files.stored(PICTURE.copy()))
    assert first == second and second.stat().st_ino == inode
    assert same(str(first), PICTURE)


def test_what_is_shown_is_saved_with_its_mark(handlers: Handlers) -> None:
    """Visitors save what they see, past the button that is for it."""
    drawn = handlers.edit(maps.examples()[0].path)
    for shown in handlers.show_placed(drawn["placed"], 0.1, 0):
        for path in shown.get("pictures", ()):
            with Image.open(path) as picture:
                assert picture.info[GENERATED] == MARK
    with Image.open(drawn["editor"]["background"]) as drawing:
        assert GENERATED not in drawing.info  # nobody has generated it


def test_hidden_files_are_no_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("1-terrace.png", "._1-terrace.png", ".2-hidden.png"):
        (tmp_path / "mine" / name).touch()
    monkeypatch.setattr(maps, "FOLDER", tmp_path)
    assert [one.title for one in maps.examples("mine")] == ["Terrace"]


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
    assert "Time, median of late, 80 % less" in html
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


def test_the_class_picker_shows_every_colour(pipe: StreetsPipeline) -> None:
    css = label_maps.style("mine", pipe)
    assert css.count("--chip") == len(STREETS)
    assert "#mine-classes label:nth-of-type(2) { --chip: #800000 }" in css


# handlers


def test_the_early_picture_comes_first(handlers: Handlers, pipe: StreetsPipeline) -> None:
    steps = list(handlers.generate(drawing(handlers, 3), 0.1, 7))
    expected = pipe.compare(handlers.examples[3].path, budget=0.1, seed=7)
    assert len(steps) == 3
    early, full = expected.early.image, expected.full.image
    assert [same(side, early) for side in steps[0]["pictures"]] == [True, True]
    assert same(steps[1]["pictures"][0], early) and same(steps[1]["pictures"][1], full)
    assert f'data-fact="measured">{expected.lpips:.4f}<' in steps[2]["facts"]
    assert f'data-fact="exit">{expected.early.exit} of {pipe.model.exits}<' in steps[0]["facts"]
    assert 'class="true" cx' not in steps[1]["plot"] and 'class="true" cx' in steps[2]["plot"]


def same(first: Any, second: Any) -> bool:
    """Whether two pictures, or files of pictures, are equal."""
    first, second = (Image.open(p) if isinstance(p, str) else p for p in (first, second))
    return bool(np.array_equal(np.asarray(first), np.asarray(second)))


def test_something_is_shown_before_anything_is_touched(handlers: Handlers) -> None:
    first = handlers.opened()
    steps = list(handlers.show_first(None, first["placed"], 0.1, 0))
    assert len(steps) == 3 and "budget" not in first
    # A tab that is opened again keeps what it shows.
    record = steps[-1]["record"]
    assert handlers.opened(record=record) == {}
    assert list(handlers.show_first(record, first["placed"], 0.1, 0)) == []


def test_two_visitors_do_not_disturb_each_other(handlers: Handlers) -> None:
    path = handlers.examples[0].path
    alone = [step["pictures"] for step in handlers.run(path, 0.1, 1)]
    one, two = handlers.run(path, 0.1, 1), handlers.run(path, 0.0, 2)
    mixed = [step["pictures"] for pair in zip(one, two, strict=True) for step in pair]
    assert all(same(a[1], b[1]) for a, b in zip(alone, mixed[::2], strict=True))
    assert not same(mixed[-1][1], mixed[-2][1])


def test_an_upload_is_read_once_and_its_notes_shown(
    handlers: Handlers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.png"
    Image.new("RGB", (64, 48), STREETS[3].colour).save(path)
    updates = handlers.edit(path)
    with Image.open(updates["editor"]["background"]) as shown:
        assert shown.size == handlers.pipe.size[::-1]
    assert "Resized from 64x48" in updates["notes"]
    path.unlink()
    monkeypatch.setattr(StreetsPipeline, "read", None)
    steps = list(handlers.show_placed(updates["placed"], 0.1, 0))
    assert len(steps) == 3 and 'class="notes"' not in steps[-1]["facts"]


def test_another_map_marks_the_picture_of_the_one_before(handlers: Handlers) -> None:
    for updates in (handlers.blank(), handlers.edit(handlers.examples[1].path)):
        assert "Out of date" in updates["stale"]
        first = next(handlers.show_placed(updates["placed"], 0.1, 0))
        assert first["stale"] == ""
    with pytest.raises(InputError, match="seed is empty"):
        next(handlers.show_placed(updates["placed"], 0.1, None))


def test_a_wrong_file_is_a_plain_error(handlers: Handlers, tmp_path: Path) -> None:
    path = tmp_path / "<i>.png"
    path.write_text("no picture")
    with pytest.raises(gr.Error) as caught:
        errors.plainly(handlers.edit)(path)
    assert caught.value.message == (
        "&lt;i&gt;.png is truncated or no picture: save it again as PNG"
    )


def test_visitors_are_told_where_they_find_the_classes(handlers: Handlers, tmp_path: Path) -> None:
    noise, ids = tmp_path / "noise.png", tmp_path / "ids.png"
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (60, 80, 3), np.uint8)).save(noise)
    Image.new("L", (80, 60), 99).save(ids)
    for path in (noise, ids):
        with pytest.raises(gr.Error) as caught:
            errors.plainly(handlers.edit)(path)
        assert "that the page lists" in caught.value.message
        assert "pipe" not in caught.value.message


def test_no_refusal_asks_a_visitor_to_program(handlers: Handlers, tmp_path: Path) -> None:
    """Wrong in every way for which the library's advice is a line of Python."""
    np.save(tmp_path / "colours.npy", np.zeros((60, 80, 3), np.uint8))
    tool = Image.fromarray(np.arange(60 * 80).reshape(60, 80).astype(np.uint8) % 40, "P")
    tool.putpalette([level for index in range(256) for level in voc_colour(index)])
    tool.save(tmp_path / "tool.png")
    for path, advice in (
        (tmp_path / "colours.npy", "as a picture"),
        (tmp_path / "tool.png", "ids"),
    ):
        with pytest.raises(InputError, match=r"PIL|have it read"):
            handlers.edit(path)
        with pytest.raises(gr.Error, match=advice) as caught:
            errors.plainly(handlers.edit)(path)
        assert not re.search("PIL|pipe|have it read", caught.value.message)


@pytest.mark.parametrize("seed", [None, -1, 2**63])
def test_a_wrong_seed_is_a_plain_error(handlers: Handlers, seed: int | None) -> None:
    streamed = Outputs().streamed(handlers.generate)

    async def first() -> Any:
        return await anext(streamed(drawing(handlers, 0), 0.1, seed))

    with pytest.raises(gr.Error, match="seed"):
        asyncio.run(first())


def test_a_handler_without_news_leaves_the_page_as_it_is() -> None:
    """Gradio would empty all that a generator might have filled."""

    def silent() -> Iterator[dict[str, Any]]:
        yield from ()

    async def given() -> list[Any]:
        return [updates async for updates in Outputs().streamed(silent)()]

    assert asyncio.run(given()) == [gr.skip()]


def test_what_is_not_the_visitors_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("out of order")

    with pytest.raises(gr.Error) as caught:
        errors.plainly(broken)()
    assert caught.value.message == errors.OUR_SIDE
    assert "out of order" in caplog.text


def test_the_api_tells_the_route(handlers: Handlers, upload: Callable[..., Any]) -> None:
    file = upload(handlers.examples[1].path)
    picture: Any
    picture, route = asyncio.run(handlers.endpoint(file, budget=0.1, seed=3))
    expected = handlers.pipe(handlers.examples[1].path, budget=0.1, seed=3)
    with Image.open(picture["path"]) as saved:
        assert same(saved, expected.image) and saved.info[GENERATED] == MARK
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
def test_the_api_reads_no_file_that_was_not_sent(handlers: Handlers, file: Any) -> None:
    with pytest.raises(InputError, match="handle_file"):
        asyncio.run(handlers.endpoint(file))


# drawing live


def drawing(handlers: Handlers, number: int) -> str:
    """What the page's script sends of an example in the editor."""
    background = handlers.edit(handlers.examples[number].path)["editor"]["background"]
    with Image.open(background) as picture:
        return files.picture_address(picture, marked=False)


def test_times_count_where_nobody_else_was_served(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendering = handlers.pipe.prepare(handlers.examples[0].path, seed=3)
    record = Record.begin(rendering, 0.0, chosen=1)
    times = times_of(handlers.pipe)
    known = times.of(1)
    assert known and record.pictures[1].result.milliseconds == known
    monkeypatch.setattr("space.result.record.undisturbed", lambda: False)
    for seed in range(KEPT):
        Record.begin(handlers.pipe.prepare(handlers.examples[0].path, seed=seed), 0.0, chosen=1)
    assert times.of(1) == known
    monkeypatch.undo()
    for seed in range(KEPT):
        Record.begin(handlers.pipe.prepare(handlers.examples[0].path, seed=seed), 0.0, chosen=1)
    assert times.of(1) != known


def test_a_moving_hand_gets_the_cheapest_exit(handlers: Handlers) -> None:
    drawn = drawing(handlers, 1)
    updates = live.Handlers(handlers.pipe).frame(drawn, 0.0, 0)
    record, frame = updates["record"], updates["frame"]
    assert list(record.pictures) == [record.chosen] == [live.CHEAPEST]
    early, full = updates["pictures"]
    assert early == full and early.startswith("data:image/webp")
    # The budget asks for more, and will get it when the hand rests.
    assert "Budget 0.000: Full depth" in updates["taken"]
    assert frame.is_of(drawn, 0) and not frame.is_of(drawn, 1)


def test_a_resting_hand_pays_only_what_is_missing(
    handlers: Handlers, pipe: StreetsPipeline
) -> None:
    hand, drawn = live.Handlers(pipe), drawing(handlers, 1)
    moving = hand.frame(drawn, 0.1, 0)
    steps = list(hand.rest(drawn, 0.1, 0, moving["frame"]))
    expected = pipe.compare(handlers.examples[1].path, budget=0.1, seed=0)
    assert same(steps[0]["pictures"][0], expected.early.image)
    assert same(steps[1]["pictures"][1], expected.full.image)
    records = [step["record"] for step in steps]
    assert [len(record.pictures) for record in records] == [1, 2, pipe.model.exits]
    first, last = (one.pictures[live.CHEAPEST] for one in (moving["record"], records[-1]))
    assert last.result.image is first.result.image
    # Nothing is kept once it has been used.
    assert [step["frame"] for step in steps] == [None] * 3


@pytest.mark.parametrize(("number", "seed"), [(2, 0), (1, 5)])
def test_what_another_drawing_left_is_not_used(
    number: int, seed: int, handlers: Handlers, pipe: StreetsPipeline
) -> None:
    hand = live.Handlers(pipe)
    frame = hand.frame(drawing(handlers, 1), 0.1, 0)["frame"]
    step = next(hand.rest(drawing(handlers, number), 0.1, seed, frame))
    expected = pipe(handlers.examples[number].path, budget=0.1, seed=seed)
    assert same(step["pictures"][0], expected.image)


@pytest.mark.parametrize(
    ("address", "seed", "message"),
    [
        ("", 0, "The map is empty"),
        ("data:image/png;base64,?", 0, "The drawing is truncated or no picture"),
        (None, None, "The seed is empty"),
    ],
)
def test_what_cannot_be_drawn_is_said_when_the_hand_rests(
    address: str | None, seed: int | None, message: str, handlers: Handlers
) -> None:
    hand = live.Handlers(handlers.pipe)
    address = drawing(handlers, 0) if address is None else address
    assert hand.frame(address, 0.1, seed) == {}
    with pytest.raises(InputError, match=message):
        list(hand.rest(address, 0.1, seed, None))


# links


@pytest.fixture(scope="module")
def tabs(pipe: StreetsPipeline) -> links.Tabs:
    """What links can hold on a page with both families."""
    return {name: SCREENS[family].fields(pipe) for name, family in FAMILIES.items()}


FAMILIES = {"streets": "label_maps", "faces": "faces"}


def test_an_address_without_a_state_is_no_link(tabs: links.Tabs) -> None:
    for query in ("", "?", "?__theme=dark", "?example="):
        assert links.read(query, tabs) is None


def test_every_example_can_be_linked_to(tabs: links.Tabs) -> None:
    for tab, fields in tabs.items():
        examples = fields["example"]
        assert isinstance(examples, links.Choice)
        assert len(set(examples.slugs)) == len(examples.slugs)
        for number, name in enumerate(examples.slugs):
            link = links.read(f"?tab={tab}&example={name}", tabs)
            assert link == links.Link(tab, {"example": number})


def test_examples_of_one_title_have_links_of_their_own() -> None:
    assert links.slugs(["Open road", "Open road!", "Night"]) == (
        "open-road",
        "open-road-2",
        "night",
    )


def test_a_link_has_a_whole_state(tabs: links.Tabs) -> None:
    link = links.read("?example=crossing&budget=0.05&seed=7", tabs)
    assert link == links.Link("streets", {"example": 4, "budget": 0.05, "seed": 7})
    query = "?tab=faces&example=107-neutral&driver=008-smile&yaw=-8.5&smile=0.3"
    state = {"example": 2, "driver": 1, "yaw": -8.5, "smile": 0.3}
    assert links.read(query, tabs) == links.Link("faces", state)
    # As it was called before, and as it is copied out of a page's source.
    for form in (query.replace("tab=", "family="), query.replace("&", "&amp;")):
        assert links.read(form, tabs) == links.Link("faces", state)
        assert links.state_of(form, "faces", tabs["faces"], first=False) == state


def test_a_state_is_that_of_the_tab_which_the_link_names(tabs: links.Tabs) -> None:
    fields = tabs["streets"]
    named, unnamed = "?tab=mine&seed=7", "?seed=7"
    assert links.state_of(named, "mine", fields, first=False) == {"seed": 7}
    assert links.state_of(named, "streets", fields, first=True) == {}
    assert links.state_of(unnamed, "streets", fields, first=True) == {"seed": 7}
    assert links.state_of(unnamed, "mine", fields, first=False) == {}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tab=cats", "no tab 'cats', only streets, faces"),
        ("example=<b>", "example '<b>' does not exist: choose one of terrace"),
        ("tab=faces&driver=me", "driver 'me' does not exist: choose one of 008-neutral"),
        ("budget=nan", "budget 'nan' is out of range: give 0 to 0.3"),
        ("budget=cheap", "budget 'cheap' is out of range"),
        ("seed=-1", "seed '-1' is out of range: give a whole number from 0 to"),
        ("seed=1.5", "seed '1.5' is out of range"),
        (f"seed={links.MOST_SEED + 1}", "is out of range"),
        (f"seed={'9' * 5000}", "is out of range"),
        ("tab=faces&smile=2", "smile '2' is out of range: give 0 to 1"),
    ],
)
def test_a_bad_link_is_a_plain_error(query: str, message: str, tabs: links.Tabs) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        links.read(query, tabs)
    assert len(str(caught.value)) < 250
    for number, (tab, fields) in enumerate(tabs.items()):
        assert links.state_of(query, tab, fields, first=number == 0) == {}


def test_a_link_opens_the_tab_that_it_names(tabs: links.Tabs) -> None:
    assert links.asked_for("?tab=faces", tabs) == "faces"
    # That one is open, unless the visitor has gone elsewhere.
    assert links.asked_for("?tab=streets", tabs) == links.asked_for("", tabs) == ""
    with pytest.raises(InputError, match="no tab 'faces'"):
        links.asked_for("?tab=faces", {"streets": tabs["streets"]})


def test_a_link_fills_the_inputs_and_its_picture_follows(
    handlers: Handlers, pipe: StreetsPipeline
) -> None:
    opened = handlers.opened("?example=crossing&budget=0.05&seed=7")
    assert [opened[name] for name in ("budget", "seed")] == [0.05, 7]
    drawing = packed.Drawing(handlers.pipe.size, tuple(entry.id for entry in STREETS))
    assert handlers.marks[drawing.mark(opened["placed"].ids)] == "crossing"
    drawn = np.full(handlers.pipe.size, STREETS[4].id, np.uint8)
    drawn[20:40] = STREETS[2].id
    again = handlers.restored(f"?map={drawing.write(drawn)}")
    assert np.array_equal(again["placed"].ids, drawn)
    assert (again["budget"], again["seed"]) == (0.1, 0)
    for damaged in ("", "a", "?", drawing.write(drawn)[:-9], drawing.write(drawn[:9])):
        with pytest.raises(InputError, match="copy the whole link"):
            drawing.read("map", damaged)
    first, *_ = handlers.show_first(None, opened["placed"], opened["budget"], opened["seed"])
    expected = pipe(handlers.examples[4].path, budget=0.05, seed=7)
    assert same(first["pictures"][0], expected.image)


# page


def loaded(name: str, pipe: StreetsPipeline) -> demo.Loaded:
    screen = SCREENS["label_maps"]
    return demo.Loaded(name, pipe, screen, screen.fields(pipe))


@pytest.fixture(scope="module")
def page(pipe: StreetsPipeline) -> gr.Blocks:
    return demo.build([loaded("streets", pipe)], Settings())


def test_only_the_typed_endpoint_is_public(page: gr.Blocks) -> None:
    endpoints = page.get_api_info()["named_endpoints"]
    assert list(endpoints) == ["/streets"]
    parameters = endpoints["/streets"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["label_map", "budget", "seed"]


def test_visitors_share_the_model_and_programs_do_among_themselves(page: gr.Blocks) -> None:
    using = [f for f in page.fns.values() if f.concurrency_id == events.MODEL]
    assert len(using) == 6
    assert {f.concurrency_limit for f in using} == {events.VISITORS_AT_ONCE}
    called = [f for f in page.fns.values() if f.concurrency_id == endpoints.line("streets")]
    assert [f.api_name for f in called] == ["streets"]
    assert [f.concurrency_limit for f in called] == [endpoints.CALLS_AT_ONCE]


def test_the_page_asks_no_other_host(page: gr.Blocks) -> None:
    look = theme.theme()
    assert not look._stylesheets
    assert all("http" not in path.read_text(encoding="utf-8") for path in scripts.STYLES)
    assert "http" not in scripts.head(path for one in SCREENS.values() for path in one.scripts)
    assert page.analytics_enabled is False


def test_the_readme_has_the_snippets_of_the_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for snippet in (
        *(embedding.frame(view) for view in embedding.VIEWS),
        embedding.component(embedding.WHOLE),
    ):
        assert f"```html\n{snippet}\n```" in readme


def test_the_page_has_the_snippet_of_an_embed_without_a_server() -> None:
    with gr.Blocks() as page:
        embedding.screen()
    (shown,) = [one.value for one in page.blocks.values() if isinstance(one, gr.HTML)]
    assert embedding.STATIC in html.unescape(shown)
    assert f"```html\n{embedding.STATIC}\n```" in (ROOT / "docs" / "embed.md").read_text("utf-8")


def test_every_picture_of_the_demo_is_where_the_pages_say() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "screens.md"):
        sources = re.findall(r'<img src="([^"]+)"', page.read_text(encoding="utf-8"))
        assert sources and all((page.parent / source).is_file() for source in sources)


def test_two_tabs_of_one_family_share_no_id_and_no_endpoint(pipe: StreetsPipeline) -> None:
    page = demo.build([loaded("streets", pipe), loaded("my-streets", pipe)], Settings())
    ids = [part.elem_id for part in page.blocks.values() if getattr(part, "elem_id", None)]
    assert len(set(ids)) == len(ids)
    assert list(page.get_api_info()["named_endpoints"]) == ["/streets", "/my_streets"]
    assert "#my-streets-classes" in demo.style([loaded("my-streets", pipe)])


def test_a_checkpoint_that_does_not_load_costs_its_tab_only(
    small_streets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    addresses = {"mine": broken, "streets": small_streets, "gone": tmp_path / "nowhere"}
    checkpoints = tuple(Checkpoint(name, str(path)) for name, path in addresses.items())
    found = demo.load(Settings(checkpoints, torch.get_num_threads()))
    assert [one.pipe is None for one in found] == [True, False, True]
    assert "Tab mine" in caplog.text and "no valid JSON" in caplog.text
    page = demo.build(found, Settings())
    tabs = [part.label for part in page.blocks.values() if isinstance(part, gr.Tab)]
    assert tabs == ["Mine", "Streets", "Gone", "How it works"]
    words = [str(part.value) for part in page.blocks.values() if isinstance(part, gr.Markdown)]
    said = [text for text in words if "could not be loaded" in text]
    assert len(said) == 2 and not any(str(tmp_path) in text for text in said)
    assert list(page.get_api_info()["named_endpoints"]) == ["/streets"]


def test_a_tab_says_what_its_checkpoint_says(page: gr.Blocks, pipe: StreetsPipeline) -> None:
    words = " ".join(str(p.value) for p in page.blocks.values() if isinstance(p, gr.Markdown))
    assert pipe.config.domain.summary in words
    assert all(sentence in words for sentence in pipe.config.domain.limits)


def test_families_are_told_apart_in_one_place_only() -> None:
    found = [
        path.relative_to(ROOT)
        for path in (ROOT / "space").rglob("*.py")
        if re.search(r"isinstance\(.*Pipeline\)", path.read_text(encoding="utf-8"))
    ]
    assert found == []
