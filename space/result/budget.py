"""The budget: its slider, which exit each of its values takes, and what they look like."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import gradio as gr

from space import texts
from space.result.facts import exit_name
from space.result.film import Film

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


def stretches(film: Film, budgets: Sequence[float] = BUDGETS) -> list[Stretch]:
    """Which exit each budget takes for this input, from small budgets to large ones."""
    groups = groupby(budgets, film.forecast.route)
    runs = [(index, list(values)) for index, values in groups]
    return [Stretch(index, values[0], len(values)) for index, values in runs]


def routes(film: Film) -> str:
    """The slider's length, divided by exits, with the budget marked, as HTML."""
    found = stretches(film)
    blocks = "".join(_block(stretch, film) for stretch in found)
    place = 100 * min(1.0, (film.budget + BUDGET_STEP / 2) / (MOST_BUDGET + BUDGET_STEP))
    words = ", ".join(_words(stretch, film.exits) for stretch in found)
    return (
        '<div class="routes"><p>The exit that each budget takes for this input</p>'
        f'<div class="band" role="img" aria-label="{words}">{blocks}'
        f'<i style="left: {place:.2f}%"></i></div>'
        f"<p><b>Budget {film.budget:.3f}: {_choice(film)}</b> {words}.</p></div>"
    )


def _block(stretch: Stretch, film: Film) -> str:
    label = stretch.exit if stretch.steps >= NARROWEST else ""
    kind = ' class="taken"' if stretch.exit == film.chosen else ""
    return f'<span{kind} style="flex: {stretch.steps}">{label}</span>'


def _words(stretch: Stretch, exits: int) -> str:
    return f"{exit_name(stretch.exit, exits)} from {stretch.first:.3f}"


def _choice(film: Film) -> str:
    share = 100 * film.macs[film.chosen - 1] / film.macs[-1]
    return f"{exit_name(film.chosen, film.exits)}, {share:.1f} % of the MACs."


@dataclass(frozen=True)
class Pair:
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


def pairs(folder: Path) -> tuple[Pair, ...]:
    """The pairs that ``space.tools.pairs`` left in a folder; none where it did not run."""
    path = folder / PAIRS
    if not path.is_file():
        return ()
    read = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Pair(pair["level"], pair["lpips"], tuple(pair["files"]), tuple(pair["captions"]))
        for pair in read["pairs"]
    )


def budget_slider(prefix: str) -> tuple[gr.Slider, gr.HTML]:
    """The slider with what its values mean, and the place that shows what they take."""
    with gr.Group():
        slider = gr.Slider(
            0,
            MOST_BUDGET,
            BUDGET,
            step=BUDGET_STEP,
            label="Budget: largest LPIPS to the full-depth picture",
            elem_id=f"{prefix}budget",
        )
        taken = gr.HTML(elem_id=f"{prefix}routes", elem_classes="routes-place")
        gr.Markdown(
            texts.read(f"{prefix}budget"),
            elem_id=f"{prefix}budget-words",
            elem_classes="budget-words",
        )
    return slider, taken


def pair_captions(pair: Pair) -> tuple[str, str]:
    """What the two pictures are and, with the second, how far apart."""
    return pair.captions[0], f"{pair.captions[1]}, LPIPS {pair.lpips:.3f}"


def pair_gallery(prefix: str, folder: Path) -> None:
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
        elem_id=f"{prefix}pairs",
        elem_classes=["examples", "pairs"],
    )
