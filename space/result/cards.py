"""All exits of one input side by side, a card each: pictures and figures, as HTML."""

from dataclasses import dataclass

from space.page.markup import render
from space.result.facts import WAITING, distance, exit_name, time
from space.result.record import Record

Figures = tuple[tuple[str, str, str], ...]
"""Key, words and value of each."""


@dataclass(frozen=True)
class Card:
    """What is shown of one exit; ``picture`` is empty until it is rendered."""

    exit: int
    name: str
    taken: bool
    picture: str
    alt: str
    figures: Figures


def exit_cards(record: Record) -> str:
    """Every exit, cheapest first, full depth last; those not rendered yet keep their place."""
    width, height = record.early.result.image.size
    cards = [_card(record, index) for index in range(1, record.exits + 1)]
    return render("cards.html", cards=cards, aspect=f"{width} / {height}", waiting=WAITING)


def _card(record: Record, index: int) -> Card:
    picture = record.pictures.get(index)
    name = exit_name(index, record.exits)
    measured = (
        f", LPIPS {distance(picture.lpips)} to full depth" if picture and picture.lpips else ""
    )
    return Card(
        exit=index,
        name=name,
        taken=index == record.chosen,
        picture=picture.thumbnail if picture else "",
        alt=f"Picture of {name.lower()}{measured}",
        figures=_figures(record, index),
    )


def _figures(record: Record, index: int) -> Figures:
    picture = record.pictures.get(index)
    return (
        ("macs", "MACs", f"{100 * record.macs[index - 1] / record.macs[-1]:.1f} %"),
        ("time", "Time", time(picture.result.milliseconds) if picture else WAITING),
        ("predicted", "LPIPS predicted", distance(record.predicted[index - 1])),
        ("measured", "LPIPS measured", distance(picture.lpips if picture else None)),
    )
