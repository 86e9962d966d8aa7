"""A camera that drives a face: its pace, its turn, what it is told, and the page in a browser."""

import asyncio
import io
import json
import time
import weakref
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from threading import Event
from typing import Any

import httpx
import pytest
from demo_server import PATIENCE, FacesPage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.testclient import TestClient
from visitor_pictures import PORTRAIT, encoded, noise, portrait

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.marking import DESCRIPTION, MARK
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source
from space.faces import camera
from space.faces.camera import CAMERAS, Camera, Cameras
from space.faces.camera_routes import ADDRESS, FRAME, OVER, routes, told
from space.faces.events import Handlers
from space.faces.examples import examples
from space.faces.pace import FORGOTTEN, FPS, Pace
from space.faces.wish import RELATIVE
from space.page.tabs import Tab

BUDGET = 0.1
FACE = encoded(portrait(), "JPEG")


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def source(face_pipe: FacesPipeline) -> Source:
    return face_pipe.encode(PORTRAIT)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(face_pipe: FacesPipeline, source: Source, clock: Clock) -> Camera:
    return Camera(face_pipe, source, BUDGET, relative=True, clock=clock)


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=routes()))


@pytest.fixture
def address(opened: Camera) -> Any:
    key = CAMERAS.open(opened)
    yield f"{ADDRESS}/{key}"
    CAMERAS.close(key)


# pace

MEASURED = [21.0, 35.0, 46.0, 62.0, 127.0]
"""Milliseconds of the exits on two processors, of 3, 9, 22, 47 and 100 % of the operations."""

SETTLED = 10
"""Frames in which every exit has been tried."""


def deepest_in_time(reading: float, making: Sequence[float]) -> int:
    return sum(reading + one <= 1000 / FPS for one in making) or 1


def taken(pace: Pace, reading: float, making: Iterable[Sequence[float]]) -> list[int]:
    """The exits of frames, each of which would take as long as said."""
    exits = []
    for times in making:
        exits.append(pace.deepest)
        pace.note(reading, exits[-1], times[exits[-1] - 1])
    return exits


@given(
    reading=st.floats(0, 90),
    making=st.lists(st.floats(1, 200), min_size=1, max_size=6).map(sorted),
)
def test_the_deepest_exit_in_time_is_found_and_kept(reading: float, making: list[float]) -> None:
    """The times never change."""
    exits = taken(Pace(len(making)), reading, [making] * 200)
    deepest = deepest_in_time(reading, making)
    assert exits[0] == 1
    others = [k for k in exits[SETTLED:] if k != deepest]
    assert set(others) <= {deepest + 1}
    assert len(others) <= 200 // FORGOTTEN
    assert sum(k > deepest for k in exits) <= 200 // FORGOTTEN + 1


@given(
    reading=st.floats(0, 70),
    making=st.lists(st.floats(1, 200), min_size=5, max_size=5).map(sorted),
    noise=st.lists(st.floats(0.9, 1.1), min_size=20, max_size=150),
)
def test_times_that_vary_a_little_change_little(
    reading: float, making: list[float], noise: list[float]
) -> None:
    """An exit that is surely in time is not left, and one that surely is not is only tried."""
    exits = taken(Pace(5), reading, ([share * one for one in making] for share in noise))
    surely = deepest_in_time(reading, [1.1 * one for one in making])
    hardly = deepest_in_time(reading, [0.9 * one for one in making])
    if reading + 1.1 * making[0] <= 1000 / FPS:
        assert min(exits[SETTLED:]) >= surely
    late = [number for number, one in enumerate(exits) if one > hardly]
    assert all(after - one >= FORGOTTEN for one, after in pairwise(late))


@pytest.mark.parametrize(("reading", "deepest"), [(15, 4), (30, 3), (45, 2), (60, 1), (90, 1)])
def test_the_pace_is_that_of_the_times_measured(reading: float, deepest: int) -> None:
    exits = taken(Pace(5), reading, [MEASURED] * 120)
    assert exits.count(deepest) > 110
    assert exits[SETTLED:].count(deepest + 1) == (0 if reading == 90 else 3)


def test_where_the_machine_gets_busy_the_pace_goes_back_and_comes_again() -> None:
    """By one exit a frame, whose times from before count no more."""
    pace = Pace(5)
    busy = [3 * one for one in MEASURED]
    assert taken(pace, 15, [MEASURED] * 100)[-1] == 4
    assert set(taken(pace, 15, [busy] * 100)[SETTLED:]) == {1, 2}
    assert set(taken(pace, 15, [MEASURED] * 100)[FORGOTTEN + SETTLED :]) == {4, 5}


