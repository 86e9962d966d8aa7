"""What the cards of label-map checkpoints say."""

from typing import Any

from fiancee_hub.families.label_maps.judging.tables import (
    DRAWN,
    MORE,
    SHEET,
    quality,
    realism,
    segmented,
    static,
)
from fiancee_hub.hub.card import CardParts
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.measuring.tables import other_inputs

Figures = dict[str, Any]


PHOTOGRAPHS = """\
**Against real photographs.** KID's features are those of LPIPS, which is one of the training's \
losses."""

SEGMENTED = """\
mIoU is that of a segmentation net trained on real photographs only; it began from the same \
ImageNet weights as the discriminator. Neither judge is foreign to the training."""

REALISM = """\
**How real each exit looks, and what each budget delivers.** Kernel distance × 1000 to the \
photographs of these maps, on features of EfficientNet-Lite2 that no loss uses: an eighth of the \
picture's size (texture) and a thirty-second (things); averaged over both, how many times that of \
the training photographs, which the last line is, and of full depth."""

STATIC = """\
**What a small net does without exits.** Generators of full depth's form, thinned until they cost \
no more than an exit: *trained* from nothing on the photographs, as full depth was; *distilled* to \
full depth's pictures, begun from its strongest channels and trained with the losses, maps and \
discriminator of the exits. Kernel distances × 1000 as above. The exits' images and hours are \
those of all exits at once, and the trunk below them was trained before; a small net has one cost \
and one quality, and nothing goes on from its picture."""

OTHER_MAPS = "**Other kinds of maps.** Each by itself; none of them was trained or calibrated on."


def _limits(config: CheckpointConfig) -> list[str]:
    names = ", ".join(entry.name for entry in config.classes)
    return [f"It knows {len(config.classes)} classes and no others: {names}."]


def _results(figures: Figures) -> list[tuple[str, str, float]]:
    found = figures["full_depth_quality"]
    rows = [
        ("lpips", "LPIPS of full depth to the photograph", found["lpips_to_photo"]),
        ("kid", "KID of full depth on AlexNet features", found["kid"]),
    ]
    return [*rows, ("miou", "mIoU of full depth", found["miou"])] if segmented(figures) else rows


def _sections(figures: Figures) -> list[str]:
    judged = f"{PHOTOGRAPHS} {SEGMENTED}" if segmented(figures) else PHOTOGRAPHS
    others = [OTHER_MAPS, other_inputs(figures)] if figures["other_inputs"] else []
    return [judged, quality(figures), *_realism(figures), *_static(figures), *others]


def _realism(figures: Figures) -> list[str]:
    return [REALISM, realism(figures)] if figures.get("realism") else []


def _static(figures: Figures) -> list[str]:
    return [STATIC, static(figures)] if figures.get("static", {}).get("nets") else []


CARD = CardParts(
    title="semantic map to photograph",
    summary="A label map goes in, a photograph comes out.",
    call='result = pipe("map.png", budget=0.1, seed=0)',
    paper="OASIS (Sushko et al., ICLR 2021)",
    tags=("semantic-image-synthesis", "oasis"),
    inputs="maps",
    limits=_limits,
    pictures=(
        (SHEET, "Map, exits, full depth, photograph"),
        (MORE, "Maps, evenly spread over the split, with every exit"),
        (DRAWN, "Drawn maps with every exit: the data itself is not shown"),
    ),
    results=_results,
    sections=_sections,
    readme=lambda figures: [quality(figures), *_realism(figures)],
)
