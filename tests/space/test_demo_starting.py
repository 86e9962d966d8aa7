"""The page before its models are loaded: served, with a stored picture, and answering in time."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from visitor_pictures import STREET

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space import demo
from space.page.promised import Promised
from space.result import stored
from space.settings import Checkpoint, Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio.queueing")


def settings(folder: Path) -> Settings:
    return Settings((Checkpoint("streets", str(folder)),), threads=1)


def buttons(page: gr.Blocks) -> list[str]:
    """What the page's handlers of waiting buttons give, one after the other."""
    handler: Any = next(fn.fn for fn in page.fns.values() if fn.name == "waiting")

    async def all_of_it() -> list[str]:
        given = [updates async for updates in handler()]
        return [next(iter(one.values())).value for one in given if len(one) == 1]

    return asyncio.run(all_of_it())


def test_the_page_is_served_while_the_model_loads(
    small_streets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, load = Event(), Event(), Promised._load

    def slow(promised: Promised) -> None:
        begun.set()
        assert go_on.wait(120)
        load(promised)

    monkeypatch.setattr(Promised, "_load", slow)
    checkpoints = demo.promise(settings(small_streets))
    page = demo.build(checkpoints, Settings())
    demo._fulfil(checkpoints)
    assert begun.wait(120)
    page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, enable_monitoring=False)
    assert "Generate" in httpx.get(f"{page.local_url}config", timeout=60).text
    client = Client(page.local_url, verbose=False)
    job = client.submit(label_map=handle_file(str(STREET)), api_name="/streets")
    assert not job.done()
    go_on.set()
    assert job.result(timeout=120)[1]["exit"] >= 1
    page.close()


def test_the_button_says_that_the_model_is_loading(small_streets: Path) -> None:
    page = demo.build(demo.promise(settings(small_streets)), Settings())
    assert buttons(page) == [stored.LOADING, "Generate"]


def test_a_model_that_does_not_load_is_said_once_and_to_everybody(
    small_streets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small_streets, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    promised = Promised("mine", broken)
    for _ in range(2):
        with pytest.raises(InputError, match="Mine could not be loaded"):
            promised(np.zeros(promised.size, np.uint8))
    assert caplog.text.count("Tab mine") == 1 and "Traceback" not in caplog.text


def test_what_needs_no_model_waits_for_none(small_streets: Path) -> None:
    promised = Promised("streets", small_streets)
    assert promised.read(np.zeros(promised.size, np.uint8)).ids.shape == promised.size
    assert not promised.settled
    assert promised.wait() is promised.wait() and promised.settled


def test_the_page_begins_with_the_stored_picture(
    small_streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = StreetsPipeline.from_pretrained(small_streets)
    stored.write(pipe.prepare(STREET), small_streets, tmp_path / "streets.json")
    monkeypatch.setattr(stored.read, "__defaults__", (tmp_path,))
    page = demo.build(demo.promise(settings(small_streets)), Settings())
    parts: dict[Any, Any] = {getattr(part, "elem_id", None): part for part in page.blocks.values()}
    early, full = parts["streets-pictures"].value
    assert early["url"].startswith("data:image/webp") and full["url"] != early["url"]
    assert stored.MARK in parts["streets-stale"].value
    assert "data-fact" in parts["streets-facts"].value
    assert "of the computation" in parts["streets-headline"].value
    assert 'aria-pressed="true"' in parts["streets-routes"].value


def test_a_shared_link_has_a_card_as_soon_as_the_model_is_there(
    small_streets: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small_streets, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    for folder, begins in ((small_streets, b"\x89PNG"), (broken, b"")):
        cards = demo.sharing(demo.promise(settings(folder)))
        assert "LPIPS 0.1" in cards.describe("")[1]
        assert asyncio.run(cards.card("seed=3")).startswith(begins)
    assert asyncio.run(cards.card("seed=3")) == b""


def test_other_weights_have_no_stored_picture(small_streets: Path, tmp_path: Path) -> None:
    pipe = StreetsPipeline.from_pretrained(small_streets)
    stored.write(pipe.prepare(STREET), small_streets, tmp_path / "streets.json")
    assert stored.read("streets", small_streets, tmp_path)
    other = tmp_path / "other"
    shutil.copytree(small_streets, other)
    with (other / "model.safetensors").open("ab") as file:
        file.write(b" ")
    assert stored.read("streets", other, tmp_path) == {}
    assert stored.read("mine", small_streets, tmp_path) == {}


STUBS = """
import ast, inspect

parse, parsed, file_of = ast.parse, [], inspect.getfile
ast.parse = lambda *args, **kwargs: parsed.append(1) or parse(*args, **kwargs)
{importing}
with gradio.Blocks():
    button = gradio.Button()
    button.click(print)
print(len(parsed) < 60, inspect.getfile is file_of)
"""


@pytest.mark.parametrize(
    ("importing", "spared"),
    [
        ("from space.page import stubs\nwith stubs.unwritten():\n    import gradio", "True True"),
        ("import gradio", "False True"),
    ],
)
def test_the_app_does_not_write_gradios_stubs(importing: str, spared: str) -> None:
    """Should Gradio stop writing them, the second line fails: the module is not needed then."""
    code = STUBS.format(importing=importing)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout.strip() == spared


def test_an_idle_page_looks_for_calls_at_rest(small_streets: Path) -> None:
    page = demo.build(demo.promise(settings(small_streets)), Settings())
    with gr.Blocks() as plain:
        gr.Textbox()
    assert plain._queue.sleep_when_free < page._queue.sleep_when_free <= 0.005