def test_frames_that_want_less_try_nothing() -> None:
    pace = Pace(5)
    for _ in range(3 * FORGOTTEN):
        exit_index = min(2, pace.deepest)
        pace.note(15, exit_index, MEASURED[exit_index - 1])
    assert pace.deepest == 3
    # What was in time long ago is not taken beyond one that is too slow now.
    taken(pace, 15, [MEASURED] * 10)
    for _ in range(3 * FORGOTTEN):
        pace.note(15, 2, 100)
    assert pace.deepest == 1


def test_an_exit_that_was_slow_once_has_another_chance() -> None:
    pace = Pace(3)
    pace.note(20, 1, 2)
    pace.note(20, pace.deepest, 300)  # its first run, with everything still to be prepared
    assert pace.deepest == 1
    for _ in range(FORGOTTEN):
        pace.note(20, 1, 2)
    assert pace.deepest == 2
    pace.note(20, 2, 10)  # Alone: no mean with what is forgotten.
    assert pace.deepest == 3


# one camera


def frames(one: Camera, *contents: bytes) -> list[Any]:
    async def send() -> list[Any]:
        return [await one.frame(content) for content in contents]

    return asyncio.run(send())


def test_the_first_face_is_the_neutral_one(
    opened: Camera, face_pipe: FacesPipeline, source: Source
) -> None:
    still, again = frames(opened, FACE, FACE)
    at_rest = face_pipe(source=source, driver=FACE, reference=FACE, exit=still.result.exit).image
    assert still.result.image.tobytes() == at_rest.tobytes()
    # Landmarks of a face that is followed are no more than a pixel from those of one that is found.
    assert again.result.predicted_lpips == pytest.approx(still.result.predicted_lpips, abs=0.02)


def test_without_a_face_the_problem_is_told_and_the_next_one_is_found(opened: Camera) -> None:
    first, nothing, again = frames(opened, FACE, encoded(noise(), "JPEG"), FACE)
    assert first.result and again.result
    assert nothing.result is None and "No face was found" in nothing.problem


def test_absolute_driving_needs_no_neutral_face(
    opened: Camera, face_pipe: FacesPipeline, source: Source, clock: Clock
) -> None:
    """Also where the camera drove relatively before."""
    frames(opened, FACE)
    absolute = Camera(face_pipe, source, BUDGET, relative=False, clock=clock)
    absolute.go_on_from(opened)
    (made,) = frames(absolute, FACE)
    expected = face_pipe(source=source, driver=FACE, exit=made.result.exit).image
    assert made.result.image.tobytes() == expected.tobytes()


