"""Named generator shapes: the official ones and those we ship."""

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
