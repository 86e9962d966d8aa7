"""What a driver without a picture makes of a head."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.landmarks import lids
from fiancee_hub.families.faces.landmarks.expression import BLENDSHAPES
from fiancee_hub.families.faces.landmarks.motion import Motion, drive
from fiancee_hub.families.faces.landmarks.pose import rotation_from_euler


def controlled(source: Motion, controls: Controls, basis: NDArray[np.float32]) -> Motion:
    """The motion that controls ask for.

    Args:
        source: of the head to move.
        controls: how.
        basis: what each blendshape adds to the landmarks, (52, 478, 3).
    """
    change = np.zeros(len(BLENDSHAPES), np.float32)
    for control in CONTROLS:
        for blendshape in control.blendshapes:
            added = getattr(controls, control.name) * control.strength
            change[BLENDSHAPES.index(blendshape)] += added
    rotation = rotation_from_euler(controls.yaw, controls.pitch, controls.roll)
    if controls.relative:
        rotation = rotation @ source.pose.rotation
    wanted = replace(
        source,
        pose=replace(source.pose, rotation=rotation),
        expression=source.expression + change,
    )
    driven = drive(source, wanted, basis)
    shape = lids.closed(driven.canonical, source.canonical, controls.blink)
    return replace(driven, canonical=shape)
