"""Tables of a label-map checkpoint's evaluation.json in markdown."""

from typing import Any

from fiancee_hub.measuring.tables import table

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
    """Kernel distance of every exit's pictures by the judge that no loss knows."""
    rows = figures["realism"]["exits"]
    names = [*(str(index) for index in range(1, len(rows))), "full depth"]
    lines = [
        [name, *_thousandths(row["kid"], row["kid_std"]), f"{row['ratio']:.2f}"]
        for name, row in zip(names, rows, strict=True)
    ]
    photographs = ["photographs", *(f"{1000 * v:.1f}" for v in rows[-1]["kid_real"].values()), "1"]
    return table(["exit", "texture", "things", "times photographs"], [*lines, photographs])


def _thousandths(means: dict[str, float], spreads: dict[str, float]) -> list[str]:
    return [f"{1000 * means[name]:.1f} ± {1000 * spreads[name]:.1f}" for name in means]