def test_only_the_newest_picture_waits(opened: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, make = Event(), opened._made

    def slow(content: bytes) -> Any:
        assert go_on.wait(60)
        return make(content)

    monkeypatch.setattr(opened, "_made", slow)

    async def send() -> list[Any]:
        asked = [asyncio.create_task(opened.frame(FACE)) for _ in range(4)]
        await asyncio.sleep(0.05)
        go_on.set()
        return await asyncio.gather(*asked)

    first, *skipped, newest = asyncio.run(asyncio.wait_for(send(), 60))
    assert first and newest and skipped == [None, None]


def test_exits_are_no_deeper_than_the_pace_allows(
    opened: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened._budget = 0.0
    early, *_ = frames(opened, FACE)
    assert (early.result.exit, early.wanted) == (1, len(opened.macs))
    assert told(early, opened)["wanted"] == "Full depth"
    monkeypatch.setattr(Pace, "deepest", len(opened.macs))
    full, *_ = frames(opened, FACE)
    assert full.result.exit == len(opened.macs)
    assert told(full, opened)["wanted"] == ""


# many


def test_cameras_are_few_and_end(opened: Camera, clock: Clock) -> None:
    cameras = Cameras()
    key, other = cameras.open(opened), cameras.open(opened)
    with pytest.raises(InputError, match="Others are using"):
        cameras.open(opened)
    cameras.close(other)
    assert cameras.find(key) is opened
    clock.seconds = camera.IDLE_SECONDS + 1
    assert cameras.find(key) is None
    assert cameras.open(opened)


def test_two_minutes_are_two_minutes_whatever_is_moved_meanwhile(
    opened: Camera, face_pipe: FacesPipeline, source: Source, clock: Clock
) -> None:
    cameras = Cameras()
    key = cameras.open(opened)
    frames(opened, FACE)
    clock.seconds = camera.MOST_SECONDS - 1
    other = Camera(face_pipe, source, 0.02, relative=True, clock=clock)
    assert cameras.open(other, before=key) == key
    assert cameras.find(key) is other
    assert other._neutral is opened._neutral is not None
    clock.seconds += 2
    assert cameras.find(key) is None


def test_a_camera_that_goes_on_takes_no_other_ones_place(opened: Camera) -> None:
    cameras = Cameras()
    keys = [cameras.open(opened) for _ in range(camera.MOST_CAMERAS)]
    assert [cameras.open(opened, before=key) for key in keys] == keys
    for key in keys:
        cameras.close(key)
    assert cameras.open(opened, before=keys[0]) not in keys


@pytest.mark.parametrize("closed", [False, True], ids=["goes on", "closed"])
def test_pictures_on_their_way_are_no_error_where_another_takes_over(
    opened: Camera,
    face_pipe: FacesPipeline,
    source: Source,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    closed: bool,
) -> None:
    """Whether they wait for their turn or have it."""
    started, go_on, make = Event(), Event(), opened._made

    def slow(content: bytes) -> Any:
        started.set()
        assert go_on.wait(60)
        return make(content)

    monkeypatch.setattr(opened, "_made", slow)
    key = CAMERAS.open(opened)
    other = Camera(face_pipe, source, 0.02, relative=True, clock=clock)

    async def send() -> list[int]:
        transport = httpx.ASGITransport(Starlette(routes=routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            post = partial(client.post, f"{ADDRESS}/{key}", content=FACE)
            asked = [asyncio.create_task(post()) for _ in range(2)]
            await asyncio.to_thread(started.wait, 60)
            if closed:
                CAMERAS.close(key)
            else:
                CAMERAS.open(other, before=key)
            go_on.set()
            answers = await asyncio.gather(*asked, post())
        return [answer.status_code for answer in answers]

    # The first had its turn already, but not a face.
    assert asyncio.run(send()) == [204, 204, 410 if closed else 200]
    CAMERAS.close(key)


def test_a_camera_that_ends_while_a_face_is_looked_for_gives_nothing(opened: Camera) -> None:
    def found_too_late() -> Any:
        opened.end()
        yield from ()

    opened._motions = found_too_late()
    assert frames(opened, FACE) == [None]


def test_what_a_browser_sent_goes_when_it_vanishes(
    opened: Camera, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "IDLE_SECONDS", 0.1)
    cameras = Cameras()
    cameras.open(opened)
    frames(opened, FACE)
    picture = weakref.ref(opened._picture)
    assert picture() is not None
    clock.seconds = 1
    deadline = time.monotonic() + 20
    while picture() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert picture() is None and not cameras._running


def test_a_visitor_is_told_where_too_many_cameras_drive(
    face_pipe: FacesPipeline, opened: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "MOST_CAMERAS", 0)
    handlers = Handlers(Tab("faces", "Faces", opened=lambda *_, **__: None), face_pipe)
    with pytest.raises(InputError, match="Others are using"):
        handlers.open_camera("", handlers.opened()["person"], RELATIVE, BUDGET)


# addresses


def test_a_driven_picture_is_marked_and_says_what_it_took(client: TestClient, address: str) -> None:
    answer = client.post(address, content=FACE)
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == "JPEG" and picture.getexif()[DESCRIPTION] == MARK
    told = json.loads(answer.headers[FRAME])
    assert told["name"] == "Exit 1" and told["saving"].endswith("% less")
    assert told["reading"] > 0 and told["making"] > 0


def test_what_cannot_be_driven_is_refused_with_a_reason(client: TestClient, address: str) -> None:
    blank = client.post(address, content=encoded(noise(), "JPEG"))
    assert blank.status_code == 422 and "No face was found" in blank.json()["error"]
    wrong = client.post(address, content=b"no picture")
    assert wrong.status_code == 422 and wrong.json()["error"].startswith("The file")
    large = client.post(address, content=b"x" * (camera.MOST_BYTES + 1))
    assert large.status_code == 413
    wide = client.post(address, content=encoded(Image.new("L", (9000, 9000)), "PNG"))
    assert wide.status_code == 422 and "too large" in wide.json()["error"]
    assert client.post(address, content=FACE).status_code == 200


def test_a_closed_camera_is_gone(client: TestClient, address: str) -> None:
    assert client.delete(address).status_code == 204
    gone = client.post(address, content=FACE)
    assert (gone.status_code, gone.json()["error"]) == (410, OVER)
    assert client.post(f"{ADDRESS}/guessed", content=FACE).status_code == 410


# in a browser

SLOW = """() => {
  const ask = navigator.mediaDevices.getUserMedia;
  const allowed = new Promise((resolve) => (window.allow = resolve));
  window.given = [];
  navigator.mediaDevices.getUserMedia = async () => {
    await allowed;
    given.push(await ask());
    return given.at(-1);
  };
}"""
"""Cameras are given as soon as ``allow`` is called."""

REFUSED = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new Error("not allowed"); };
}"""

SEEN = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
  const paper = canvas.getContext("2d");
  paper.drawImage(document.querySelector("#faces-camera img"), 0, 0, 8, 8);
  return [...paper.getImageData(0, 0, 8, 8).data];
}"""
"""The driven picture, small: a face that moves changes it little, another person's much."""


@pytest.fixture
def filmed(faces: FacesPage) -> FacesPage:
    """The screen with the mode chosen and a camera that sees a portrait."""
    faces.film(FACE)
    return faces


def test_the_camera_drives_until_it_is_stopped(filmed: FacesPage) -> None:
    filmed.start_camera()
    filmed.wait_for_frames(3)
    words = filmed.part("camera", "figcaption")
    expect(words).to_contain_text("frames a second delivered by exit 1")
    assert filmed.part("camera", "img").evaluate("picture => picture.naturalWidth") == 256
    filmed.part("camera-input").get_by_role("button", name="Stop the camera").click()
    expect(words).to_have_text("Stopped.")
    ended = "cameraStream.getTracks().every(track => track.readyState === 'ended')"
    assert filmed.page.evaluate(ended)


def test_another_source_goes_on_with_the_same_camera_and_another_mode_ends_it(
    filmed: FacesPage,
) -> None:
    filmed.start_camera()
    filmed.wait_for_frames(2)
    key = "window.fiancee.camera('faces').key()"
    before, person = filmed.page.evaluate(key), filmed.page.evaluate(SEEN)
    filmed.pick("examples", len(examples()))
    other = f"before => ({SEEN})().some((value, k) => Math.abs(value - before[k]) > 40)"
    filmed.page.wait_for_function(other, arg=person, timeout=PATIENCE)
    assert filmed.page.evaluate(key) == before
    filmed.part("mode").get_by_text("Sliders").click()
    filmed.page.wait_for_function(f"{key} === ''")
    expect(filmed.part("pictures")).to_be_visible(timeout=PATIENCE)


def test_a_camera_that_is_not_allowed_is_said(filmed: FacesPage) -> None:
    filmed.page.evaluate(REFUSED)
    filmed.start_camera()
    expect(filmed.part("camera", "figcaption")).to_contain_text("No camera can be used here")


def test_a_camera_that_the_server_has_ended_says_why(filmed: FacesPage) -> None:
    filmed.start_camera()
    filmed.wait_for_frames(1)
    filmed.page.evaluate(
        "fetch(`/camera/${window.fiancee.camera('faces').key()}`, {method: 'DELETE'})"
    )
    expect(filmed.part("camera", "figcaption")).to_have_text(OVER, timeout=PATIENCE)
    expect(filmed.part("camera-input", "button")).to_have_text("Start the camera")


def test_a_connection_that_stalls_is_said_and_starting_again_helps(filmed: FacesPage) -> None:
    held: list[Any] = []
    filmed.page.route(f"**{ADDRESS}/*", lambda one: held.append(one))
    words, button = filmed.part("camera", "figcaption"), filmed.part("camera-input", "button")

    def wait_for_two() -> None:
        deadline = time.monotonic() + 60
        while (sent := sum(one.request.method == "POST" for one in held)) < 2:
            assert time.monotonic() < deadline, sent
            filmed.page.wait_for_timeout(50)
        held.clear()

    filmed.start_camera()
    wait_for_two()
    button.click()
    filmed.page.wait_for_timeout(200)
    expect(words).to_have_text("Stopped.")
    filmed.start_camera()
    wait_for_two()
    expect(words).to_contain_text("The server does not answer", timeout=PATIENCE)
    filmed.page.unroute(f"**{ADDRESS}/*")
    filmed.start_camera()
    filmed.wait_for_frames(2)


def test_a_camera_that_comes_too_late_is_let_go(filmed: FacesPage) -> None:
    """Its light would be on for nobody."""
    filmed.page.evaluate(SLOW)
    button = filmed.part("camera-input", "button")
    for _ in range(3):
        button.click()
    filmed.page.evaluate("allow()")
    filmed.wait_for_frames(1)
    live = "cameras => cameras.filter(one => one.getTracks()[0].readyState === 'live').length"
    assert filmed.page.evaluate(f"({live})(given)") == 1
    filmed.page.get_by_role("tab", name="How it works").click()
    filmed.page.wait_for_function(f"({live})(given) === 0", timeout=PATIENCE)
