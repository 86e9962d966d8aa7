"""Tables of evaluation.json in markdown, for the model card and the README."""

from collections.abc import Sequence
from typing import Any

BEGUN_FROM = "begun from"
"""In the notes of a training: what the weights that it began from had cost, for other classes."""


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def budgets(rows: list[dict[str, Any]]) -> str:
    """Cost and coverage at every budget, beside the oracle and the best fixed exit."""
    headings = [
        "budget (LPIPS)",
        "mean MACs",
        "coverage (95 % interval)",
        "of those that leave early",
        "oracle's MACs",
        "best fixed exit",
        "fixed exit at the promised level",
        "exit shares, 1 to full depth",
    ]
    return table(
        headings,
        [
            [
                f"{row['budget']:.2f}",
                percent(row["mean_macs_ratio"]),
                f"{percent(row['coverage'])} ({_interval(row)})",
                _early(row),
                percent(row["oracle_macs_ratio"]),
                f"{row['fixed_exit']}: {percent(row['fixed_exit_macs_ratio'])}",
                f"{row['fixed_exit_at_level']}: {percent(row['fixed_exit_at_level_macs_ratio'])}",
                " / ".join(f"{100 * share:.0f}" for share in row["exit_shares"]),
            ]
            for row in rows
        ],
    )


def _early(row: dict[str, Any]) -> str:
    """Coverage among those that left early; older figures do not have it."""
    if row.get("early_coverage") is None:
        return "none does" if row.get("early") == 0 else "not measured"
    share = percent(row["early_coverage"])
    return f"{share} of {row['early']} ({_interval(row, 'early_coverage_interval')})"


def _interval(row: dict[str, Any], name: str = "coverage_interval") -> str:
    low, high = row[name]
    return f"{100 * low:.1f} to {100 * high:.1f}"


def exits(figures: dict[str, Any]) -> str:
    """Cost, time and quality of every branch, guides on and off."""
    headings = [
        "exit",
        "MACs",
        "time, 2 threads",
        "time, 1 thread",
        "LPIPS mean",
        "LPIPS 90 %",
        "without guides",
        "predictor's error",
    ]
    pairs = zip(figures["exits"], figures["without_guides"]["exits"], strict=True)
    rows = [
        [
            str(row["exit"]),
            percent(row["macs_ratio"]),
            percent(row["time_ratio"]),
            percent(row["time_ratio_one_thread"]),
            f"{row['lpips_mean']:.4f}",
            f"{row['lpips_p90']:.4f}",
            f"{bare['lpips_mean']:.4f}",
            f"{row['predictor_mae']:.4f}",
        ]
        for row, bare in pairs
    ]
    full = figures["full_depth"]
    gmacs, milliseconds = f"{full['macs'] / 1e9:.2f} GMACs", f"{full['milliseconds']:.0f} ms"
    one = f"{full['milliseconds_one_thread']:.0f} ms"
    rows.append(["full depth", gmacs, milliseconds, one, "0", "0", "0", "none"])
    return table(headings, rows)


def other_inputs(figures: dict[str, Any], kind: str = "maps") -> str:
    """The router on each kind of inputs by itself."""
    rows = [
        [
            f"{other['split']} (n = {other['n']})",
            f"{row['budget']:.2f}",
            percent(row["mean_macs_ratio"]),
            f"{percent(row['coverage'])} ({_interval(row)})",
            _early(row),
            percent(row["oracle_macs_ratio"]),
        ]
        for other in figures["other_inputs"]
        for row in other["budgets"]
    ]
    headings = [
        kind,
        "budget",
        "mean MACs",
        "coverage (95 % interval)",
        "of those that leave early",
        "oracle's MACs",
    ]
    return table(headings, rows)


def validity(found: dict[str, Any], budgets: Sequence[float]) -> str:
    """How many splits of calibration and test inputs keep the promise, at some budgets."""
    rows = [
        [
            f"{row['budget']:.2f}",
            percent(row["all"]),
            percent(row["early"]),
            *(percent(row["kinds"][kind]) for kind in found["units"]),
            percent(row["nothing_early"]),
        ]
        for row in found["budgets"]
        if any(abs(row["budget"] - budget) < 1e-9 for budget in budgets)
    ]
    jointly = found["jointly"]
    at_once = f"all {len(found['budgets'])} at once", percent(jointly["all"])
    rows.append([*at_once, percent(jointly["early"]), *[""] * (len(found["units"]) + 1)])
    of_kinds = (f"of them, {kind}" for kind in found["units"])
    early = "those that leave early", *of_kinds, "nothing leaves early"
    return table(["budget", "all deliveries", *early], rows)


FEW = 3
"""Budgets that a table lists one by one."""


def backends(tests: list[dict[str, Any]], budgets: Sequence[float]) -> str:
    """What budgets keep in other backends and types: share of all deliveries, at some budgets."""
    shown = [f"{budget:.2f}" for budget in budgets]
    lines = [
        [
            f"{test['backend']}, {test['dtype']}" + _device(test["device"]),
            _holding(test["budgets"]),
            f"{test['lpips'][-1]:.4f}",
            *(
                percent(1 - row["misses"] / test["n"])
                for row in test["budgets"]
                if any(abs(row["budget"] - budget) < 1e-9 for budget in budgets)
            ),
        ]
        for test in tests
    ]
    kept = [f"kept at {budget}" for budget in shown]
    return table(["backend", "budgets that hold", "LPIPS of full depth", *kept], lines)


def _device(kind: str) -> str:
    return "" if kind == "cpu" else f", {kind}"


def _holding(rows: list[dict[str, Any]]) -> str:
    failing = [row["budget"] for row in rows if not row["holds"]]
    if len(failing) in (0, len(rows)):
        return "none" if failing else f"all {len(rows)}"
    if len(failing) <= FEW:
        return "all but " + ", ".join(f"{budget:g}" for budget in failing)
    first = next((row["budget"] for row in rows if row["budget"] > failing[-1]), None)
    count = f"{len(rows) - len(failing)} of {len(rows)}"
    return count if first is None else f"{count}, all from {first:g} on"


def reliability(rows: list[dict[str, Any]]) -> str:
    """Share of inputs within mean + spread, by exit and by how wide the predicted spread is."""
    count = len(rows[0]["bins"])
    names = ["narrowest", *[""] * (count - 2), "widest"]
    lines = [
        [name, *(_share(row["bins"][index]) for row in rows)]
        for index, name in enumerate(names[:count])
    ]
    return table(["predicted spread", *(f"exit {row['exit']}" for row in rows)], lines)


def _share(found: dict[str, Any]) -> str:
    return f"{100 * found['share']:.0f} % within {found['spread']:.4f}"


def training(notes: dict[str, Any]) -> str:
    """Images seen (each as often as it was) and hours trained in every phase; what was trained
    before the run counts with its phase, unless it was for other classes."""
    rows = [
        ["before, for other classes", f"{facts['images']:,.0f}", f"{facts['hours']:.2f}", ""]
        for facts in [notes.get(BEGUN_FROM)]
        if facts
    ]
    rows += [
        [phase, f"{facts['images']:,.0f}", f"{facts['hours']:.2f}", _machine(facts)]
        for phase, facts in notes.items()
        if "images" in facts and "processes" in facts
    ]
    return table(["phase", "images seen", "hours", "processes"], rows)


def _machine(facts: dict[str, Any]) -> str:
    return f"{facts['processes']} on {facts.get('device', 'CPU')}"
