"""Named generator shapes: the official ones and those we ship."""

from dataclasses import replace
from math import prod

from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.label_maps.config import OasisConfig

_OFFICIAL_CHANNELS = (1024, 1024, 1024, 512, 256, 128, 64)

OASIS_CONFIGS = {
    "oasis-cityscapes": OasisConfig(35, 256, 512, _OFFICIAL_CHANNELS, modulation="spade"),
    "oasis-ade20k": OasisConfig(151, 256, 256, _OFFICIAL_CHANNELS, modulation="spade"),
    "oasis-coco": OasisConfig(183, 256, 256, _OFFICIAL_CHANNELS, modulation="spade"),
    "streets": OasisConfig(
        13, 192, 256, (192, 192, 192, 192, 128, 64, 32), (64, 64, 64, 48, 48, 32)
    ),
}


STREETS = Recipe(
    OASIS_CONFIGS["streets"],
    (
        ExitConfig(stage=1, scale_factor=6.5),
        ExitConfig(stage=2, scale_factor=4),
        ExitConfig(stage=3, scale_factor=3),
        ExitConfig(stage=3, scale_factor=1.75),
        ExitConfig(stage=4, scale_factor=1.25),
    ),
    GuideConfig(entries=13, value_shape=(12, 96, 128), form="regions"),
)

MOST_GUIDE_VALUES = 3_000_000
"""In a guide bank: 6 MB as float16."""

WHOLE = GuideConfig(entries=256, value_shape=(12, 24, 32))
"""Of generators with too many classes or pixels for guides by region."""

RECIPES = {
    **{name: Recipe(shape, (), GuideConfig()) for name, shape in OASIS_CONFIGS.items()},
    "streets": STREETS,
}
"""By name: what we train with its branches, the published ones without."""


def streets_recipe(generator: OasisConfig, maps: int) -> Recipe:
    """The recipe around another generator.

    Args:
        generator: shape of the trunk.
        maps: number of training maps; the guide bank has no more entries.
    """
    exits = tuple(entry for entry in STREETS.exits if entry.stage <= generator.stages - 2)
    return Recipe(generator, exits, _guides(generator, maps))


def _guides(generator: OasisConfig, maps: int) -> GuideConfig:
    """By region where the bank does not grow too large, else one example for the whole picture."""
    regions = 12, generator.height // 2, generator.width // 2
    if generator.classes * prod(regions) <= MOST_GUIDE_VALUES:
        return GuideConfig(generator.classes, regions, "regions")
    shape = WHOLE.value_shape[0], generator.height // 8, generator.width // 8
    return GuideConfig(min(WHOLE.entries, maps), shape)


def streets_generator(classes: int, size: tuple[int, int] | None = None) -> OasisConfig:
    """The shape that we ship, for other classes and another size (height, width)."""
    shipped = OASIS_CONFIGS["streets"]
    height, width = size or (shipped.height, shipped.width)
    return replace(shipped, classes=classes, height=height, width=width)
