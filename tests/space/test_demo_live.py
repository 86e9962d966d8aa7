"""Drawing live in a real browser: the picture follows the hand, then catches up with the budget."""

import time
from base64 import b64decode
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from demo_server import PATIENCE, StreetsPage
from PIL import Image
from playwright.sync_api import expect

from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space.label_maps.live import CHEAPEST
from space.label_maps.maps import examples

WATCH = """() => {
  const seen = window.seen = {exits: [], left: [], verdicts: [], frames: 0, open: 0, most: 0};
  const note = (list, value) => value && list.at(-1) !== value && list.push(value);
  const look = () => {
    note(seen.exits, document.querySelector('#streets-facts [data-fact=exit]')?.textContent);
    note(seen.left, document.querySelector('#streets-pictures img')?.src);
    note(seen.verdicts, document.querySelector('#streets-facts .verdict')?.className);
  };
  look();
  new MutationObserver(look).observe(
    document.querySelector('#streets-screen'), {subtree: true, childList: true, attributes: true});
  document.querySelector('#streets-live-frame').addEventListener('click', () => {
    seen.frames += 1;
    seen.most = Math.max(seen.most, ++seen.open);
  });
  const live = window.fiancee.live('streets');
  const done = live.done;
  live.done = () => { seen.open -= 1; done(); };
}"""
"""Notes what the page shows, however briefly, and how many frames are on their way at once."""


@pytest.fixture
def screen(screen: StreetsPage) -> StreetsPage:
    screen.page.evaluate(WATCH)
    return screen


def seen(screen: StreetsPage) -> dict[str, Any]:
    found: dict[str, Any] = screen.page.evaluate("window.seen")
    return found


def set_budget(screen: StreetsPage, budget: float) -> None:
    box = screen.part("budget", "input[type=number]")
    box.fill(str(budget))
    box.press("Tab")
    expect(screen.part("routes")).to_contain_text(f"Budget {budget:.3f}", timeout=PATIENCE)


def pixels(screen: StreetsPage, source: str) -> np.ndarray[Any, Any]:
    content = (
        b64decode(source.partition(",")[2])
        if source.startswith("data:")
        else screen.page.request.get(source).body()
    )
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def saved_map(screen: StreetsPage) -> Image.Image:
    with screen.page.expect_download() as download:
        screen.part("save-map").click()
    return Image.open(BytesIO(download.value.path().read_bytes()))


def wait_for_frame(screen: StreetsPage, number: int) -> None:
    """The ``number``-th frame has come back."""
    screen.page.wait_for_function(
        f"window.seen.frames >= {number} && window.seen.open < window.seen.frames - {number - 1}"
    )


def farthest(screen: StreetsPage, wanted: list[np.ndarray[Any, Any]]) -> int:
    """By how many levels a pixel of what is shown is off at most."""
    return max(
        int(np.abs(pixels(screen, source) - picture).max())
        for source, picture in zip(screen.sources(), wanted, strict=True)
    )


def expect_picture_of(
    screen: StreetsPage, shipped_pipe: StreetsPipeline, drawing: Any, budget: float
) -> None:
    """The page comes to show this; an earlier stroke's result may stand there until then."""
    expected = shipped_pipe.compare(drawing, budget=budget, seed=0)
    wanted = [np.asarray(result.image, np.int16) for result in (expected.early, expected.full)]
    deadline = time.monotonic() + PATIENCE / 1000
    while (off := farthest(screen, wanted)) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert off <= 1
    assert screen.fact("exit") == f"{expected.early.exit} of {shipped_pipe.model.exits}"


