"""The endpoints as programs call them: what is refused and how, what works, and what stays."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from visitor_pictures import (
    PORTRAIT,
    STREET,
    bomb,
    encoded,
    far_away,
    half,
    noise,
    portrait,
    sixteen_bits,
    street,
    street_ids,
    turned,
)

from fiancee_hub.core.pictures import MOST_PIXELS
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space import demo
from space.page import endpoints, model_threads
from space.page.endpoints import CALLS_AT_ONCE
from space.page.events import KEPT_SECONDS
from space.page.model_threads import ModelThreads
from space.page.recent import Recent
from space.page.sessions import LightSession
from space.settings import Settings

# Gradio's own, of the pandas that it calls.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio.queueing")

MADE = "face.png"
"""What answers are called; they stay until the cache is emptied, uploads do not."""

CALM = {"yaw": 8.0}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gradio's cache, for this module only."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "GRADIO_TEMP_DIR", str(folder))
        yield folder


def pipes(checkpoints: list[demo.Loaded]) -> dict[str, Any]:
    return {one.name: one.pipe for one in checkpoints}


@pytest.fixture(scope="module")
def page(checkpoints: list[demo.Loaded], cache: Path) -> Iterator[gr.Blocks]:
    """The demo, served within this process."""
    built = demo.build(checkpoints, Settings())
    built.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, enable_monitoring=False)
    yield built
    built.close()


@pytest.fixture(scope="module")
def client(page: gr.Blocks) -> Client:
    return Client(page.local_url, verbose=False)


def kept(cache: Path) -> set[Path]:
    """What the server holds of the requests so far, its answers aside."""
    return {path for path in cache.rglob("*") if path.is_file() and path.name != MADE}


def ask(client: Client, endpoint: str, files: dict[str, Path], **values: Any) -> Any:
    sent = {name: handle_file(str(path)) for name, path in files.items()}
    return client.predict(**sent, **values, api_name=f"/{endpoint}")


def test_a_refusal_reaches_programs_as_it_is(client: Client, tmp_path: Path) -> None:
    (tmp_path / "it's <mine>.png").write_bytes(b"no picture")
    sentence = refusal(client, "streets", {"label_map": tmp_path / "it's <mine>.png"})
    assert "&" not in sentence


def refusal(client: Client, endpoint: str, files: dict[str, Path], **values: Any) -> str:
    """The sentence by which a call is refused."""
    with pytest.raises(Exception) as caught:
        ask(client, endpoint, files, **values)
    return str(caught.value)


def is_plain(sentence: str) -> bool:
    """One line without a path of the server, a class name or a trace."""
    return not any(part in sentence for part in ("\n", "Traceback", "/tmp", "Error(", ".py"))


LARGE = f"too large: shrink it below {MOST_PIXELS // 1_000_000} megapixels"
WRONG_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "document.png": (
        lambda: b"%PDF-1.7",
        "a PDF document where a picture is needed: save",
    ),
    "empty.png": (lambda: b"", "an empty file where a picture is needed: save it again as"),
    "bomb.png": (bomb, LARGE),
}
WRONG_MAPS: dict[str, tuple[Callable[[], bytes], str]] = {
    **WRONG_FILES,
    "half.png": (lambda: half(encoded(street())), "truncated or no picture: save it again as PNG"),
    "photograph.png": (lambda: encoded(noise()), "in no class colour: use the class colours"),
    "clip.gif": (
        lambda: encoded(street(), "GIF"),
        "a GIF picture, which cannot be read here: save",
    ),
    "array.npy": (lambda: b"\x93NUMPY no array", "save class ids with numpy.save"),
    "ids.png": (lambda: encoded(Image.new("L", (32, 24), 99)), "but class ids end at 12"),
}
WRONG_FACES: dict[str, tuple[Callable[[], bytes], str]] = {
    **WRONG_FILES,
    "half.jpg": (lambda: half(encoded(portrait(), "JPEG")), "save it again as JPEG or PNG"),
    "wall.png": (lambda: encoded(noise()), "No face was found: use a photograph that shows one"),
    "far.png": (far_away, "use a picture in which the face is larger"),
}


@pytest.mark.parametrize("name", WRONG_MAPS)
def test_a_wrong_map_is_refused_in_one_sentence(name: str, client: Client, tmp_path: Path) -> None:
    content, fix = WRONG_MAPS[name]
    (tmp_path / name).write_bytes(content())
    sentence = refusal(client, "streets", {"label_map": tmp_path / name})
    assert fix in sentence and is_plain(sentence)


@pytest.mark.parametrize("name", WRONG_FACES)
def test_a_wrong_photograph_is_refused_and_gone(
    name: str, client: Client, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content, fix = WRONG_FACES[name]
    (tmp_path / name).write_bytes(content())
    before = kept(cache)
    sentences = [
        refusal(client, "drive", {"source": tmp_path / name}, **CALM),
        refusal(client, "reenact", {"source": tmp_path / name, "driver": PORTRAIT}),
        refusal(client, "reenact", {"source": PORTRAIT, "driver": tmp_path / name}),
    ]
    assert all(fix in one and is_plain(one) for one in sentences), sentences
    assert kept(cache) <= before
    assert name not in "".join(capfd.readouterr())


@pytest.mark.parametrize("budget", [-0.1, 1.5, 7])
def test_a_budget_out_of_range_is_refused(budget: float, client: Client, cache: Path) -> None:
    before = kept(cache)
    for endpoint, files in (
        ("streets", {"label_map": STREET}),
        ("drive", {"source": PORTRAIT}),
        ("reenact", {"source": PORTRAIT, "driver": PORTRAIT}),
    ):
        sentence = refusal(client, endpoint, files, budget=budget)
        assert f"budget {budget} is out of range: give an LPIPS from 0.0 to 1.0" in sentence
    assert not any(path.name == PORTRAIT.name for path in kept(cache) - before)


@pytest.mark.parametrize(
    ("values", "fix"),
    [
        ({"budget": "much"}, "budget"),
        ({"yaw": 400}, "yaw"),
        ({"smile": "wide"}, "smile"),
        ({"exit": 9}, "exit"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], fix: str, client: Client) -> None:
    sentence = refusal(client, "drive", {"source": PORTRAIT}, **values)
    assert fix in sentence and is_plain(sentence)


MAPS: dict[str, Callable[[], bytes]] = {
    "palette.png": STREET.read_bytes,
    "alpha.png": lambda: encoded(street().convert("RGBA")),
    "ids-of-16-bits.png": lambda: sixteen_bits(street_ids(), 1),
    "turned.png": lambda: turned(street()),
    "lossless.webp": lambda: encoded(street(), "WEBP", lossless=True),
    "cmyk.jpg": lambda: encoded(street().convert("CMYK"), "JPEG", quality=95),
}
FACES: dict[str, Callable[[], bytes]] = {
    "alpha.png": lambda: encoded(portrait().convert("RGBA")),
    "grey-of-16-bits.png": lambda: sixteen_bits(portrait()),
    "turned.png": lambda: turned(portrait()),
    "cmyk.jpg": lambda: encoded(portrait().convert("CMYK"), "JPEG", quality=95),
    "plain.webp": lambda: encoded(portrait(), "WEBP"),
}


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_every_form_give_the_same_picture(
    name: str, client: Client, checkpoints: list[demo.Loaded], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(MAPS[name]())
    picture, route = ask(client, "streets", {"label_map": tmp_path / name}, seed=4)
    expected = pipes(checkpoints)["streets"](STREET, seed=4, exit=route["exit"])
    # A JPEG's colours stray, so that here and there an edge moves.
    allowed = 2.0 if name.endswith("jpg") else 0.1
    assert mean_difference(picture, expected.image) < allowed


@pytest.mark.parametrize("name", FACES)
def test_photographs_of_every_form_work(
    name: str, client: Client, checkpoints: list[demo.Loaded], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(FACES[name]())
    picture, route = ask(client, "drive", {"source": tmp_path / name}, **CALM)
    controls = Controls(**CALM, relative=True)
    faces = pipes(checkpoints)["faces"]
    expected = faces(source=tmp_path / name, driver=controls, exit=route["exit"])
    assert mean_difference(picture, expected.image) < 0.1


def mean_difference(path: str, expected: Image.Image) -> float:
    with Image.open(path) as picture:
        pair = (np.asarray(image.convert("RGB"), np.float32) for image in (picture, expected))
        first, second = pair
    return float(np.abs(first - second).mean())


def test_the_same_photograph_from_many_at_once_serves_all(client: Client, cache: Path) -> None:
    before, source = kept(cache), handle_file(str(PORTRAIT))
    # Equal uploads share one path, and the first request deletes it.
    jobs = [client.submit(source=source, yaw=float(n), api_name="/drive") for n in range(6)]
    assert all(job.result(timeout=120)[1]["exit"] >= 1 for job in jobs)
    assert kept(cache) == before


def test_a_failure_on_our_side_is_logged_without_the_upload(
    client: Client,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(FacesPipeline, "__call__", broken)
    before = kept(cache)
    sentence = refusal(client, "drive", {"source": PORTRAIT})
    assert "Something went wrong on our side" in sentence
    assert "out of order" in caplog.text and PORTRAIT.stem not in caplog.text
    assert kept(cache) == before


def wait_until_taken(page: gr.Blocks) -> None:
    """Nothing waits in the queue any more."""
    deadline = time.monotonic() + 60
    while len(page._queue) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_a_full_queue_asks_to_come_back_and_the_others_are_served(
    checkpoints: list[demo.Loaded], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, go_on, generate = Event(), Event(), StreetsPipeline.__call__

    def slow(*values: Any, **more: Any) -> Any:
        busy.set()
        assert go_on.wait(120)
        return generate(*values, **more)

    monkeypatch.setattr(StreetsPipeline, "__call__", slow)
    page = demo.build(checkpoints, Settings(queue=1))
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, enable_monitoring=False)
    with httpx.Client(base_url=f"{page.local_url}gradio_api", timeout=120) as client:
        path = client.post("/upload", files={"files": STREET.read_bytes()}).json()[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}

        def call(seed: int) -> httpx.Response:
            return client.post("/call/streets", json={"data": [file, 0.1, seed]})

        accepted = [call(0)]
        assert busy.wait(120)
        for seed in range(1, CALLS_AT_ONCE):
            accepted.append(call(seed))
            wait_until_taken(page)
        accepted.append(call(CALLS_AT_ONCE))
        refused = call(CALLS_AT_ONCE + 1)
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert refused.json()["detail"].startswith("Queue is full")
        go_on.set()
        for answered in accepted:
            answer = client.get(f"/call/streets/{answered.json()['event_id']}")
            assert "event: complete" in answer.text
    page.close()


def test_threads_of_their_own_run_the_models(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    for kind in (StreetsPipeline, FacesPipeline):
        monkeypatch.setattr(kind, "__call__", noting(kind.__call__, threads))
    jobs = [
        client.submit(label_map=handle_file(str(STREET)), api_name="/streets"),
        client.submit(source=handle_file(str(PORTRAIT)), api_name="/drive"),
    ]
    assert all(job.result(timeout=120)[1]["exit"] >= 1 for job in jobs)
    assert threads <= {"model_0", "model_1"}


def noting(handler: Callable[..., Any], threads: set[str]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        threads.add(current_thread().name)
        return handler(*args, **kwargs)

    return wrapped


def test_a_map_is_read_while_another_is_made(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, go_on, read = Event(), Event(), Event()
    call, reading = StreetsPipeline.__call__, StreetsPipeline.read

    def slow(*values: Any, **more: Any) -> Any:
        busy.set()
        assert go_on.wait(120)
        return call(*values, **more)

    def noted(*values: Any, **more: Any) -> Any:
        if busy.is_set():
            read.set()
        return reading(*values, **more)

    monkeypatch.setattr(StreetsPipeline, "__call__", slow)
    monkeypatch.setattr(StreetsPipeline, "read", noted)
    values = {"label_map": handle_file(str(STREET)), "api_name": "/streets"}
    first = client.submit(**values, seed=0)
    assert busy.wait(120)
    second = client.submit(**values, seed=1)
    assert read.wait(120) and not first.done()
    go_on.set()
    assert [job.result(timeout=120)[1]["seed"] for job in (first, second)] == [0, 1]


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, MemoryError])
def test_a_crash_in_the_models_thread_is_answered_and_survived(
    end: type[BaseException], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise end

    with monkeypatch.context() as patch:
        patch.setattr(StreetsPipeline, "__call__", crash)
        sentence = refusal(client, "streets", {"label_map": STREET})
    assert "Something went wrong on our side" in sentence
    assert ask(client, "streets", {"label_map": STREET})[1]["exit"] >= 1


def test_a_cancelled_request_frees_its_place(
    checkpoints: list[demo.Loaded], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, go_on, generate = Event(), Event(), StreetsPipeline.__call__
    seeds: list[int] = []

    def slow(pipe: Any, *values: Any, seed: int, **more: Any) -> Any:
        seeds.append(seed)
        busy.set()
        assert go_on.wait(120)
        return generate(pipe, *values, seed=seed, **more)

    monkeypatch.setattr(StreetsPipeline, "__call__", slow)
    monkeypatch.setattr(model_threads, "_threads", ModelThreads(1))
    page = demo.build(checkpoints, Settings(queue=1))
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, enable_monitoring=False)
    number = next(key for key, one in page.fns.items() if one.api_name == "streets")
    with httpx.Client(base_url=f"{page.local_url}gradio_api", timeout=120) as client:
        path = client.post("/upload", files={"files": STREET.read_bytes()}).json()[0]
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}

        def call(seed: int) -> str:
            answer = client.post("/call/streets", json={"data": [file, 0.1, seed]})
            return str(answer.raise_for_status().json()["event_id"])

        def cancel(event: str) -> None:
            wish = {"session_hash": event, "fn_index": number, "event_id": event}
            client.post("/cancel", json=wish).raise_for_status()

        first = call(1)
        assert busy.wait(120)
        cancel(call(2))
        # The one that runs cannot be stopped, but nobody waits for it any more: the next is
        # taken from the queue at once, and given up before its turn comes.
        cancel(first)
        third = call(3)
        wait_until_taken(page)
        cancel(third)
        fourth = call(4)
        go_on.set()
        assert "event: complete" in client.get(f"/call/streets/{fourth}").text
    page.close()
    assert seeds == [1, 4]


def test_a_session_describes_what_has_changed_and_the_rest_on_demand(page: gr.Blocks) -> None:
    light, full = LightSession(page), LightSession.__bases__[0](page)
    assert not light.config_values
    # What a visitor was shown is not kept: a photograph would be, as long as the server runs.
    light._update_value_in_config(min(full.config_values), "data:image/png;base64,")
    assert not light.config_values
    assert light.STATE_TTL_WHEN_CLOSED < KEPT_SECONDS
    described = {one["id"]: one for one in light.components}
    assert described.keys() == full.config_values.keys()
    assert described == full.config_values
    assert isinstance(page.state_holder["a visitor of the page"], LightSession)


def test_what_was_read_is_remembered_for_a_while_only() -> None:
    recent = Recent(seconds=0.2)
    recent.put(PORTRAIT, b"content")
    assert recent.get(PORTRAIT) == b"content"
    deadline = time.monotonic() + 20
    # Nobody asks for it any more, yet it goes.
    while recent._entries and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not recent._entries and recent.get(PORTRAIT) is None


def test_a_call_costs_no_statistics(page: gr.Blocks, client: Client) -> None:
    ask(client, "streets", {"label_map": STREET})
    assert page._queue.event_analytics
    assert page._queue.cached_event_analytics_summary == {"functions": {}}


def test_programs_leave_no_session_behind(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "KEPT_SESSIONS", 2)
    monkeypatch.setattr(endpoints, "_sessions", OrderedDict())
    sessions = page.state_holder.session_data
    sessions.clear()
    visitor = "somebody on the page"
    assert page.state_holder[visitor]
    programs = [Client(page.local_url, verbose=False) for _ in range(4)]
    for program in programs:
        ask(program, "streets", {"label_map": STREET})
    assert list(sessions) == [visitor, *(program.session_hash for program in programs[2:])]
    # One whose session is forgotten goes on all the same.
    assert ask(programs[0], "streets", {"label_map": STREET})[1]["exit"] >= 1
