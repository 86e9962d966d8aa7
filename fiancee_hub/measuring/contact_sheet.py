"""Contact sheets: rows of pictures under column headings, drawn with Pillow alone."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fiancee_hub.core.files import write_bytes
from fiancee_hub.core.marking import marked
from fiancee_hub.core.pixels import as_bytes

Pictures = Tensor | Sequence[Image.Image]
"""One column: a tensor (n, 3, height, width), uint8 or in [-1, 1], or n Pillow images."""

BACKGROUND = (255, 255, 255)
INK = (32, 32, 32)
GAP = 4
HEADING_HEIGHT = 28
FONT_SIZE = 15
SMALLEST_FONT = 8


def contact_sheet(columns: Mapping[str, Pictures], *, picture_width: int = 224) -> Image.Image:
    """Draws one row for each example and one column for each kind of picture.

    Args:
        columns: pictures by heading, from left to right; equally many in each column. All are
            scaled to one size, that of the first picture's aspect.
        picture_width: width of each picture in pixels.

    Returns:
        The sheet, RGB.

    Raises:
        ValueError: there are no pictures, or the columns have different lengths.
    """
    pictures = {heading: as_pictures(column) for heading, column in columns.items()}
    lengths = {len(column) for column in pictures.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"a contact sheet needs equally long columns, not {sorted(lengths)}")
    first = next(iter(pictures.values()))[0]
    size = picture_width, max(1, round(first.height * picture_width / first.width))
    return _drawn(pictures, size, lengths.pop())


def _drawn(
    pictures: Mapping[str, Sequence[Image.Image]], size: tuple[int, int], rows: int
) -> Image.Image:
    across, down = size[0] + GAP, size[1] + GAP
    extent = across * len(pictures) + GAP, HEADING_HEIGHT + down * rows + GAP
    sheet = Image.new("RGB", extent, BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (heading, column) in enumerate(pictures.items()):
        left = GAP + across * index
        middle = left + size[0] / 2, HEADING_HEIGHT / 2
        draw.text(middle, heading, INK, _fitting_font(heading, size[0]), anchor="mm")
        for row, picture in enumerate(column):
            sheet.paste(_scaled(picture, size), (left, HEADING_HEIGHT + GAP + down * row))
    return sheet


def as_pictures(column: Pictures) -> list[Image.Image]:
    """RGB pictures of one column, see ``Pictures``."""
    if not isinstance(column, Tensor):
        return [picture.convert("RGB") for picture in column]
    if column.dtype != torch.uint8:
        column = as_bytes(column.float())
    return [Image.fromarray(array) for array in column.permute(0, 2, 3, 1).cpu().numpy()]


def save_contact_sheet(sheet: Image.Image, path: Path, *, limit: int = 2_000_000) -> None:
    """Writes a sheet as JPEG or PNG (by the name's ending), smaller until it is within ``limit``.

    Args:
        sheet: the sheet.
        path: file to write, ending in .jpg, .jpeg or .png.
        limit: largest size of the file in bytes.
    """
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    data = _encoded(sheet, kind)
    while len(data) > limit:
        share = min(0.9, (limit / len(data)) ** 0.5)
        sheet = sheet.resize((int(sheet.width * share), int(sheet.height * share)))
        data = _encoded(sheet, kind)
    write_bytes(path, data)


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=90, optimize=True, **marked(kind))
    return buffer.getvalue()


def _scaled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _fitting_font(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, as large as ``text`` allows within ``width`` pixels."""
    for size in range(FONT_SIZE, SMALLEST_FONT, -1):
        font = ImageFont.load_default(size)
        if font.getlength(text) <= width:
            return font
    return ImageFont.load_default(SMALLEST_FONT)
