"""Which part of a picture is shown at the model's size: one rule for training and for use.

A picture of nearly the model's aspect is taken whole. Of any other the middle is kept from left to
right, and from top to bottom the lower part: what a street or a house stands on is below.
"""

from PIL import Image

SAME_ASPECT = 0.02
"""Relative difference of aspects up to which a picture is stretched instead of cut."""

CUT_AT_THE_TOP = 0.7
"""Share of the surplus height that is cut off at the top; every checkpoint was trained with it."""

Size = tuple[int, int]
"""Height and width."""


def window(height: int, width: int, size: Size) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of a picture that is shown at ``size``."""
    aspect = size[1] / size[0]
    if abs(width / height / aspect - 1) <= SAME_ASPECT:
        return 0, 0, width, height
    kept_width = min(width, max(1, round(height * aspect)))
    kept_height = min(height, max(1, round(width / aspect)))
    left, top = (width - kept_width) // 2, round((height - kept_height) * CUT_AT_THE_TOP)
    return left, top, left + kept_width, top + kept_height


def cut(picture: Image.Image, size: Size) -> Image.Image:
    """The part of a picture that is shown at ``size``, as large as it is."""
    return picture.crop(window(picture.height, picture.width, size))


def framed(picture: Image.Image, size: Size) -> Image.Image:
    """That part at ``size``, each pixel copied from the nearest."""
    return cut(picture, size).resize(size[::-1], Image.Resampling.NEAREST)


def framing_notes(height: int, width: int, size: Size) -> tuple[str, ...]:
    """What ``framed`` does to a label map of that height and width, a sentence each."""
    left, top, right, bottom = window(height, width, size)
    notes = []
    if (right - left, bottom - top) != (width, height):
        sides = {"left": left, "right": width - right, "top": top, "bottom": height - bottom}
        lost = " and ".join(
            f"{count} pixels at the {side}" for side, count in sides.items() if count
        )
        notes.append(f"Cut to the model's aspect: {lost} left out.")
    if (bottom - top, right - left) != size:
        was, now = f"{right - left}x{bottom - top}", f"{size[1]}x{size[0]}"
        notes.append(f"Resized from {was} to {now} by nearest class.")
    return tuple(notes)
