"""The plot of all exits, operations against LPIPS, as an SVG that follows the page's colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from space.page.markup import render
from space.result.facts import WAITING, distance, exit_name, giga, time

WIDTH, HEIGHT = 400, 280
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 18, 44


@dataclass(frozen=True)
class Point:
    """One exit: operations, predicted LPIPS to full depth, and once rendered the truth and time."""

    exit: int
    macs: int
    predicted: float
    true: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class Scale:
    """Data to pixels."""

    full_macs: int
    most_lpips: float

    def x(self, macs: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * macs / self.full_macs

    def y(self, lpips: float) -> float:
        share = min(1.0, lpips / self.most_lpips)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


@dataclass(frozen=True)
class Mark:
    """Where an exit stands in the plot; ``true`` is None until it is known."""

    exit: int
    x: float
    guess: float
    true: float | None
    taken: bool

    @property
    def at(self) -> float:
        """Where the exit is, as far as that is known."""
        return self.guess if self.true is None else self.true


def exits_plot(points: Sequence[Point], budget: float, chosen: int) -> str:
    """All exits of one picture with the budget's line, and the same in a table below.

    Args:
        points: every exit, cheapest first, full depth last.
        budget: LPIPS.
        chosen: the exit that was taken.
    """
    values = [budget, *(p.true or 0.0 for p in points), *(p.predicted for p in points)]
    scale = Scale(points[-1].macs, max(0.05, 1.12 * max(values)))
    return render(
        "plot.html",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        floor=HEIGHT - BOTTOM,
        summary=_summary(points, budget, chosen),
        shares=[(percent, scale.x(scale.full_macs * percent / 100)) for percent in SHARES],
        levels=[(f"{lpips:g}", scale.y(lpips)) for lpips in ticks(scale.most_lpips)],
        limit=scale.y(budget),
        budget=f"{budget:.3f}",
        marks=[_mark(scale, point, point.exit == chosen) for point in points],
        keys=KEYS,
        rows=[_row(point, len(points), point.exit == chosen) for point in points],
    )


SHARES = (0, 25, 50, 75, 100)
"""Marks on the axis of operations, percent of full depth."""

KEYS = {"true": "measured", "guess": "predicted", "taken": "taken", "limit": "budget"}


def _summary(points: Sequence[Point], budget: float, chosen: int) -> str:
    taken = exit_name(chosen, len(points))
    return (
        f"Operations against LPIPS of {len(points)} exits, budget {budget:.3f}. "
        f"{taken} was taken. The table below has the figures."
    )


def ticks(most: float) -> list[float]:
    """Three to six round values from 0 up to ``most``."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if most / s < 6)
    return [round(step * i, 2) for i in range(int(most / step) + 1)]


def _mark(scale: Scale, point: Point, taken: bool) -> Mark:
    true = None if point.true is None else scale.y(point.true)
    return Mark(point.exit, scale.x(point.macs), scale.y(point.predicted), true, taken)


def _row(point: Point, exits: int, taken: bool) -> tuple[str, tuple[str, ...]]:
    """Name and figures of an exit."""
    name = exit_name(point.exit, exits) + (" (taken)" if taken else "")
    measured = WAITING if point.milliseconds is None else time(point.milliseconds)
    lpips = (distance(point.predicted), distance(point.true))
    return name, (giga(point.macs), measured, *lpips)
