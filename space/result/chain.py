"""The page's one control: the chain of stages and exits, and the budget along it, as HTML."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from space.page.markup import render
from space.result.facts import WAITING, exit_name
from space.result.network import Network
from space.result.record import Record
from space.result.scale import BUDGET, BUDGET_STEP, BUDGETS, MOST_BUDGET, places, step_of

PAPER = 0.1
"""The budget at which the paper states its savings."""

NARROWEST = 0.055
"""Share of the length below which a stretch has no room for its number, on a phone with text of
twice the size."""

STAGE, EXIT = 1.0, 2.4
"""Widths of a stage and of an exit in the drawing."""


@dataclass(frozen=True)
class Part:
    """A stage of the trunk, or an exit.

    Args:
        exit: its number; 0 for a stage.
        name: in words.
        done: whether the trunk was computed up to here for the picture that is shown.
        taken: whether this exit made it.
        cost: of the exit.
        lpips: to full depth, measured.
        thickness: of the branch, 1 is the trunk's.
        width: in the drawing.
    """

    name: str
    done: bool
    width: float
    exit: int = 0
    taken: bool = False
    cost: str = ""
    lpips: str = ""
    thickness: float = 1.0


@dataclass(frozen=True)
class Stretch:
    """Neighbouring budgets that take the same exit."""

    exit: int
    first: float
    steps: int
    width: float = 0.0


def stretches(record: Record, budgets: Sequence[float] = BUDGETS) -> list[Stretch]:
    """Which exit each budget takes for this input, from small budgets to large ones."""
    found, start = [], 0
    for index, group in groupby(budgets, record.forecast.route):
        steps = len(list(group))
        width = sum(record.network.widths[start : start + steps])
        found.append(Stretch(index, budgets[start], steps, width))
        start += steps
    return found


def chain(record: Record) -> str:
    """The control for one input."""
    routed, found = record.routed, stretches(record)
    choice = f"Budget {record.budget:.3f}: {exit_name(routed, record.exits)}, "
    choice += f"{100 * record.shares[routed - 1]:.1f} % of the computation."
    if record.chosen != routed:
        choice += f" Shown by hand: {exit_name(record.chosen, record.exits)}."
    blocks = [
        (
            f"{100 * one.width:.3f}",
            str(one.exit) if one.width >= NARROWEST else "",
            one.exit == routed,
        )
        for one in reversed(found)
    ]
    words = ", ".join(f"{exit_name(one.exit, record.exits)} from {one.first:.3f}" for one in found)
    return _drawn(
        record.network,
        _parts(record),
        record.budget,
        blocks,
        choice,
        words,
        complete=record.complete,
        announced=said(record),
    )


def said(record: Record) -> str:
    """What is announced to those who do not see the page; nothing while it is being measured."""
    lpips = record.early.lpips
    if lpips is None or not record.complete:
        return ""
    name = f"Exit {record.chosen} of {record.exits}"
    if record.chosen != record.routed:
        return f"{name}, chosen by hand, LPIPS {lpips:.3f}"
    return f"{name}, budget {'kept' if lpips <= record.budget else 'missed'}"


def empty(network: Network) -> str:
    """The control before the first input is known."""
    return _unasked(network, BUDGET, WAITING)


def of_frames(network: Network, budget: float) -> str:
    """The control where many pictures are made one after the other."""
    return _unasked(network, budget, ": every frame takes an exit of its own")


def _unasked(network: Network, budget: float, words: str) -> str:
    blocks = [("100", "", False)]
    drawn = parts(network, costs=_costs(network.shares))
    return _drawn(network, drawn, budget, blocks, f"Budget {budget:.3f}{words}", "")


def _drawn(
    network: Network,
    drawn: Sequence[Part],
    budget: float,
    blocks: Sequence[tuple[str, str, bool]],
    choice: str,
    words: str,
    *,
    complete: bool = False,
    announced: str = "",
) -> str:
    found = places(network.widths)
    return render(
        "chain.html",
        parts=drawn,
        complete="true" if complete else "false",
        announced=announced,
        columns=" ".join(f"minmax(0, {part.width:g}fr)" for part in drawn),
        blocks=blocks,
        budget=f"{budget:.3f}",
        most=MOST_BUDGET,
        step=BUDGET_STEP,
        place=f"{100 * found[step_of(budget)]:.2f}",
        marks=_marks(found),
        places=json.dumps([round(place, 4) for place in found]),
        choice=choice,
        words=words,
    )


def _marks(found: Sequence[float]) -> list[tuple[str, str, str]]:
    """Place, words and kind of what is written below the control."""
    return [
        (f"{100 * found[step_of(PAPER)]:.2f}", f"{PAPER:g} in the paper", "paper"),
        ("0", f"{MOST_BUDGET:g}: anything goes", "first"),
        ("100", "0: exactly the same", "last"),
    ]


def _parts(record: Record) -> list[Part]:
    known = record.pictures
    lpips = [
        f"{known[index].lpips:.3f}" if index in known and known[index].lpips is not None else ""
        for index in range(1, record.exits + 1)
    ]
    return parts(record.network, record.chosen, _costs(record.shares), lpips)


def _costs(shares: Sequence[float]) -> list[str]:
    return [f"{100 * share:.1f} %" for share in shares[:-1]] + ["100 %"]


def parts(
    network: Network,
    chosen: int = 0,
    costs: Sequence[str] = (),
    lpips: Sequence[str] = (),
) -> list[Part]:
    """Stages and exits from left to right: every exit stands after its last stage.

    Args:
        network: to be drawn.
        chosen: the exit that made the picture; 0 for none.
        costs, lpips: of every exit, as text.
    """
    drawn: list[Part] = []
    reached = network.stages_of(chosen) if chosen else 0
    # An exit at stage 0 leaves before the trunk begins.
    for stage in range(network.stages + 1):
        if stage:
            drawn.append(Part(f"l{stage}", stage <= reached, STAGE))
        for index in range(1, network.exits + 1):
            if network.stages_of(index) != stage:
                continue
            last = index == network.exits
            drawn.append(
                Part(
                    exit_name(index, network.exits),
                    index <= chosen,
                    EXIT,
                    index,
                    chosen == index,
                    costs[index - 1] if costs else WAITING,
                    lpips[index - 1] if lpips else "",
                    1.0 if last else network.thickness[index - 1],
                )
            )
    return drawn
