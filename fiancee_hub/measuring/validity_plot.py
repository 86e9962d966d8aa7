"""The validity plot: how often the promise is kept, at every budget."""

from pathlib import Path
from typing import Any

from fiancee_hub.core.files import replacing


def draw_validity(path: Path, found: dict[str, Any]) -> None:
    """Writes the share of splits that keep the promise against the budget; see ``validity``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    budgets = [row["budget"] for row in found["budgets"]]
    jointly = found["jointly"]
    for key, style, label in (
        ("all", "-", "all deliveries"),
        ("early", "--", "those that leave early"),
    ):
        values = [100 * row[key] for row in found["budgets"]]
        at_once = f"{100 * jointly[key]:.1f} % at all budgets at once"
        axes.plot(budgets, values, style, label=f"{label} ({at_once})")
    for kind in found["units"]:
        values = [100 * row["kinds"][kind] for row in found["budgets"]]
        axes.plot(budgets, values, ":", linewidth=1, label=f"of them, {kind}")
    stays = [100 * row["nothing_early"] for row in found["budgets"]]
    axes.fill_between(budgets, stays, alpha=0.15, color="grey", label="nothing leaves early")
    axes.axhline(100 * found["confidence"], color="black", linewidth=0.8, label="promised")
    axes.set(
        xlabel="budget, LPIPS to full depth",
        ylabel="splits that keep the promise, %",
        ylim=(0, 103),
        title=_title(found),
    )
    axes.title.set_fontsize(9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    with replacing(path) as partial:
        figure.savefig(partial, format=path.suffix.removeprefix("."), dpi=130)


def _title(found: dict[str, Any]) -> str:
    units = ", ".join(f"{kind} {count}" for kind, count in found["units"].items())
    return f"{found['splits']:,} splits of {found['inputs']:,} inputs; independent units: {units}"
