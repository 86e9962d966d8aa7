"""Named generator shapes of faces: MegaPortraits' own and the one we ship."""

from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.faces.config import PortraitConfig

PORTRAIT_CONFIGS = {
    "faces": PortraitConfig(
        256, (96, 176, 144, 72, 32), (32, 72, 192), motion_channels=64, mask_channels=32
    ),
    # The size of MegaPortraits' base model: 512 pixels, a volume of 96 x 16 x 64 x 64.
    "megaportraits": PortraitConfig(
        512,
        (512, 512, 256, 128, 64),
        (128, 256, 1536),
        depth=16,
        blocks=4,
        motion_channels=256,
        descriptor=512,
    ),
}


FACES = Recipe(
    PORTRAIT_CONFIGS["faces"],
    (
        ExitConfig(stage=0, scale_factor=1),  # the warp alone
        ExitConfig(stage=1, scale_factor=8),
        ExitConfig(stage=2, scale_factor=4),
        ExitConfig(stage=2, scale_factor=1.5),
    ),
    GuideConfig(entries=256, value_shape=(12, 32, 32)),
)

RECIPES = {
    **{name: Recipe(shape, (), GuideConfig()) for name, shape in PORTRAIT_CONFIGS.items()},
    "faces": FACES,
}
"""By name: what we train with its branches, the published ones without."""
