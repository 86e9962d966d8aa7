"""What is known about a picture, as HTML: exit, LPIPS, operations, time. Pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from fiancee_hub.pipeline import Result

WAITING = "…"


@dataclass(frozen=True)
class Outcome:
    """What is known so far of one request; ``full`` and ``lpips`` come later.

    Args:
        early: what the budget bought.
        budget: LPIPS.
        exits: number of exits, full depth included.
        full: full depth for the same input and seed.
        lpips: true LPIPS between the two.
        source_milliseconds: that reading the source took; 0 where nothing is read ahead.
    """

    early: Result
    budget: float
    exits: int
    full: Result | None = None
    lpips: float | None = None
    source_milliseconds: float = 0.0

    @property
    def went_full(self) -> bool:
        return self.early.exit == self.exits


def exit_name(exit_index: int, exits: int) -> str:
    return "Full depth" if exit_index == exits else f"Exit {exit_index}"


def giga(macs: float) -> str:
    return f"{macs / 1e9:.2f} G"


def time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def distance(lpips: float | None) -> str:
    return WAITING if lpips is None else f"{lpips:.4f}"


def saved(part: float, whole: float) -> str:
    """How much less ``part`` is than ``whole``."""
    percent = round(100 * (1 - part / whole)) if whole else 0
    return f"{percent} % less" if percent > 0 else "no saving"


def caption(outcome: Outcome) -> str:
    """What is on either side of the slider."""
    left = exit_name(outcome.early.exit, outcome.exits)
    right = "Full depth" if outcome.full else "Full depth is on its way"
    return (
        f'<div class="sides"><span>◀ {left}, {time(outcome.early.milliseconds)}</span>'
        f"<span>{right}{_later(outcome.full)} ▶</span></div>"
    )


def _later(full: Result | None) -> str:
    return f", {time(full.milliseconds)}" if full else WAITING


def facts(outcome: Outcome) -> str:
    """Verdict, figures and bars."""
    return (
        '<div class="facts">'
        f"{_verdict(outcome)}{_tiles(outcome)}{_costs(outcome)}"
        f"{notes(outcome.early.notes)}</div>"
    )


def _verdict(outcome: Outcome) -> str:
    budget = f"{outcome.budget:.3f}"
    if outcome.lpips is None:
        return _status("waiting", WAITING, "Measuring the true LPIPS against full depth")
    if outcome.went_full:
        text = f"No early exit promises LPIPS {budget} here, so full depth made the picture"
        return _status("kept", "✓", text)
    measured = distance(outcome.lpips)
    if outcome.lpips <= outcome.budget:
        text = f"Budget kept: the true LPIPS is {measured}, you allowed {budget}"
        return _status("kept", "✓", text)
    text = f"Budget missed: the true LPIPS is {measured}, you allowed {budget}"
    return _status("missed", "✗", text)


def _status(kind: str, icon: str, text: str) -> str:
    return (
        f'<p class="verdict {kind}" role="status"><span aria-hidden="true">{icon}</span>{text}</p>'
    )


def _tiles(outcome: Outcome) -> str:
    tiles = (
        ("exit", "Exit taken", f"{outcome.early.exit} of {outcome.exits}"),
        ("predicted", "LPIPS predicted", distance(outcome.early.predicted_lpips)),
        ("measured", "LPIPS measured", distance(outcome.lpips)),
        ("saving", "Operations saved", f"{max(0.0, 100 * outcome.early.saving):.0f} %"),
    )
    rows = (
        f'<div><dt>{label}</dt><dd data-fact="{key}">{value}</dd></div>'
        for key, label, value in tiles
    )
    return f"<dl>{''.join(rows)}</dl>"


def _costs(outcome: Outcome) -> str:
    """Operations and time of both; where a source is read ahead, also with that reading."""
    macs, ms = "Operations (MACs)", "Time, measured now"
    source_macs, source_ms = outcome.early.source_macs, outcome.source_milliseconds
    bars = _bars(macs, outcome, "macs", giga) + _bars(ms, outcome, "milliseconds", time)
    if not source_macs:
        return bars
    reading = f"Reading the source once: {giga(source_macs)}, {time(source_ms)}. "
    return (
        f"{bars}<details><summary>{reading}With it, for a single picture</summary>"
        f"{_bars(macs, outcome, 'macs', giga, source_macs)}"
        f"{_bars(ms, outcome, 'milliseconds', time, source_ms)}</details>"
    )


def _bars(
    title: str,
    outcome: Outcome,
    quantity: str,
    words: Callable[[float], str],
    before: float = 0.0,
) -> str:
    """A quantity of both results, ``before`` added to each."""
    early = getattr(outcome.early, quantity) + before
    full = getattr(outcome.full, quantity) + before if outcome.full else None
    less = "" if full is None else f", {saved(early, full)}"
    width = min(100.0, 100 * early / full) if full else 0.0
    key = quantity if not before else f"{quantity}-anew"
    first = _bar(exit_name(outcome.early.exit, outcome.exits), words(early), width, key)
    second = _bar("Full depth", WAITING if full is None else words(full), 100.0 if full else 0, key)
    return f'<div class="bars"><p>{title}{less}</p>{first}{second}</div>'


def _bar(label: str, text: str, width: float, key: str) -> str:
    return (
        f'<div><span>{label}</span><i><i style="width:{width:.1f}%"></i></i>'
        f'<b data-fact="{key}">{text}</b></div>'
    )


def notes(sentences: Sequence[str]) -> str:
    """What was done to the input, or nothing."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div role="status"><ul class="notes">{items}</ul></div>' if items else ""
