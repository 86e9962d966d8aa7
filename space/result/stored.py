"""What stands on the page until the model has made a picture: one made before, marked as such."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import GradioRootModel
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import sha256_of, write_text
from fiancee_hub.hub.checkpoints import WEIGHTS
from fiancee_hub.rendering import Rendering
from space.page.events import private
from space.page.files import picture_address
from space.page.model_threads import there
from space.page.outputs import Outputs, Updates
from space.page.promised import Promised
from space.page.tabs import Tab
from space.result import comparison, contrast
from space.result.comparison import View
from space.result.contrast import Contrast
from space.result.record import Record
from space.result.scale import BUDGET

FOLDER = Path(__file__).parents[1] / "examples" / "first"

MARK = "A stored picture of the first example: the model makes its own in a moment."
KEPT = ("pictures", "stale", "headline", "caption", "facts", "plot", "taken")
"""What is stored: the rest is large, and comes with the page's own picture."""

LOADING = "The model is loading …"


def write(
    rendering: Rendering, checkpoint: Path, path: Path, compared: Contrast | None = None
) -> None:
    """Stores what the page shows of a rendering: early picture, full depth, and figures.

    Args:
        rendering: of the first example.
        checkpoint: folder of the checkpoint.
        path: of the file.
        compared: an easy and a hard input, if there are such.
    """
    record = Record.begin(rendering, BUDGET).add(rendering, rendering.pipeline.model.exits)
    shown = comparison.shown(record, _small) | comparison.outdated(MARK)
    kept = {name: shown[name] for name in KEPT if name in shown}
    content: dict[str, Any] = {
        "format": 1,
        "weights": sha256_of(checkpoint / WEIGHTS),
        "shown": kept,
    }
    if compared:
        content["contrast"] = compared.written()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=1) + "\n")


def read(name: str, checkpoint: Path | None, folder: Path = FOLDER) -> Updates:
    """What was stored for a tab; nothing if another checkpoint made it."""
    shown: Updates = _content(name, checkpoint, folder).get("shown", {})
    return shown and shown | {"pictures": tuple(shown["pictures"])}


def read_contrast(name: str, checkpoint: Path | None, folder: Path = FOLDER) -> Contrast | None:
    """The easy and the hard input that were stored for a tab, likewise."""
    found = _content(name, checkpoint, folder).get("contrast")
    return Contrast.read(found) if found else None


def _content(name: str, checkpoint: Path | None, folder: Path) -> dict[str, Any]:
    path = folder / f"{name}.json"
    if checkpoint is None or not path.is_file() or not (checkpoint / WEIGHTS).is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content if content["weights"] == sha256_of(checkpoint / WEIGHTS) else {}


def place_contrast(tab: Tab, pipe: Any) -> None:
    """Puts an easy and a hard input on the page, where they are known."""
    if found := read_contrast(tab.name, pipe.loaded_from):
        gr.HTML(contrast.shown(found), elem_id=tab.id("contrast"), elem_classes="contrast-place")


def _small(picture: Image.Image) -> str:
    return picture_address(picture, "webp")


def connect(tab: Tab, pipe: Any, view: View, button: gr.Button) -> None:
    """Puts the stored picture on the page, and lets the button say while the model is loading;
    what it is pressed for meanwhile comes as soon as the model is there."""
    for name, value in read(tab.name, pipe.loaded_from).items():
        component: Any = view.outputs[name]
        made = component.postprocess(value)
        component.value = made.model_dump() if isinstance(made, GradioRootModel) else made
    if isinstance(pipe, Promised):
        _say_loading(tab, pipe, button)


def _say_loading(tab: Tab, pipe: Promised, button: gr.Button) -> None:
    outputs, label = Outputs(button=button), button.value

    async def waiting() -> AsyncIterator[Any]:
        # Gradio empties what a generator that gives nothing was to fill.
        yield outputs.keyed({} if pipe.settled else {"button": gr.Button(LOADING)})
        # Where it cannot be loaded, whatever needs it says so.
        with suppress(InputError):
            await there(pipe.wait)
        yield outputs.keyed({"button": gr.Button(label)})

    tab.opened(waiting, None, outputs.components, **private(concurrency_limit=None))