def test_the_picture_follows_the_hand_and_catches_up_when_it_rests(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    exits = shipped_pipe.model.exits
    set_budget(screen, 0.0)
    screen.pick_class("building")
    before = seen(screen)
    with screen.new_result(), screen.drawing((0.3, 0.3)):
        screen.move((0.5, 0.6))
        wait_for_frame(screen, 1)
        screen.move((0.7, 0.3))
        wait_for_frame(screen, 2)
    after = seen(screen)
    shown = after["exits"][len(before["exits"]) - 1 :]
    assert shown[:2] == [f"{exits} of {exits}", f"{CHEAPEST} of {exits}"]
    assert shown[-1] == f"{exits} of {exits}"
    # Frames are small files, what a resting hand gets is exact.
    frames = [source for source in after["left"] if source.startswith("data:image/webp")]
    assert len(set(frames)) >= 2
    first, last = (pixels(screen, frames[number]) for number in (0, -1))
    assert np.abs(first - last).max() > 30
    assert not screen.sources()[0].startswith("data:")
    expect_picture_of(screen, shipped_pipe, saved_map(screen), 0.0)


def test_one_frame_at_a_time_and_the_newest_wins(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    screen.pick_class("tree")
    with screen.new_result(), screen.drawing((0.2, 0.2)):
        for step in range(4):
            screen.move((0.35 + 0.15 * step, 0.5 - 0.3 * (step % 2)))
    found = seen(screen)
    assert found["frames"] >= 1
    assert found["most"] == 1 and found["open"] == 0
    expect_picture_of(screen, shipped_pipe, saved_map(screen), 0.1)


def test_a_hand_that_comes_back_is_followed_again(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    set_budget(screen, 0.0)
    screen.pick_class("building")
    screen.stroke((0.3, 0.2), (0.4, 0.6))
    # Full depth is being shown, the other exits are still to come.
    expect(screen.part("facts", "[data-fact=exit]")).to_have_text(
        f"{shipped_pipe.model.exits} of {shipped_pipe.model.exits}", timeout=PATIENCE
    )
    with screen.new_result():
        screen.stroke((0.6, 0.2), (0.7, 0.6))
    drawn = saved_map(screen)
    expect_picture_of(screen, shipped_pipe, drawn, 0.0)
    with screen.new_result():
        screen.part("map").get_by_role("button", name="Undo").click()
    undone = saved_map(screen)
    assert not np.array_equal(np.asarray(drawn), np.asarray(undone))
    expect_picture_of(screen, shipped_pipe, undone, 0.0)


def test_without_it_the_picture_waits_for_generate(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    screen.part("live-wanted", "input").uncheck()
    screen.pick_class("building")
    screen.stroke((0.3, 0.3), (0.6, 0.7))
    screen.generate()
    assert seen(screen)["frames"] == 0
    expect_picture_of(screen, shipped_pipe, saved_map(screen), 0.1)


def test_a_seed_that_is_none_is_said_when_the_hand_rests(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    screen.part("seed", "input").fill("")
    screen.pick_class("building")
    screen.stroke((0.3, 0.3), (0.5, 0.6))
    expect(screen.error.first).to_contain_text("The seed is empty", timeout=PATIENCE)
    screen.part("seed", "input").fill("0")
    with screen.new_result():
        screen.stroke((0.7, 0.3), (0.8, 0.6))
    expect_picture_of(screen, shipped_pipe, saved_map(screen), 0.1)


def test_another_example_is_not_painted_over(
    screen: StreetsPage, shipped_pipe: StreetsPipeline
) -> None:
    screen.pick_class("building")
    screen.stroke((0.3, 0.3), (0.6, 0.7))
    screen.pick_example(3)
    screen.generate()
    expect_picture_of(screen, shipped_pipe, examples()[2].path, 0.1)


@pytest.mark.parametrize("window", [(390, 844), (1280, 720)])
def test_map_and_picture_are_in_sight_together(screen: StreetsPage) -> None:
    screen.part("map").evaluate("part => part.scrollIntoView({block: 'end'})")
    canvas = screen.part("map", "canvas").first
    for part in (canvas, screen.part("pictures", "img").first):
        expect(part).to_be_in_viewport(ratio=0.95)
    top, below = screen.part("pictures").bounding_box(), canvas.bounding_box()
    assert top is not None and below is not None
    side_by_side = top["x"] >= below["x"] + below["width"]
    assert side_by_side or top["y"] + top["height"] <= below["y"]
