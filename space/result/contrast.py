"""An easy and a hard input at the same budget, side by side, with what each cost."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from fiancee_hub.rendering import Rendering, true_lpips
from space.page.files import picture_address
from space.page.links import TAB
from space.page.markup import render
from space.page.tabs import Sample
from space.result.facts import exit_name
from space.result.network import network_of, prices
from space.result.scale import BUDGET, BUDGETS

FARTHER = 0.15
"""Share of the computation by which two inputs must differ more for each doubling of the distance
from the page's own budget."""

MOST_TRIED = 4
"""Inputs of each kind that are rendered at a budget, to find one that keeps it."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Args:
        name: of the input.
        state: query of the link that shows it.
        exit: that made its picture, in words.
        share: of the computation, 1 is full depth's.
        lpips: to full depth, measured.
        picture: ``data:`` address.
    """

    name: str
    state: str
    exit: str
    share: float
    lpips: float
    picture: str


@dataclass(frozen=True)
class Contrast:
    """Two inputs that the same budget sends through different exits.

    Args:
        budget: LPIPS.
        size: of the pictures: width, height.
        noun: what the inputs are called.
        sides: the easy one first.
    """

    budget: float
    size: tuple[int, int]
    noun: str
    sides: tuple[Side, Side]

    def written(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "Contrast":
        """From JSON."""
        easy, hard = (Side(**side) for side in content["sides"])
        width, height = content["size"]
        return cls(content["budget"], (width, height), content["noun"], (easy, hard))


def shown(contrast: Contrast) -> str:
    """Both as HTML; a press on one loads it."""
    return render(
        "contrast.html",
        budget=f"{contrast.budget:g}",
        noun=contrast.noun,
        width=contrast.size[0],
        height=contrast.size[1],
        sides=[
            (side, kind, f"{100 * side.share:.0f} %", f"{side.lpips:.3f}")
            for side, kind in zip(contrast.sides, ("easy", "hard"), strict=True)
        ],
    )


def find(groups: Sequence[Sequence[Sample]], tab: str) -> Contrast | None:
    """The two inputs that show best what a budget does; None where all take the same exit.

    Args:
        groups: example inputs, each list one of them in several variants.
        tab: where they are shown.
    """
    for samples in ([group[0] for group in groups], [one for group in groups for one in group]):
        for budget in _budgets(samples):
            easy = _keeping(samples, budget, 1)
            hard = _keeping(samples, budget, -1)
            if easy and hard and _exit(easy, budget) < _exit(hard, budget):
                return _made(easy, hard, budget, tab)
    return None


def _budgets(samples: Sequence[Sample]) -> Iterator[float]:
    """Those that tell samples apart, the most telling first."""
    worth = {}
    for budget in BUDGETS[1:]:
        shares = [_share(one.rendering, _exit(one, budget)) for one in samples]
        gap = max(shares) - min(shares)
        if gap > 0:
            worth[budget] = gap - FARTHER * abs(math.log2(budget / BUDGET))
    yield from sorted(worth, key=lambda budget: -worth[budget])


def _keeping(samples: Sequence[Sample], budget: float, order: int) -> Sample | None:
    """The cheapest sample (order 1) or the dearest (-1) whose picture keeps the budget."""
    ranked = sorted(samples, key=lambda one: order * _exit(one, budget))[:MOST_TRIED]
    return next(
        (one for one in ranked if true_lpips(one.rendering, _exit(one, budget)) <= budget), None
    )


def _exit(sample: Sample, budget: float) -> int:
    return sample.rendering.forecast.route(budget)


def _share(rendering: Rendering, exit_index: int) -> float:
    macs = prices(rendering.pipeline.config.costs)
    return macs[exit_index - 1] / macs[-1]


def _made(easy: Sample, hard: Sample, budget: float, tab: str) -> Contrast:
    sides = _side(easy, budget, tab), _side(hard, budget, tab)
    rendering = easy.rendering
    size = rendering.result(_exit(easy, budget)).image.size
    return Contrast(budget, size, network_of(rendering.pipeline).noun, sides)


def _side(sample: Sample, budget: float, tab: str) -> Side:
    rendering, index = sample.rendering, _exit(sample, budget)
    return Side(
        sample.name,
        urlencode({TAB: tab, **sample.state, "budget": f"{budget:g}"}),
        exit_name(index, rendering.pipeline.model.exits),
        _share(rendering, index),
        true_lpips(rendering, index),
        picture_address(rendering.result(index).image, "webp"),
    )
