"""Pictures of docs/concepts.md, from the streets checkpoint: ``python docs/figures.py``.

Needs requirements-dev.txt.
"""

import sys
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fiancee_hub import LabelMapPipeline, Rendering  # noqa: E402
from fiancee_hub.families.label_maps.classes import to_rgb  # noqa: E402
from fiancee_hub.rendering import true_lpips  # noqa: E402
from space.tools import made  # noqa: E402

FOLDER = ROOT / "docs" / "figures"
CHECKPOINT = "streets"
EXAMPLE = 2
BUDGET = 0.1
INK, TAKEN = "#5c6bc0", "#2e7d32"


def main() -> None:
    matplotlib.use("agg")
    FOLDER.mkdir(exist_ok=True)
    pipe = LabelMapPipeline.from_pretrained(ROOT / "weights_card" / CHECKPOINT)
    folder = ROOT / "weights_card" / CHECKPOINT
    maps = [folder / example.file for example in pipe.config.domain.examples]
    titles = [example.title for example in pipe.config.domain.examples]
    exits(pipe, pipe.prepare(maps[EXAMPLE], seed=0), maps[EXAMPLE])
    routes(pipe, dict(zip(titles, (pipe.prepare(path, seed=0) for path in maps), strict=True)))
    margins(pipe)
    for name in ("exits", "routes", "margins"):
        made.note(f"figures/{name}", [CHECKPOINT])


def exits(pipe: LabelMapPipeline, rendering: Rendering, path: Path) -> None:
    """The map, and its picture at every exit with cost and distance."""
    count = pipe.model.exits
    figure = Figure(layout="constrained", figsize=(3 * ((count + 2) // 2), 6))
    axes = figure.subplots(2, (count + 2) // 2).flat
    _show(next(axes), to_rgb(pipe.read(path).ids, pipe.config.classes), "label map")
    full = pipe.config.costs.exits[-1]
    for number, axis in zip(range(1, count + 1), axes, strict=False):
        share = pipe.config.costs.exits[number - 1] / full
        name = "full depth" if number == count else f"exit {number}"
        text = f"{name}: {share:.0%} of the MACs\nLPIPS {true_lpips(rendering, number):.3f}"
        _show(axis, rendering.result(number).image, text)
    for axis in axes:
        axis.axis("off")
    _save(figure, "exits")


def routes(pipe: LabelMapPipeline, renderings: dict[str, Rendering]) -> None:
    """What the predictor says of each example, the truth, and the exit that is taken."""
    figure = Figure(layout="constrained", figsize=(3.4 * ((len(renderings) + 1) // 2), 5.2))
    columns = (len(renderings) + 1) // 2
    axes = figure.subplots(2, columns, sharex=True, sharey=True).flat
    numbers = list(range(1, pipe.model.exits + 1))
    for (title, rendering), axis in zip(renderings.items(), axes, strict=False):
        taken = rendering.route(BUDGET)
        truth = [true_lpips(rendering, number) for number in numbers]
        axis.plot(
            numbers, [*rendering.predicted, 0.0][: len(numbers)], "o-", color=INK, label="predicted"
        )
        axis.plot(numbers, truth, "x", color="black", label="true")
        axis.axhline(BUDGET, linestyle=":", color="grey")
        axis.axvline(taken, color=TAKEN, alpha=0.4, label=f"taken at {BUDGET}")
        axis.set_title(title, fontsize=10)
        axis.set_xticks(numbers)
    figure.supxlabel("exit", fontsize=10)
    figure.supylabel("LPIPS to full depth", fontsize=10)
    figure.axes[0].legend(fontsize=8)
    _save(figure, "routes")


def margins(pipe: LabelMapPipeline) -> None:
    """What the calibration adds to every estimate, by budget."""
    calibration = pipe.config.calibration
    assert calibration is not None
    figure = Figure(layout="constrained", figsize=(6, 3))
    axis = figure.subplots()
    known = [
        (budget, margin)
        for budget, margin in zip(calibration.budgets, calibration.margins, strict=True)
        if margin is not None
    ]
    axis.plot(*zip(*known, strict=True), color=INK)
    axis.axvspan(0, known[0][0], color="grey", alpha=0.2, label="nothing leaves early")
    axis.set_xlabel("budget (LPIPS)")
    axis.set_ylabel("margin, in predicted spreads")
    axis.legend(fontsize=8)
    _save(figure, "margins")


def _show(axis: Axes, picture: object, title: str) -> None:
    axis.imshow(picture)  # type: ignore[arg-type]
    axis.set_title(title, fontsize=10)
    axis.axis("off")


def _save(figure: Figure, name: str) -> None:
    figure.savefig(
        FOLDER / f"{name}.webp", dpi=110, bbox_inches="tight", pil_kwargs={"quality": 88}
    )


if __name__ == "__main__":
    main()
