"""A whole comparison as one picture: early exit, full depth, their difference and all figures."""

from PIL import Image, ImageDraw, ImageFont

from fiancee_hub.measuring.contact_sheet import BACKGROUND, GAP, INK, contact_sheet
from fiancee_hub.results import Result
from space.result.difference import MOST, colour_bar, difference, heat_map
from space.result.facts import distance, exit_name, giga, saved, time
from space.result.record import Record

PANEL_WIDTH = 512
MARGIN = 18
BAR_HEIGHT = 14
TITLE_SIZE, TEXT_SIZE = 24, 17
LINE = 26


def comparison_picture(record: Record, title: str) -> Image.Image:
    """The comparison of a complete record.

    Args:
        record: all its exits are rendered.
        title: what the pictures are of, such as "Streets".
    """
    panels = _panels(record)
    words = _words(record)
    height = MARGIN + 2 * LINE + panels.height + GAP + LINE * len(words) + MARGIN
    page = Image.new("RGB", (panels.width + 2 * MARGIN, height), BACKGROUND)
    draw = ImageDraw.Draw(page)
    draw.text(
        (MARGIN + GAP, MARGIN), _title(record, title), INK, ImageFont.load_default(TITLE_SIZE)
    )
    top = MARGIN + 2 * LINE
    page.paste(panels, (MARGIN, top))
    below = top + panels.height + GAP
    _draw_scale(page, draw, below)
    for row, line in enumerate(words):
        place = MARGIN + GAP, below + row * LINE
        draw.text(place, line, INK, ImageFont.load_default(TEXT_SIZE))
    return page


def _title(record: Record, title: str) -> str:
    name = exit_name(record.chosen, record.exits)
    taken = name if record.chosen == record.exits else f"{name} of {record.exits}"
    return f"{title}: {taken} at budget LPIPS {record.budget:.3f}, against full depth"


def _panels(record: Record) -> Image.Image:
    outcome = record.outcome
    early, full = outcome.early, outcome.full
    assert full is not None
    columns = {
        f"Taken: {exit_name(record.chosen, record.exits)}, {_cost(early, full)}": early.image,
        f"Full depth, {_cost(full, full)}": full.image,
        "Absolute difference": heat_map(difference(early.image, full.image)),
    }
    return contact_sheet({k: [v] for k, v in columns.items()}, picture_width=PANEL_WIDTH)


def _cost(result: Result, full: Result) -> str:
    share = 100 * result.macs / full.macs
    return f"{giga(result.macs)} MACs ({share:.1f} %), {time(result.milliseconds)}"


def _words(record: Record) -> list[str]:
    """Verdict, operations and provenance, one line each."""
    outcome = record.outcome
    early, full = outcome.early, outcome.full
    assert full is not None and outcome.lpips is not None
    kept = "budget kept" if outcome.lpips <= record.budget else "budget missed"
    lpips = f"measured {distance(outcome.lpips)}, predicted {distance(early.predicted_lpips)}"
    reading = f" Reading the source once: {giga(early.source_macs)} MACs." * bool(early.source_macs)
    # Where a source is read, noise plays no part.
    seed = "" if early.source_macs else f"Seed {early.seed}. "
    return [
        f"LPIPS to full depth {lpips}: {kept}.",
        f"Operations: {saved(early.macs, full.macs)}. "
        f"Time: {saved(early.milliseconds, full.milliseconds)}.{reading}",
        f"{seed}Generated pictures, not photographs.",
    ]


def _draw_scale(page: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
    """The colours of the difference under its panel, the last of three."""
    left = page.width - MARGIN - GAP - PANEL_WIDTH
    page.paste(colour_bar((PANEL_WIDTH, BAR_HEIGHT)), (left, top))
    font, below = ImageFont.load_default(TEXT_SIZE), top + BAR_HEIGHT + GAP
    draw.text((left, below), "0", INK, font)
    right = page.width - MARGIN - GAP, below
    draw.text(right, f"{MOST} and more of 255", INK, font, anchor="ra")
