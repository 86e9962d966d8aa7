"""The comparison without a browser: cards, difference, downloads, budget, real pairs."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.marking import GENERATED, MARK
from fiancee_hub.core.router import Forecast, route
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.rendering import Rendering
from space import demo
from space.faces.events import Handlers as FaceHandlers
from space.faces.examples import examples as face_examples
from space.faces.samples import samples as face_samples
from space.faces.wish import CLIP, PICTURE
from space.label_maps import maps
from space.label_maps.events import Handlers as MapHandlers
from space.label_maps.events import fields as map_fields
from space.label_maps.events import rendering as map_rendering
from space.label_maps.packed import Drawing
from space.label_maps.samples import samples as map_samples
from space.page import links
from space.page.events import memory
from space.page.files import picture_address, stored
from space.page.front import CARD
from space.page.tabs import Tab
from space.result import budget as budgets
from space.result import chain, comparison, contrast, difference, downloads, scale
from space.result import stored as first_written
from space.result.cards import exit_cards
from space.result.downloads import comparison_file, picture_file
from space.result.facts import exit_name
from space.result.network import Network
from space.result.record import Record
from space.result.sharing import MOST_WAITING, Shared, Sharing
from space.screens import screen_of
from space.settings import Settings
from space.tools import pairs

BUDGET = 0.1

TAB = Tab("streets", "Streets", opened=lambda *_, **__: None)


@pytest.fixture(scope="module")
def rendering(pipe: StreetsPipeline) -> Rendering:
    return pipe.prepare(maps.examples()[0].path, seed=0)


@pytest.fixture(scope="module")
def record(rendering: Rendering) -> Record:
    """A complete one that has several exits to choose from."""
    found = Record.begin(rendering, BUDGET).add(
        rendering, *range(1, rendering.pipeline.model.exits + 1)
    )
    assert len({found.forecast.route(budget) for budget in scale.BUDGETS}) > 1
    return found


def picture(address: str) -> Image.Image:
    """The picture in a ``data:`` address."""
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def same(first: Any, second: Any) -> bool:
    return bool(np.array_equal(np.asarray(first), np.asarray(second)))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the model is asked to do."""
    done: list[str] = []
    for name in ("start", "predict", "advance", "render"):
        original: Callable[..., Any] = getattr(EarlyExitModel, name)

        def counted(
            *values: Any, _original: Any = original, _name: str = name, **options: Any
        ) -> Any:
            done.append(_name)
            return _original(*values, **options)

        monkeypatch.setattr(EarlyExitModel, name, counted)
    yield done


# record


def test_the_record_agrees_with_the_library(pipe: StreetsPipeline, record: Record) -> None:
    for budget in (0.0, 0.05, 0.1, 0.2, 0.3):
        moved = record.at(budget)
        expected = pipe.compare(maps.examples()[0].path, budget=budget, seed=0)
        assert moved.chosen == expected.early.exit
        assert same(moved.early.result.image, expected.early.image)
        assert moved.early.lpips == pytest.approx(expected.lpips, abs=1e-6)
        if moved.chosen < moved.exits:
            assert moved.early.result.macs == expected.early.macs
        else:
            assert moved.early.result.macs == expected.full.macs


def test_a_forecast_routes_as_the_router_does() -> None:
    mean, spread = np.array([[0.2, 0.1, 0.05]]), np.array([[0.01, 0.01, 0.01]])
    forecast = Forecast(mean, spread)
    for budget in (0.0, 0.07, 0.1, 0.5):
        assert forecast.route(budget) == route(mean, spread, budget, None)[0]
    with pytest.raises(InputError, match="out of range"):
        forecast.route(1.5)


def test_what_is_kept_has_nothing_of_the_input(record: Record) -> None:
    kept = [
        *vars(record).values(),
        *(part for s in record.pictures.values() for part in vars(s).values()),
    ]
    assert not any(isinstance(part, Rendering | torch.Tensor) for part in kept)


# moving the budget


