"""Tables of a label-map checkpoint's evaluation.json in markdown."""

from typing import Any

from fiancee_hub.measuring.realism import relative
from fiancee_hub.measuring.tables import percent, table

SHEET, MORE, DRAWN = "contact_sheet.jpg", "more_maps.jpg", "drawn_maps.jpg"
"""Files of the contact sheets; the last stands for the others where the data is not shown."""

Figures = dict[str, Any]


def segmented(figures: Figures) -> bool:
    """Whether a net judged the pictures."""
    return "miou" in figures["full_depth_quality"]


def quality(figures: Figures) -> str:
    """Full depth and what each budget delivers, against the real photographs."""
    full = figures["full_depth_quality"]
    kid = f"{full['kid_other_photos']:.3f} (other photographs)"
    real = {"miou": full.get("miou_real_photos")}
    rows = [
        ["real photographs", "0", kid, *_miou(real)],
        ["full depth", *_quality_row(full)],
    ]
    for row in figures["delivered_quality"]:
        rows.append([f"delivered at budget {row['budget']:.2f}", *_quality_row(row)])
    headings = ["pictures", "LPIPS to the photo", "KID (AlexNet features)"]
    return table([*headings, *(["mIoU"] if segmented(figures) else [])], rows)


def _quality_row(row: Figures) -> list[str]:
    kid = f"{row['kid']:.3f} ± {row['kid_std']:.3f}"
    return [f"{row['lpips_to_photo']:.3f}", kid, *_miou(row)]


def _miou(row: Figures) -> list[str]:
    return [] if row.get("miou") is None else [f"{row['miou']:.3f}"]


def realism(figures: Figures) -> str:
    """Kernel distance of what every exit makes and every budget delivers, by the judge that no
    loss knows, and mIoU; older figures have less of it."""
    found, full = figures["realism"], figures["full_depth_quality"]
    exits, budgets = found["exits"], found.get("budgets", [])
    names = [
        *(f"exit {index}" for index in range(1, len(exits))),
        "full depth",
        *(f"delivered at budget {row['budget']:.2f}" for row in budgets),
    ]
    branches = figures.get("exit_quality", [{}] * (len(exits) - 1))
    seen = [*branches, full, *(figures["delivered_quality"] if budgets else [])]
    whole = exits[-1]["ratio"]
    lines = [
        [name, *_realism_row(row, whole), *(_or_dash(_miou(quality)) if segmented(figures) else [])]
        for name, row, quality in zip(names, [*exits, *budgets], seen, strict=True)
    ]
    real = [f"{1000 * value:.1f}" for value in exits[-1]["kid_real"].values()]
    photographs = [
        "photographs",
        *real,
        "1",
        _times(1, whole),
        *_real_miou(full),
    ]
    headings = ["pictures", "texture", "things", "times photographs", "times full depth"]
    return table([*headings, *(["mIoU"] if segmented(figures) else [])], [*lines, photographs])


def static(figures: Figures) -> str:
    """Small nets without exits, each after the exit whose cost it has."""
    found = figures["static"]
    lines = []
    for exit in sorted({row["exit"] for row in found["nets"]}):
        lines.append([f"exit {exit}", *_static_row(_exit_row(figures, exit))])
        lines += [
            [f"{row['kind']}, as cheap as exit {exit}", *_static_row(row)]
            for row in found["nets"]
            if row["exit"] == exit
        ]
    headings = ["pictures", "MACs", "LPIPS to full depth", "texture", "things", "times full depth"]
    return table([*headings, "mIoU", "images seen", "hours"], lines)


def _exit_row(figures: Figures, exit: int) -> Figures:
    """What the evaluation says of an exit; the images and hours are those of all together."""
    row: Figures = figures["exits"][exit - 1] | figures["static"]["exits"]
    if looks := figures.get("realism"):
        row |= looks["exits"][exit - 1]
    if seen := figures.get("exit_quality"):
        row |= {"miou": seen[exit - 1].get("miou")}
    return row


def _static_row(row: Figures) -> list[str]:
    seen, hours = row.get("images"), row.get("hours")
    looks = _thousandths(row["kid"], row["kid_std"]) if "kid" in row else ["not measured"] * 2
    times = row.get("to_full_depth")
    return [
        percent(row["macs_ratio"]),
        f"{row['lpips_mean']:.4f}",
        *looks,
        "none" if times is None else f"{times:.2f}",
        *_or_dash(_miou(row)),
        "not noted" if seen is None else f"{seen:,}",
        "not noted" if hours is None else f"{hours:.2f}",
    ]


def _realism_row(row: Figures, full: float) -> list[str]:
    distances = _thousandths(row["kid"], row["kid_std"])
    return [*distances, f"{row['ratio']:.2f}", _times(row["ratio"], full)]


def _times(ratio: float, full: float) -> str:
    found = relative(ratio, full)
    return "none" if found is None else f"{found:.2f}"


def _or_dash(cell: list[str]) -> list[str]:
    return cell or ["not measured"]


def _real_miou(full: Figures) -> list[str]:
    return _or_dash(_miou({"miou": full.get("miou_real_photos")})) if "miou" in full else []


def _thousandths(means: dict[str, float], spreads: dict[str, float]) -> list[str]:
    return [f"{1000 * means[name]:.1f} ± {1000 * spreads[name]:.1f}" for name in means]
