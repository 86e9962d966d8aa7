"""Motion of a head: what a picture shows, and what the source shall show of the driver.

The generator knows motion as landmarks, pose and a map of regions (``Head``). They come from
landmarks here; a learned encoder would only have to make a ``Motion``.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.landmarks.outlines import OVAL, TEMPLES, draw_face_map
from fiancee_hub.families.faces.landmarks.pose import Floats, Pose, canonicalise, fit_pose, project

CROWN_SCALE = 1.4
CROWN_SETBACK = 2.0
"""The head's outline above the ears: the face's oval enlarged, and set back, in canonical units."""


@dataclass(frozen=True, eq=False)
class Motion:
    """A head in a picture.

    Args:
        canonical: landmarks (478, 3) without pose: shape and expression, canonical units.
        pose: of the head, in pixels of the picture.
        expression: blendshape scores (52,).
    """

    canonical: Floats
    pose: Pose
    expression: Floats

    def __repr__(self) -> str:
        """The head's turn in degrees, in one line."""
        yaw, pitch, roll = self.pose.euler_deg().tolist()
        return f"<Motion: yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees>"


def motion_of(landmarks: Floats, expression: Floats) -> Motion:
    """Motion of landmarks (478, 3) in pixels with their blendshape scores (52,)."""
    pose = fit_pose(landmarks)
    return Motion(canonicalise(landmarks, pose), pose, expression)


def drive(
    source: Motion, driver: Motion, basis: NDArray[np.float32], reference: Motion | None = None
) -> Motion:
    """The source's shape with the driver's head pose and expression.

    Args:
        source: the person to move.
        driver: the motion to take over.
        basis: what each blendshape adds to the landmarks, (52, 478, 3).
        reference: the driver's neutral or first picture. With it driving is relative: the
            driver's change against it is added to the source. Without it driving is absolute:
            the source takes the driver's rotation and blendshapes, and keeps place and size.
    """
    if reference is None:
        change = np.tensordot(driver.expression - source.expression, basis, 1)
        pose = replace(source.pose, rotation=driver.pose.rotation)
    else:
        change = driver.canonical - reference.canonical
        grown = source.pose.scale / reference.pose.scale
        turn = driver.pose.rotation @ reference.pose.rotation.T @ source.pose.rotation
        shift = (driver.pose.translation - reference.pose.translation) * grown
        pose = Pose(
            np.asarray(turn, np.float32),
            (source.pose.translation + shift).astype(np.float32),
            driver.pose.scale * grown,
        )
    return Motion((source.canonical + change).astype(np.float32), pose, driver.expression)


def crown_of(canonical: Floats) -> Floats:
    """Outline of the head above the ears, (17, 3), canonical units; it moves with the skull."""
    middle = canonical[list(OVAL)].mean(0)
    ring = middle + (canonical[list(TEMPLES)] - middle) * (CROWN_SCALE, CROWN_SCALE, 1)
    ring[:, 2] -= CROWN_SETBACK
    return ring.astype(np.float32)


def head_of(motion: Motion, crown: Floats, size: int) -> Head:
    """What the generator needs to know of one head (a batch of one).

    Args:
        motion: of the head in a square picture of ``size`` pixels.
        crown: ``crown_of`` the source's canonical landmarks, for source and target alike.
        size: side of the picture in pixels.
    """
    half = size / 2
    points = _normalised(project(motion.canonical, motion.pose), half)
    outline = _normalised(project(crown, motion.pose), half)
    drawn = draw_face_map(points, outline, size // 2)
    return Head(
        torch.from_numpy(points)[None],
        torch.from_numpy(outline)[None],
        torch.from_numpy(_matrix(motion.pose, half))[None],
        torch.from_numpy(drawn)[None],
    )


def _normalised(points: Floats, half: float) -> Floats:
    """Pixels to [-1, 1]; z in the same unit."""
    return ((points - (half, half, 0)) / half).astype(np.float32)


def _matrix(pose: Pose, half: float) -> Floats:
    """(3, 4): canonical points to normalised picture axes."""
    linear = np.concatenate([pose.scale * pose.rotation, pose.translation[:, None]], 1)
    linear = linear * np.array([[1], [-1], [-1]]) / half
    linear[:2, 3] -= 1
    return linear.astype(np.float32)
