"""The budget: its control, and what its values look like."""

import json
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from space import texts
from space.page.tabs import Tab
from space.result import chain
from space.result.network import Network
from space.result.scale import BUDGET, BUDGET_STEP, MOST_BUDGET

FOLDER = Path(__file__).parents[1] / "examples" / "budget"
PAIRS = "pairs.json"


@dataclass(frozen=True)
class RealPair:
    """Two real pictures and how far apart they are.

    Args:
        level: the LPIPS that they stand for.
        lpips: between the two files, measured.
        files: names of the two pictures.
        captions: what each of them is.
    """

    level: float
    lpips: float
    files: tuple[str, str]
    captions: tuple[str, str]


def pairs(folder: Path) -> tuple[RealPair, ...]:
    """The pairs that ``space.tools.pairs`` left in a folder; none where it did not run."""
    path = folder / PAIRS
    if not path.is_file():
        return ()
    read = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        RealPair(pair["level"], pair["lpips"], tuple(pair["files"]), tuple(pair["captions"]))
        for pair in read["pairs"]
    )


def chain_place(tab: Tab, network: Network) -> gr.HTML:
    """The chain of exits, not yet on the page."""
    return gr.HTML(
        chain.empty(network), elem_id=tab.id("routes"), elem_classes="routes-place", render=False
    )


def budget_control(tab: Tab, taken: gr.HTML) -> gr.Slider:
    """Puts the chain on the page, and beside it the budget's exact value, which it sets."""
    with gr.Row(elem_classes="budget-row"):
        with gr.Column(scale=8, min_width=280):
            taken.render()  # type: ignore[no-untyped-call]
        return gr.Slider(
            0,
            MOST_BUDGET,
            BUDGET,
            step=BUDGET_STEP,
            label="Budget, LPIPS",
            buttons=[],
            min_width=110,
            elem_id=tab.id("budget"),
            elem_classes="budget-number",
        )


def budget_details(tab: Tab, *kinds: str) -> None:
    """What budgets mean, in words and real pairs.

    Args:
        tab: where it stands.
        kinds: whose words are taken, see ``texts.find``.
    """
    with gr.Accordion("What a budget looks like", open=False, elem_id=tab.id("meaning")):
        gr.Markdown(
            texts.find("budget", *kinds),
            elem_id=tab.id("budget-words"),
            elem_classes="budget-words",
        )
        pair_gallery(tab, FOLDER / tab.name)


def pair_captions(pair: RealPair) -> tuple[str, str]:
    """What the two pictures are and, with the second, how far apart."""
    return pair.captions[0], f"{pair.captions[1]}, LPIPS {pair.lpips:.3f}"


def pair_gallery(tab: Tab, folder: Path) -> None:
    """Real pairs of this model at several distances; nothing where there are none."""
    known = pairs(folder)
    if not known:
        return
    gr.Gallery(
        [
            (str(folder / file), caption)
            for pair in known
            for file, caption in zip(pair.files, pair_captions(pair), strict=True)
        ],
        label="Real pairs: open one, then flick",
        columns=4,
        height="auto",
        interactive=False,
        object_fit="contain",
        buttons=["fullscreen"],
        elem_id=tab.id("pairs"),
        elem_classes=["examples", "pairs"],
    )
