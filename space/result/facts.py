"""What is known about a picture, as HTML: exit, LPIPS, operations, time. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fiancee_hub.results import Result
from space.page.markup import render

WAITING = "…"
LATER = f"Full depth is on its way{WAITING}"


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
        full_macs: of full depth; its cost is known before it is rendered.
        full_milliseconds: what it took lately; None where that is not known yet.
    """

    early: Result
    budget: float
    exits: int
    full: Result | None = None
    lpips: float | None = None
    source_milliseconds: float = 0.0
    full_macs: int | None = None
    full_milliseconds: float | None = None

    @property
    def whole(self) -> Mapping[str, float | None]:
        """Cost of full depth by the names of a result's figures, as far as it is known."""
        if self.full:
            return {"macs": self.full.macs, "milliseconds": self.full.milliseconds}
        return {"macs": self.full_macs, "milliseconds": self.full_milliseconds}

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
    return render(
        "caption.html",
        left=f"{exit_name(outcome.early.exit, outcome.exits)}, {time(outcome.early.milliseconds)}",
        right=f"Full depth, {time(outcome.full.milliseconds)}" if outcome.full else LATER,
    )


def empty_caption() -> str:
    """Before anything is known, in the room that it will take."""
    return render("caption.html", left=f"Early exit{WAITING}", right=f"Full depth{WAITING}")


@dataclass(frozen=True)
class Verdict:
    """Whether the budget was kept, as a kind for the page's colours, an icon and a sentence."""

    kind: str
    icon: str
    text: str


@dataclass(frozen=True)
class Bar:
    """One result's cost: words, and its share of full depth's in percent."""

    label: str
    text: str
    percent: float


@dataclass(frozen=True)
class Bars:
    """A cost of both results."""

    title: str
    key: str
    rows: tuple[Bar, Bar]


def facts(outcome: Outcome) -> str:
    """Verdict, figures and bars; where a source is read ahead, also with that reading."""
    source_macs, source_ms = outcome.early.source_macs, outcome.source_milliseconds
    reading = f"Reading the source once: {giga(source_macs)}, {time(source_ms)}."
    return render(
        "facts.html",
        verdict=_verdict(outcome),
        tiles=_tiles(outcome),
        costs=_costs(outcome),
        reading=reading if source_macs else "",
        costs_with_reading=_costs(outcome, source_macs, source_ms),
        notes=notes(outcome.early.notes),
    )


def _verdict(outcome: Outcome) -> Verdict:
    budget = f"{outcome.budget:.3f}"
    if outcome.lpips is None:
        return Verdict("waiting", WAITING, "Measuring the true LPIPS against full depth")
    if outcome.went_full:
        text = f"No early exit promises LPIPS {budget} here, so full depth made the picture"
        return Verdict("kept", "✓", text)
    words = f"the true LPIPS is {distance(outcome.lpips)}, you allowed {budget}"
    if outcome.lpips <= outcome.budget:
        return Verdict("kept", "✓", f"Budget kept: {words}")
    return Verdict("missed", "✗", f"Budget missed: {words}")


def _tiles(outcome: Outcome) -> tuple[tuple[str, str, str], ...]:
    """Key, words and value of each figure."""
    return (
        ("exit", "Exit taken", f"{outcome.early.exit} of {outcome.exits}"),
        ("predicted", "LPIPS predicted", distance(outcome.early.predicted_lpips)),
        ("measured", "LPIPS measured", distance(outcome.lpips)),
        ("saving", "Operations saved", f"{max(0.0, 100 * outcome.early.saving):.0f} %"),
    )


def _costs(outcome: Outcome, macs: float = 0.0, milliseconds: float = 0.0) -> tuple[Bars, Bars]:
    """Operations and time of both, with what is given added to each."""
    return (
        _bars("Operations (MACs)", outcome, "macs", giga, macs),
        _bars("Time, median of late", outcome, "milliseconds", time, milliseconds),
    )


def _bars(
    title: str,
    outcome: Outcome,
    quantity: str,
    words: Callable[[float], str],
    before: float,
) -> Bars:
    """A quantity of both results, ``before`` added to each."""
    early = getattr(outcome.early, quantity) + before
    known = outcome.whole[quantity]
    full = None if known is None else known + before
    name = exit_name(outcome.early.exit, outcome.exits)
    percent = min(100.0, 100 * early / full) if full else 0.0
    whole = WAITING if full is None else words(full)
    return Bars(
        title if full is None else f"{title}, {saved(early, full)}",
        f"{quantity}-anew" if before else quantity,
        (Bar(name, words(early), percent), Bar("Full depth", whole, 100.0 if full else 0.0)),
    )


def notes(sentences: Sequence[str]) -> str:
    """What was done to the input, or nothing."""
    return render("notes.html", sentences=sentences)
