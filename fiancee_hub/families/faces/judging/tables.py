"""Tables of a faces checkpoint's evaluation.json in markdown."""

from typing import Any

from fiancee_hub.measuring.tables import percent, table

OWN_SHEET, CROSS_SHEET = "self_reenactment.jpg", "cross_reenactment.jpg"
HARD_SHEET = "hard_motions.jpg"
"""Files of the contact sheets."""

Figures = dict[str, Any]

NONE = "none"
"""Stands where no picture could be judged."""


def number(value: float | None, digits: int = 3) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def own(figures: Figures) -> str:
    """Self-reenactment: baselines, full depth, exits, budgets; then driven by blendshapes."""
    quality = figures["full_depth_quality"]
    full, loose = quality["self"], quality["self_by_blendshapes"]
    rows = [
        ("copying the source", full["copied_source"]),
        ("mesh warp, no network", full["mesh_warp"]),
        ("full depth", full["full_depth"]),
        *((f"exit {row['exit']}", row["self"]) for row in figures["exit_quality"]),
        *((_budget(row), row["self"]) for row in figures["delivered_quality"]),
        ("mesh warp, by blendshapes", loose["mesh_warp"]),
        ("full depth, by blendshapes", loose["full_depth"]),
    ]
    headings = [
        "pictures",
        "LPIPS",
        "LPIPS, most motion",
        "L1",
        "landmarks (px)",
        "most motion",
        "eyes (px)",
        "mouth (px)",
        "identity",
        "expression",
        "no face",
    ]
    return table(headings, [_own_row(name, row) for name, row in rows])


def _own_row(name: str, row: Figures) -> list[str]:
    every, moved = row["all"], row["most_motion"]
    return [
        name,
        number(every["lpips"], 4),
        number(moved["lpips"], 4),
        number(every["l1"], 4),
        number(every["landmark_error"], 2),
        number(moved["landmark_error"], 2),
        number(every["eye_error"], 2),
        number(every["mouth_error"], 2),
        number(every["identity"]),
        number(every["expression_correlation"]),
        str(every["missed"]),
    ]


def cross(figures: Figures) -> str:
    """Cross-reenactment: baselines, full depth and budgets."""
    full = figures["full_depth_quality"]["cross"]
    rows = [
        ("copying the source", full["copied_source"]),
        ("mesh warp, no network", full["mesh_warp"]),
        ("full depth", full["full_depth"]),
        *((_budget(row), row["cross"]) for row in figures["delivered_quality"]),
    ]
    headings = ["pictures", "identity", "pose error", "yaw", "pitch", "roll", "expression"]
    return table([*headings, "no face"], [_cross_row(name, row) for name, row in rows])


def _cross_row(name: str, row: Figures) -> list[str]:
    angles = ("pose_error", "yaw_error", "pitch_error", "roll_error")
    return [
        name,
        number(row["identity"]),
        *(number(row[angle], 1) + ("" if row[angle] is None else "°") for angle in angles),
        number(row["expression_correlation"]),
        str(row["missed"]),
    ]


def _budget(row: Figures) -> str:
    return f"delivered at budget {row['budget']:.2f}"


def ratios(figures: Figures) -> str:
    """Full depth's LPIPS relative to the baselines', as a sentence.

    Args:
        figures: of self-reenactment.
    """
    warp, copied = (figures[f"lpips_ratio_to_{name}"] for name in ("mesh_warp", "copied_source"))
    persons = warp["all"]["persons"]
    return (
        f"Full depth's LPIPS is {_ratio(warp['all'])} of the mesh warp's over all pairs and "
        f"{_ratio(warp['most_motion'])} over those with most motion, {_ratio(copied['all'])} of "
        f"the copied source's (in brackets 95 % intervals, bootstrap over the {persons} persons)."
    )


def _ratio(entry: Figures) -> str:
    low, high = entry["interval"]
    return f"{entry['ratio']:.2f} ({low:.2f} to {high:.2f})"


def hard_places(figures: Figures) -> str:
    """LPIPS where no warp can be right, with what it is of the mesh warp's; empty if nothing of
    that has been measured."""
    places = figures.get("hard_places", {})
    known = {
        heading: places[name]
        for name, heading in (("mouth", "mouth"), ("revealed", "what comes into view"))
        if places.get(name, {}).get("n")
    }
    if not known:
        return ""
    rows = [["mesh warp, no network"], ["full depth"]]
    rows += [[f"exit {row['exit']}"] for row in figures["exit_quality"]]
    headings = ["pictures"]
    for heading, place in known.items():
        headings += [f"{heading}: LPIPS", "of the mesh warp's"]
        rows[0] += [number(place["mesh_warp"]["lpips"]), "1"]
        for row, entry in zip(rows[1:], [place["full_depth"], *place["exits"]], strict=True):
            row += [number(entry["lpips"]), _ratio(entry["ratio_to_mesh_warp"])]
    return table(headings, rows)


def source(figures: Figures) -> str:
    """Cost and time of exits and budgets when the source is read for one frame alone."""
    anew = figures["source"]
    rows = [
        [
            f"exit {row['exit']}",
            percent(row["macs_ratio"]),
            percent(row["time_ratio"]),
            percent(row["time_ratio_one_thread"]),
        ]
        for row in anew["exits"]
    ]
    full = anew["full_depth"]
    times = [f"{full[key]:.0f} ms" for key in ("milliseconds", "milliseconds_one_thread")]
    rows.append(["full depth", f"{full['macs'] / 1e9:.2f} GMACs", *times])
    rows += [
        [f"budget {row['budget']:.2f}", percent(row["mean_macs_ratio"]), "", ""]
        for row in anew["budgets"]
    ]
    return table(["source read anew", "MACs", "time, 2 threads", "time, 1 thread"], rows)
