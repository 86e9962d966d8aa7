"""Which label maps are alike because they are neighbouring frames of one film."""

import re
from collections import Counter

RUN = 300
"""Frame numbers that count as one stretch of a film: ten seconds at 30 frames a second."""

FILM_SHARE = 0.5
"""A split is a film where at least this share of its names differ in their last number only."""

_NUMBERED = re.compile(r"(.*?)(\d{1,15})")


def units_of(names: list[str]) -> list[str]:
    """The independent thing that each name of a split stands for.

    Frames of a film (``drive_000030``, ``drive_000060`` …) count by the stretch of ``RUN`` frame
    numbers that they lie in, everything else by itself.
    """
    parts = [match.groups() if (match := _NUMBERED.fullmatch(name)) else None for name in names]
    films = Counter(part[0] for part in parts if part)
    long = {stem for stem, count in films.items() if count >= max(2, FILM_SHARE * len(names))}
    return [
        f"{part[0]}{int(part[1]) // RUN}…" if part and part[0] in long else name
        for name, part in zip(names, parts, strict=True)
    ]
