"""The budget: its slider, which exit each of its values takes, and what they look like."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import gradio as gr

from space import texts
from space.page.markup import render
from space.page.tabs import Tab
from space.result.facts import exit_name
from space.result.record import Record

BUDGET, MOST_BUDGET, BUDGET_STEP = 0.1, 0.3, 0.005
BUDGETS = tuple(
    round(step * BUDGET_STEP, 3) for step in range(round(MOST_BUDGET / BUDGET_STEP) + 1)
)
"""Every value of the slider."""

FOLDER = Path(__file__).parents[1] / "examples" / "budget"
PAIRS = "pairs.json"

NARROWEST = 2
"""Steps of the slider below which a stretch has no room for its number."""


@dataclass(frozen=True)
class Stretch:
    """Neighbouring values of the slider that take the same exit."""

    exit: int
    first: float
    steps: int


def stretches(record: Record, budgets: Sequence[float] = BUDGETS) -> list[Stretch]:
    """Which exit each budget takes for this input, from small budgets to large ones."""
    groups = groupby(budgets, record.forecast.route)
    runs = [(index, list(values)) for index, values in groups]
    return [Stretch(index, values[0], len(values)) for index, values in runs]


def routes(record: Record) -> str:
    """The slider's length, divided by exits, with the budget marked, as HTML."""
    found = stretches(record)
    name = exit_name(record.chosen, record.exits)
    share = 100 * record.macs[record.chosen - 1] / record.macs[-1]
    place = min(1.0, (record.budget + BUDGET_STEP / 2) / (MOST_BUDGET + BUDGET_STEP))
    return render(
        "routes.html",
        blocks=[_block(stretch, record.chosen) for stretch in found],
        place=f"{100 * place:.2f}",
        choice=f"Budget {record.budget:.3f}: {name}, {share:.1f} % of the MACs.",
        words=", ".join(_words(stretch, record.exits) for stretch in found),
    )


def _block(stretch: Stretch, chosen: int) -> tuple[int, str, bool]:
    """Steps, label and whether it is taken."""
    label = str(stretch.exit) if stretch.steps >= NARROWEST else ""
    return stretch.steps, label, stretch.exit == chosen


def _words(stretch: Stretch, exits: int) -> str:
    return f"{exit_name(stretch.exit, exits)} from {stretch.first:.3f}"


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


def budget_slider(tab: Tab, *kinds: str) -> tuple[gr.Slider, gr.HTML]:
    """The slider with what its values mean, and the place that shows what they take.

    Args:
        tab: where it stands.
        kinds: whose words are taken, see ``texts.find``.
    """
    with gr.Group():
        slider = gr.Slider(
            0,
            MOST_BUDGET,
            BUDGET,
            step=BUDGET_STEP,
            label="Budget: largest LPIPS to the full-depth picture",
            elem_id=tab.id("budget"),
        )
        taken = gr.HTML(elem_id=tab.id("routes"), elem_classes="routes-place")
        gr.Markdown(
            texts.find("budget", *kinds),
            elem_id=tab.id("budget-words"),
            elem_classes="budget-words",
        )
    return slider, taken


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
