"""What a shared link shows: early exit, full depth and the sentence about them, 1200 × 630."""

from PIL import Image, ImageDraw, ImageFont

from space.result.facts import exit_name
from space.result.headline import sentence
from space.result.record import Record

SIZE = 1200, 630
MARGIN = 40
PICTURES_TOP, PICTURES_HEIGHT = 196, 372
BACKGROUND, INK, SUBDUED, ACCENT = "#f8fafc", "#0f172a", "#475569", "#0f766e"
TITLE_SIZE, TEXT_SIZE, LABEL_SIZE = 40, 29, 24


def share_card(record: Record) -> Image.Image:
    """The card of a record that has full depth.

    Returns:
        RGB, ``SIZE``.
    """
    page = Image.new("RGB", SIZE, BACKGROUND)
    draw = ImageDraw.Draw(page)
    cost, difference = sentence(record)
    top = MARGIN
    for words, size, ink in ((cost, TITLE_SIZE, INK), (difference, TEXT_SIZE, SUBDUED)):
        draw.text((MARGIN, top), words, ink, _fitting(draw, words, size))
        top += round(1.4 * size)
    _draw_bar(draw, record, top + 14)
    for side, (index, picture) in enumerate(_sides(record)):
        fitted = picture.copy()
        fitted.thumbnail(((SIZE[0] - 3 * MARGIN) // 2, PICTURES_HEIGHT), Image.Resampling.LANCZOS)
        if fitted.height < PICTURES_HEIGHT:
            fitted = _grown(picture)
        left = MARGIN + side * (SIZE[0] - 2 * MARGIN - fitted.width)
        page.paste(fitted, (left, PICTURES_TOP))
        label = f"{exit_name(index, record.exits)}: {100 * record.shares[index - 1]:.0f} %"
        draw.text(
            (left, PICTURES_TOP + fitted.height + 8), label, INK, ImageFont.load_default(LABEL_SIZE)
        )
    return page


def _sides(record: Record) -> list[tuple[int, Image.Image]]:
    full = record.full or record.early
    return [(record.chosen, record.early.result.image), (record.exits, full.result.image)]


def _grown(picture: Image.Image) -> Image.Image:
    widest = (SIZE[0] - 3 * MARGIN) // 2
    share = min(widest / picture.width, PICTURES_HEIGHT / picture.height)
    size = round(picture.width * share), round(picture.height * share)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _fitting(draw: ImageDraw.ImageDraw, words: str, size: int) -> ImageFont.FreeTypeFont:
    """The largest font, up to a size, in which a line fits."""
    while size > 12 and draw.textlength(words, ImageFont.load_default(size)) > SIZE[0] - 2 * MARGIN:
        size -= 1
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _draw_bar(draw: ImageDraw.ImageDraw, record: Record, top: int) -> None:
    """The share of the computation."""
    right, high = SIZE[0] - MARGIN, 14
    draw.rounded_rectangle((MARGIN, top, right, top + high), high // 2, "#cbd5e1")
    end = MARGIN + (right - MARGIN) * min(1.0, record.shares[record.chosen - 1])
    draw.rounded_rectangle((MARGIN, top, max(end, MARGIN + high), top + high), high // 2, ACCENT)
