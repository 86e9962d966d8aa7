"""The sentence that matters, about this very input."""

from space.page.markup import render
from space.result.facts import WAITING, exit_name
from space.result.network import Network
from space.result.record import Record


def headline(record: Record) -> str:
    """The sentence as HTML."""
    return _said(*sentence(record))


def sentence(record: Record) -> tuple[str, str]:
    """What this input needed, and how far its picture is from full depth."""
    index, budget = record.chosen, f"{record.budget:.3f}"
    name = exit_name(index, record.exits)
    share = f"{100 * record.shares[index - 1]:.0f} %"
    if record.shares[index - 1] < 0.01:
        share = f"{100 * record.shares[index - 1]:.1f} %"
    if index != record.routed:
        cost = f"{name}, chosen by hand, costs {share} of the computation."
        routed = exit_name(record.routed, record.exits).lower()
        return cost, _difference(record, f"the budget of {budget} takes {routed}")
    if index == record.exits:
        return (
            f"This {record.network.noun} needs the whole computation:",
            f"no early exit promises LPIPS {budget}.",
        )
    cost = f"This {record.network.noun} needed {share} of the computation."
    lpips = record.early.lpips
    allowed = f"of the {budget} you allowed"
    if lpips is not None and lpips > record.budget:
        allowed = f"more than the {budget} you allowed"
    return cost, _difference(record, allowed)


def _difference(record: Record, allowed: str) -> str:
    lpips = record.early.lpips
    if lpips is None:
        return f"Measuring the difference{WAITING}"
    comma = "" if allowed.startswith("of ") else ","
    return f"The difference: LPIPS {lpips:.3f}{comma} {allowed}."


def _said(cost: str, difference: str) -> str:
    return render("headline.html", cost=cost, difference=difference)


def empty_headline(network: Network) -> str:
    """Before the first input is known."""
    return _said(f"How much computation does this {network.noun} need?", "")
