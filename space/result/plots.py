"""The plot of all exits, operations against LPIPS, as an SVG that follows the page's colours."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def exits_plot(points: Sequence[Point], budget: float, chosen: int) -> str:
    """All exits of one picture with the budget's line, and the same in a table below.

    Args:
        points: every exit, cheapest first, full depth last.
        budget: LPIPS.
        chosen: the exit that was taken.
    """
    values = [budget, *(p.true or 0.0 for p in points), *(p.predicted for p in points)]
    scale = Scale(points[-1].macs, max(0.05, 1.12 * max(values)))
    parts = (
        _axes(scale),
        _budget_line(scale, budget),
        _curve(scale, points),
        *(_marks(scale, point, point.exit == chosen) for point in points),
    )
    return (
        f'<figure class="exits"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{_summary(points, budget, chosen)}">{"".join(parts)}</svg>'
        f"<figcaption>{LEGEND}</figcaption>{_table(points, chosen)}</figure>"
    )


KEYS = {"true": "measured", "guess": "predicted", "taken": "taken", "limit": "budget"}
LEGEND = "".join(f'<span><i class="key {kind}"></i>{words}</span>' for kind, words in KEYS.items())


def _summary(points: Sequence[Point], budget: float, chosen: int) -> str:
    taken = exit_name(chosen, len(points))
    return (
        f"Operations against LPIPS of {len(points)} exits, budget {budget:.3f}. "
        f"{taken} was taken. The table below has the figures."
    )


def _axes(scale: Scale) -> str:
    floor = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}"/>']
    for share in (0, 25, 50, 75, 100):
        x = scale.x(scale.full_macs * share / 100)
        parts.append(f'<text x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{share} %</text>')
    for lpips in ticks(scale.most_lpips):
        y = scale.y(lpips)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{lpips:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 7}" text-anchor="middle">MACs, share of full depth</text>'
        f'<text transform="translate(12 {(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">'
        "LPIPS to full depth</text>"
    )
    return "".join(parts)


def ticks(most: float) -> list[float]:
    """Three to six round values from 0 up to ``most``."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if most / s < 6)
    return [round(step * i, 2) for i in range(int(most / step) + 1)]


def _budget_line(scale: Scale, budget: float) -> str:
    y = scale.y(budget)
    return (
        f'<path class="limit" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="limit" x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">'
        f"budget {budget:.3f}</text>"
    )


def _curve(scale: Scale, points: Sequence[Point]) -> str:
    known = ((p.macs, p.true) for p in points if p.true is not None)
    path = " ".join(f"{scale.x(macs):.1f},{scale.y(true):.1f}" for macs, true in known)
    return f'<polyline class="curve" points="{path}"/>'


def _marks(scale: Scale, point: Point, taken: bool) -> str:
    x, guess = scale.x(point.macs), scale.y(point.predicted)
    true = guess if point.true is None else scale.y(point.true)
    halo = f'<circle class="taken" cx="{x:.1f}" cy="{true:.1f}" r="10"/>' if taken else ""
    dot = f'<circle class="true" cx="{x:.1f}" cy="{true:.1f}" r="4.5"/>'
    return (
        f'<path class="error" d="M{x:.1f} {guess:.1f}V{true:.1f}"/>'
        f'<circle class="guess" cx="{x:.1f}" cy="{guess:.1f}" r="4.5"/>{halo}'
        f"{'' if point.true is None else dot}"
        f'<text class="number" x="{x:.1f}" y="{min(true, guess) - 13:.1f}" text-anchor="middle">'
        f"{point.exit}</text>"
    )


def _table(points: Sequence[Point], chosen: int) -> str:
    rows = "".join(_row(point, len(points), point.exit == chosen) for point in points)
    return (
        "<details><summary>All exits in figures</summary><table><thead><tr>"
        "<th>Exit</th><th>MACs</th><th>Time</th><th>LPIPS predicted</th><th>LPIPS measured</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _row(point: Point, exits: int, taken: bool) -> str:
    name = exit_name(point.exit, exits) + (" (taken)" if taken else "")
    measured = WAITING if point.milliseconds is None else time(point.milliseconds)
    lpips = (distance(point.predicted), distance(point.true))
    cells = (giga(point.macs), measured, *lpips)
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'