@pytest.mark.parametrize("family", ["streets", "faces"])
def test_a_moved_budget_switches_pictures_and_renders_nothing(
    family: str, pipe: StreetsPipeline, face_pipe: FacesPipeline, work: list[str]
) -> None:
    rendering, move = started(family, pipe, face_pipe)
    record = list(comparison.steps(rendering, BUDGET, stored))[-1]["record"]
    assert {"predict", "render"} <= set(work)
    work.clear()
    switched = set()
    for budget in scale.BUDGETS:
        updates = move(record, budget)
        exit_index = rendering.forecast.route(budget)
        if exit_index != record.chosen:
            switched.add(exit_index)
            assert f'data-fact="exit">{exit_index} of {record.exits}<' in updates["facts"]
            assert updates["record"].chosen == exit_index
            assert f'data-exit="{exit_index}" class="taken"' in updates["cards"]
        elif budget != record.budget:
            assert "pictures" not in updates and f"budget {budget:.3f}" in updates["plot"]
        # What stood for another input does so still.
        assert "stale" not in updates
    assert switched and work == []


def started(
    family: str, pipe: StreetsPipeline, face_pipe: FacesPipeline
) -> tuple[Rendering, Callable[[Record, float], Any]]:
    """A rendering, and what the screen does when the budget is moved."""
    if family == "streets":
        return pipe.prepare(maps.examples()[0].path), MapHandlers(TAB, pipe).move
    handlers = FaceHandlers(TAB, face_pipe)
    source = face_examples()[0].path
    rendering = face_pipe.prepare(source=source, driver=Controls(yaw=10, relative=True))
    return rendering, lambda record, budget: handlers.move_budget(record, budget, None, False)


def test_the_shown_picture_is_the_one_that_the_exit_made(
    record: Record, pipe: StreetsPipeline
) -> None:
    other = next(b for b in scale.BUDGETS if record.forecast.route(b) != record.chosen)
    early, full = MapHandlers(TAB, pipe).move(record, other)["pictures"]
    expected = pipe(maps.examples()[0].path, budget=other, seed=0)
    assert same(Image.open(early), expected.image)
    assert record.full is not None and same(Image.open(full), record.full.result.image)


def test_nothing_moves_before_all_exits_are_there(rendering: Rendering) -> None:
    begun = Record.begin(rendering, BUDGET)
    for record in (None, begun):
        assert comparison.moved(record, 0.02, stored) == {}


def test_a_visitor_is_told_where_nothing_is_kept_that_could_follow(
    record: Record, pipe: StreetsPipeline, face_pipe: FacesPipeline
) -> None:
    streets, faces = MapHandlers(TAB, pipe), FaceHandlers(TAB, face_pipe)
    told = comparison.outdated(comparison.FORGOTTEN)
    assert streets.pick_exit(1, None) == faces.pick_exit(1, None, None, False) == told
    assert comparison.forgotten(None) == faces.forgotten(None, PICTURE) == told
    assert comparison.forgotten(record) == faces.forgotten(None, CLIP) == {}


@pytest.mark.parametrize("family", ["streets", "faces"])
def test_a_hand_on_the_budget_asks_what_is_kept(
    family: str, pipe: StreetsPipeline, face_pipe: FacesPipeline
) -> None:
    made: Any = pipe if family == "streets" else face_pipe
    one = demo.Loaded(family, made, screen_of(made), screen_of(made).fields(made))
    page = demo.build([one], Settings())
    (budget,) = (part for part in page.blocks.values() if part.elem_id == f"{family}-budget")
    (stale,) = (part for part in page.blocks.values() if part.elem_id == f"{family}-stale")
    asked = [fn for fn in page.fns.values() if (budget._id, "input") in fn.targets and fn.fn]
    assert [stale] in [fn.outputs for fn in asked]


def test_every_value_of_the_slider_is_routed(record: Record) -> None:
    found = chain.stretches(record)
    assert sum(stretch.steps for stretch in found) == len(scale.BUDGETS) == 61
    for stretch in found:
        assert record.forecast.route(stretch.first) == stretch.exit
    assert sum(stretch.width for stretch in found) == pytest.approx(1)
    html = chain.chain(record)
    assert f"Budget {BUDGET:.3f}" in html and f"from {found[-1].first:.3f}" in html
    assert html.count("data-exit=") == record.exits and html.count('aria-pressed="true"') == 1


def test_another_exit_is_shown_by_hand_and_the_budget_takes_over_again(record: Record) -> None:
    other = next(index for index in range(1, record.exits) if index != record.chosen)
    shown = comparison.picked(record, other, stored)
    assert shown["record"].chosen == other and "chosen by hand" in shown["headline"]
    assert "Shown by hand" in shown["taken"] and "stale" not in shown
    assert comparison.picked(record, record.chosen, stored) == {}
    back = comparison.picked(shown["record"], record.chosen, stored)
    assert back["headline"] == comparison.shown(record, stored)["headline"]


