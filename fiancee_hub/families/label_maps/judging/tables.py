"""Tables of a label-map checkpoint's evaluation.json in markdown."""

from typing import Any

from fiancee_hub.measuring.tables import table

SHEET, MORE = "contact_sheet.jpg", "more_maps.jpg"
"""Files of the contact sheets."""

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
