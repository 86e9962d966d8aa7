"""All exits of one input side by side: pictures and figures, as HTML."""

from space.result.facts import WAITING, distance, exit_name, time
from space.result.film import Film


def filmstrip(film: Film) -> str:
    """Every exit, cheapest first, full depth last; those not rendered yet keep their place."""
    width, height = film.early.result.image.size
    cards = "".join(_card(film, index) for index in range(1, film.exits + 1))
    return (
        f'<section class="film" aria-label="All exits" '
        f'style="--exits: {film.exits}; --aspect: {width} / {height}">'
        f"<h2>All exits, from the cheapest to full depth</h2><ol>{cards}</ol></section>"
    )


def _card(film: Film, index: int) -> str:
    taken = index == film.chosen
    name = exit_name(index, film.exits)
    chip = ' <span class="chip">taken</span>' if taken else ""
    return (
        f'<li data-exit="{index}"{_current(taken)}>{_picture(film, index)}'
        f"<h3>{name}{chip}</h3>{_figures(film, index)}</li>"
    )


def _current(taken: bool) -> str:
    return ' class="taken" aria-current="true"' if taken else ""


def _picture(film: Film, index: int) -> str:
    shot = film.shots.get(index)
    if shot is None:
        return f'<div class="missing">{WAITING}</div>'
    return f'<img src="{shot.thumbnail}" alt="{_alt(film, index)}">'


def _alt(film: Film, index: int) -> str:
    name, lpips = exit_name(index, film.exits), film.shots[index].lpips
    measured = f", LPIPS {distance(lpips)} to full depth" if lpips else ""
    return f"Picture of {name.lower()}{measured}"


def _figures(film: Film, index: int) -> str:
    shot = film.shots.get(index)
    figures = (
        ("macs", "MACs", f"{100 * film.macs[index - 1] / film.macs[-1]:.1f} %"),
        ("time", "Time", time(shot.result.milliseconds) if shot else WAITING),
        ("predicted", "LPIPS predicted", distance(film.predicted[index - 1])),
        ("measured", "LPIPS measured", distance(shot.lpips if shot else None)),
    )
    rows = (
        f'<div><dt>{label}</dt><dd data-fact="{key}">{value}</dd></div>'
        for key, label, value in figures
    )
    return f"<dl>{''.join(rows)}</dl>"