def test_the_control_gives_room_to_what_can_be_told_apart() -> None:
    found = scale.widths([(0.09, 0.108), (0.06, 0.07)])
    assert sum(found) == pytest.approx(1)
    assert found[scale.step_of(0.1)] > 4 * found[scale.step_of(0.25)]
    places = scale.places(found)
    assert list(places) == sorted(places, reverse=True) and 0 < places[-1] < places[0] < 1
    assert len(set(scale.widths([]))) == 1
    assert [scale.step_of(budget) for budget in (0, 0.0049, 0.005, 0.3, 1)] == [0, 0, 1, 60, 60]


def test_the_chain_draws_an_exit_before_the_first_stage() -> None:
    network = Network(3, (0, 0, 2), (0.5, 0.3, 0.2), scale.widths([]))
    drawn = chain.parts(network, 1)
    names = ["Exit 1", "Exit 2", "l1", "l2", "Exit 3", "l3", "Full depth"]
    assert [part.name for part in drawn] == names
    assert [part.done for part in drawn] == [True, *[False] * 6]


def test_what_each_exit_costs_is_known_before_any_picture(record: Record) -> None:
    network = record.network
    assert network.shares == pytest.approx(record.shares)
    cost = f"{100 * record.shares[0]:.1f} %"
    for control in (chain.empty(network), chain.of_frames(network, 0.05)):
        assert f"Show exit 1, {cost} of the computation" in control
    assert "Budget 0.050: every frame takes an exit of its own" in chain.of_frames(network, 0.05)


def test_the_outcome_is_one_sentence(record: Record) -> None:
    full = record.at(0.0)
    assert chain.said(full) == f"Exit {record.exits} of {record.exits}, budget kept"
    assert f'data-said="{chain.said(full)}"' in chain.chain(full)
    by_hand = chain.said(full.showing(1))
    assert by_hand.startswith(f"Exit 1 of {record.exits}, chosen by hand, LPIPS 0.")
    unfinished = replace(record, pictures={record.chosen: record.early})
    assert chain.said(unfinished) == ""


