"""Where two pictures differ, as a heat map with a fixed scale."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from space.page.files import picture_address
from space.page.markup import render
from space.result.facts import exit_name
from space.result.record import Record

MOST = 64
"""Difference at the bright end of the scale, of 255 grey levels; what is larger looks the same."""

# cividis (Nuñez et al., 2018): made to look alike with and without colour vision deficiency.
COLOURS = (
    (0, 34, 78),
    (8, 51, 112),
    (53, 69, 108),
    (79, 87, 108),
    (102, 105, 112),
    (125, 124, 120),
    (148, 142, 119),
    (174, 163, 113),
    (200, 184, 102),
    (229, 207, 82),
    (254, 232, 56),
)

Levels = NDArray[np.float32]


def difference(first: Image.Image, second: Image.Image) -> Levels:
    """Absolute difference of two RGB pictures of one size, mean of the channels.

    Returns:
        (height, width), 0 to 255.
    """
    a, b = (np.asarray(picture.convert("RGB"), np.float32) for picture in (first, second))
    return np.abs(a - b).mean(2, dtype=np.float32)


def heat_map(levels: Levels) -> Image.Image:
    """Differences (height, width) in colours, from dark blue, 0, to yellow, ``MOST`` and above."""
    shares = np.clip(levels / MOST, 0, 1)
    stops = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(shares, stops, channel) for channel in zip(*COLOURS, strict=True)]
    return Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))


def colour_bar(size: tuple[int, int]) -> Image.Image:
    """The scale as a picture of ``size`` (width, height), 0 at the left."""
    row = np.linspace(0, MOST, size[0], dtype=np.float32)
    return heat_map(np.broadcast_to(row, size[::-1]))


def difference_view(record: Record) -> str:
    """The heat map of the early picture against full depth with its scale, as HTML."""
    width, height = record.early.result.image.size
    picture, words = "", ""
    if record.full is not None:
        levels = difference(record.early.result.image, record.full.result.image)
        picture, words = picture_address(heat_map(levels), "webp"), _words(record, levels)
    return render(
        "difference.html",
        name=exit_name(record.chosen, record.exits),
        aspect=f"{width} / {height}",
        picture=picture,
        words=words,
        colours=[f"rgb({red} {green} {blue})" for red, green, blue in COLOURS],
        marks=(0, MOST // 4, MOST // 2, 3 * MOST // 4, f"{MOST} and more"),
    )


def _words(record: Record, levels: Levels) -> str:
    if record.chosen == record.exits:
        return "Full depth made the picture: there is no difference."
    share = 100 * float((levels > MOST / 2).mean())
    return f"Here {levels.mean():.1f} on average; {share:.1f} % of the pixels exceed {MOST // 2}."
