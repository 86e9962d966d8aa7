"""Which screen shows a family: the one place of the page that knows families by name."""

from collections.abc import Mapping

from fiancee_hub.pipeline import FianceePipeline
from space.faces import screen as faces
from space.label_maps import screen as label_maps
from space.page.tabs import Screen

SCREENS: Mapping[str, Screen] = {"label_maps": label_maps.SCREEN, "faces": faces.SCREEN}


def screen_of(pipe: FianceePipeline) -> Screen:
    """What shows a checkpoint.

    Raises:
        LookupError: nothing can.
    """
    name = pipe.config.family
    if name not in SCREENS:
        raise LookupError(f"no screen shows the family {name}: it needs a line in space/screens.py")
    return SCREENS[name]