def test_an_easy_and_a_hard_input_stand_side_by_side(
    pipe: StreetsPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The exits of random weights keep no budget.
    monkeypatch.setattr(contrast, "true_lpips", lambda rendering, exit_index: 0.001)
    groups = map_samples(pipe, seeds=2)
    found = contrast.find(groups, "streets")
    assert found
    easy, hard = found.sides
    assert easy.share < hard.share <= 1 and max(easy.lpips, hard.lpips) <= found.budget
    html = contrast.shown(found)
    for side in found.sides:
        link = links.read(side.state, {"streets": map_fields(pipe)})
        assert link and link.values["budget"] == found.budget
        taken = map_rendering(pipe, link.values).forecast.route(found.budget)
        assert side.exit == exit_name(taken, pipe.model.exits)
        assert f'data-state="{escape(side.state)}"' in html and f"{100 * side.share:.0f} %" in html
    assert pipe.loaded_from
    first_written.write(groups[0][0].rendering, pipe.loaded_from, tmp_path / "streets.json", found)
    assert first_written.read_contrast("streets", pipe.loaded_from, tmp_path) == found
    assert contrast.find([groups[0][:1]], "streets") is None


def test_a_shared_link_has_a_card(pipe: StreetsPipeline) -> None:
    tabs = {"streets": Shared("Streets", map_fields(pipe), partial(map_rendering, pipe))}
    sharing = Sharing(tabs)

    def card_of(query: str) -> bytes:
        return asyncio.run(sharing.card(query))

    with Image.open(io.BytesIO(card_of("tab=streets&example=avenue"))) as card:
        assert card.size == (1200, 630) and card.info[GENERATED] == MARK
    assert card_of("tab=streets&example=nowhere") == card_of("")
    drawing, ids = map_fields(pipe)["map"], np.zeros(pipe.size, np.uint8)
    assert isinstance(drawing, Drawing)
    drawn = []
    for _ in range(2):
        ids[40:50, 40:90] += 1  # In the middle of a large array, which its text leaves out.
        drawn.append(card_of(f"map={drawing.write(ids)}"))
    assert len(set(drawn)) == 2
    assert "LPIPS 0.05" in sharing.describe("budget=0.05")[1]
    assert asyncio.run(Sharing({}).card("")) == b""


def test_many_cards_at_once_keep_nobody_else_waiting(
    pipe: StreetsPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, made = Event(), list[int]()

    def slow(_: Sharing, link: links.Link) -> bytes:
        assert go_on.wait(60)
        made.append(link.values["seed"])
        return b"card"

    monkeypatch.setattr(Sharing, "_made", slow)
    tabs = {"streets": Shared("Streets", map_fields(pipe), partial(map_rendering, pipe))}
    # Like the page's own addresses, it needs one of the server's threads.
    other = Route("/other", lambda request: Response("words"))
    transport = httpx.ASGITransport(Starlette(routes=[Sharing(tabs).route(), other]))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            cards = [asyncio.create_task(client.get(f"{CARD}?seed={k}")) for k in range(60)]
            await asyncio.sleep(0.1)
            assert (await asyncio.wait_for(client.get("/other"), 20)).text == "words"
            go_on.set()
            return [*await asyncio.gather(*cards), await client.get(f"{CARD}?seed=0")]

    *answers, again = asyncio.run(ask())
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 60 - MOST_WAITING
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert {a.content for a in answers if a not in refused} == {again.content} == {b"card"}
    assert made == list(range(MOST_WAITING))


# cards and difference


def test_the_cards_have_every_exit_and_marks_the_taken_one(record: Record) -> None:
    html = exit_cards(record)
    assert html.count("<li") == html.count("<img") == record.exits
    assert html.count('aria-current="true"') == 1
    assert f'data-exit="{record.chosen}" class="taken"' in html
    for index, shot in record.pictures.items():
        assert f">{100 * record.macs[index - 1] / record.macs[-1]:.1f} %<" in html
        assert f'data-fact="measured">{shot.lpips:.4f}<' in html
    assert "Picture of full depth" in html and "to full depth" in html


def test_exits_keep_their_place_until_they_are_rendered(rendering: Rendering) -> None:
    html = exit_cards(Record.begin(rendering, BUDGET))
    assert html.count("<img") == 1
    assert html.count('class="missing"') == rendering.pipeline.model.exits - 1


def test_the_difference_is_the_mean_over_the_channels() -> None:
    black, other = Image.new("RGB", (2, 1)), Image.new("RGB", (2, 1), (30, 60, 90))
    assert difference.difference(black, other).tolist() == [[60, 60]]


def test_the_difference_has_a_fixed_scale_from_dark_to_light() -> None:
    levels = np.array([[0, 16, 32, 48, difference.MOST, 255]], np.float32)
    colours = np.asarray(difference.heat_map(levels))[0]
    assert colours[0].tolist() == list(difference.COLOURS[0])
    assert colours[-1].tolist() == colours[-2].tolist() == list(difference.COLOURS[-1])
    lightness = np.asarray(Image.fromarray(colours[None]).convert("L"))[0].astype(int)
    assert (np.diff(lightness)[:-1] > 0).all()


def test_the_difference_is_shown_once_full_depth_is_there(
    rendering: Rendering, record: Record
) -> None:
    assert "<img" not in difference.difference_view(Record.begin(rendering, BUDGET))
    early = record.at(scale.MOST_BUDGET)
    html = difference.difference_view(early)
    assert record.full is not None and "levels of 255" in html
    levels = difference.difference(early.early.result.image, record.full.result.image)
    address = html.split('src="')[1].split('"')[0]
    shown, exact = (np.asarray(p, float) for p in (picture(address), difference.heat_map(levels)))
    assert np.abs(shown - exact).mean() < 30  # as WebP
    assert f"{levels.mean():.1f} on average" in html
    assert "no difference" in difference.difference_view(record.at(0.0))


# downloads


def test_the_picture_is_saved_as_it_is_and_marked(record: Record) -> None:
    file = picture_file(record, "streets")
    assert file["name"] == f"fiancee-streets-exit-{record.chosen}.png"
    saved = picture(file["address"])
    assert same(saved, record.early.result.image) and saved.info[GENERATED] == MARK


def test_the_comparison_is_one_marked_picture(record: Record) -> None:
    early = record.at(scale.MOST_BUDGET)
    saved = picture(comparison_file(early, "streets", "Streets")["address"])
    assert saved.format == "PNG" and saved.info[GENERATED] == MARK
    assert saved.width > 3 * 500 and saved.height > 400
    assert not same(
        saved, picture(comparison_file(record.at(0.0), "streets", "Streets")["address"])
    )


@pytest.mark.parametrize(
    "save",
    [
        lambda record: picture_file(record, "streets"),
        lambda record: comparison_file(record, "streets", "Streets"),
    ],
)
def test_without_a_result_there_is_nothing_to_save(save: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="press Generate"):
        save(None)


def test_the_map_uploads_again_as_it_was(pipe: StreetsPipeline, tmp_path: Path) -> None:
    handlers = MapHandlers(TAB, pipe)
    editor = handlers.edit(maps.examples()[2].path)["editor"]
    drawn = Image.open(editor["background"]).convert("RGB")
    ImageDraw.Draw(drawn).ellipse((20, 20, 70, 60), pipe.config.classes[4].colour)
    path = tmp_path / "map.png"
    file = handlers.save(picture_address(drawn, marked=False))
    saved = picture(file["address"])
    path.write_bytes(base64.b64decode(file["address"].partition(",")[2]))
    assert (file["name"], saved.mode) == ("fiancee-streets-map.png", "P")
    again = handlers.edit(path)
    assert same(Image.open(again["editor"]["background"]), drawn) and again["notes"] == ""
    assert same(pipe.read(path).ids, pipe.read(drawn).ids)


def test_saved_files_come_to_the_browser_without_a_file_on_the_server(
    pipe: StreetsPipeline,
) -> None:
    with gr.Blocks() as page:
        downloads.save_buttons(TAB, memory())
    handlers = [f for f in page.fns.values() if f.fn]
    assert len(handlers) == 2
    assert all(isinstance(f.outputs[0], gr.JSON) for f in handlers)
    assert page.get_api_info()["named_endpoints"] == {}


# real pairs


def shown_pairs() -> list[tuple[Path, budgets.RealPair]]:
    folders = [f for f in budgets.FOLDER.iterdir() if f.is_dir()]
    return [(folder, pair) for folder in folders for pair in budgets.pairs(folder)]


def test_the_pairs_of_the_page_are_as_far_apart_as_it_says() -> None:
    found = shown_pairs()
    assert {pair.level for folder, pair in found if folder.name == "streets"} == set(pairs.LEVELS)
    for folder, pair in found:
        first, second = (Image.open(folder / file) for file in pair.files)
        assert pairs.distance(first, second) == pytest.approx(pair.lpips, abs=1e-4)
        assert 1 / pairs.NEAR <= pair.lpips / pair.level <= pairs.NEAR
        assert first.info[GENERATED] == second.info[GENERATED] == MARK


def test_captions_tell_the_measured_lpips() -> None:
    pair = budgets.RealPair(0.1, 0.0987, ("a.png", "b.png"), ("Square: full depth", "Exit 2"))
    assert budgets.pair_captions(pair) == ("Square: full depth", "Exit 2, LPIPS 0.099")


def test_a_pair_stands_for_a_level_only_if_it_is_near() -> None:
    blank = Image.new("RGB", (8, 8))
    far, near, nearest = (
        pairs.Candidate(lpips, (blank, blank), (name, name))
        for lpips, name in ((0.07, "far"), (0.09, "near"), (0.1, "nearest"))
    )
    assert pairs.choose(0.1, [far, near], [nearest]) is near
    assert pairs.choose(0.1, [far], [near, nearest]) is nearest
    assert pairs.choose(0.2, [far], [near]) is None


def test_pairs_are_made_anew_for_any_checkpoint(
    pipe: StreetsPipeline, face_pipe: FacesPipeline, tmp_path: Path
) -> None:
    (tmp_path / "0.3-a.png").write_bytes(b"of an earlier run")
    for groups in (map_samples(pipe, seeds=2)[:2], face_samples(face_pipe)[:2]):
        made = pairs.write(groups, tmp_path)
        files = {file for pair in made for file in pair.files}
        assert {path.name for path in tmp_path.glob("*.png")} == files
        assert budgets.pairs(tmp_path) == tuple(made)
        assert len(json.loads((tmp_path / budgets.PAIRS).read_text())["pairs"]) == len(made)


def test_without_pairs_there_is_no_gallery(tmp_path: Path) -> None:
    with gr.Blocks() as page:
        budgets.pair_gallery(TAB, tmp_path)
    assert not any(isinstance(part, gr.Gallery) for part in page.blocks.values())
