"""Named generator shapes: the official ones and those we ship."""

from dataclasses import dataclass

from fiancee_hub.models.exits import ExitConfig, GuideConfig
from fiancee_hub.models.oasis import OasisConfig

_OFFICIAL_CHANNELS = (1024, 1024, 1024, 512, 256, 128, 64)

OASIS_CONFIGS = {
    "oasis-cityscapes": OasisConfig(35, 256, 512, _OFFICIAL_CHANNELS, modulation="spade"),
    "oasis-ade20k": OasisConfig(151, 256, 256, _OFFICIAL_CHANNELS, modulation="spade"),
    "oasis-coco": OasisConfig(183, 256, 256, _OFFICIAL_CHANNELS, modulation="spade"),
    "streets": OasisConfig(
        13, 192, 256, (192, 192, 192, 192, 128, 64, 32), (64, 64, 64, 48, 48, 32)
    ),
}


@dataclass(frozen=True)
class Recipe:
    """What a checkpoint is trained to be: trunk, branches and guide bank."""

    generator: OasisConfig
    exits: tuple[ExitConfig, ...]
    guides: GuideConfig


STREETS = Recipe(
    OASIS_CONFIGS["streets"],
    (
        ExitConfig(stage=1, scale_factor=6),
        ExitConfig(stage=2, scale_factor=4),
        ExitConfig(stage=2, scale_factor=3),
        ExitConfig(stage=3, scale_factor=3),
        ExitConfig(stage=4, scale_factor=2),
    ),
    GuideConfig(entries=256, value_shape=(12, 24, 32)),
)
