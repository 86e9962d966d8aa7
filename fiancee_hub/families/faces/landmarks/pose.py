"""Head pose: a canonical face fitted to landmarks, weak perspective.

Units: image points are continuous pixels, (0, 0) is the outer corner of the upper left pixel, x
right, y down; z has the scale of x and is smaller nearer the camera. A pose's camera axes are x
right, y up, z towards the viewer. Canonical axes are the same, on the face; the unit is about a
centimetre.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from fiancee_hub.core.assets import read_asset

Floats = NDArray[np.float32]

MESH_POINTS = 468
LANDMARKS = 478
"""Mesh points, then 5 of each iris (centre, rim), first of the eye at the left of the image."""

_FLIP = np.array([1, -1, -1], np.float32)
"""Image axes to camera axes and back."""


@dataclass(frozen=True, eq=False)
class CanonicalFace:
    """The face that poses refer to, mirror-symmetric."""

    vertices: Floats
    """(468, 3), canonical units."""

    weights: Floats
    """(468,), of the pose fit; 33 are not 0."""

    uv: Floats
    """(468, 2), 0 to 1."""

    triangles: NDArray[np.int32]
    """(898, 3), indices of vertices."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Similarity: camera point = scale · rotation @ canonical point + translation."""

    rotation: Floats
    """(3, 3), canonical to camera axes."""

    translation: Floats
    """(3,), pixels in camera axes: its y is minus the image row."""

    scale: float
    """Pixels per canonical unit."""

    def euler_deg(self) -> Floats:
        """Yaw, pitch and roll (3,) in degrees; see ``rotation_from_euler``."""
        turn = self.rotation
        yaw = math.atan2(turn[0, 2], turn[2, 2])
        pitch = -math.asin(float(np.clip(turn[1, 2], -1, 1)))
        return np.degrees([yaw, pitch, math.atan2(turn[1, 0], turn[1, 1])]).astype(np.float32)


@cache
def canonical_face() -> CanonicalFace:
    """The packaged canonical face; one copy serves all and cannot be written to."""
    tensors = load(read_asset("faces/canonical_face.safetensors"))
    for array in tensors.values():
        array.flags.writeable = False
    return CanonicalFace(**tensors)


def rotation_from_euler(yaw: float, pitch: float, roll: float) -> Floats:
    """Rotation (3, 3) = Ry(yaw) Rx(pitch) Rz(roll) of angles in degrees.

    Yaw > 0 turns the face to the right edge of the image, pitch > 0 looks down, roll > 0 tilts
    counter-clockwise as seen.
    """
    (sy, sp, sr), (cy, cp, cr) = (turn(np.radians([yaw, pitch, roll])) for turn in (np.sin, np.cos))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)


def fit_pose(landmarks: Floats) -> Pose:
    """Pose of landmarks (468 or more, 3): weighted Procrustes fit (Umeyama 1991) of the mesh."""
    canonical = canonical_face()
    camera = landmarks[:MESH_POINTS].astype(np.float64) * _FLIP
    weights = canonical.weights.astype(np.float64) / canonical.weights.sum(dtype=np.float64)
    camera_mean, face_mean = weights @ camera, weights @ canonical.vertices
    moved, face = camera - camera_mean, canonical.vertices - face_mean
    left, singular, right = np.linalg.svd((weights[:, None] * moved).T @ face)
    # A rotation, never a mirror image: the weakest axis gives way.
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    scale = float((singular * signs).sum() / (weights @ (face**2).sum(axis=1)))
    translation = camera_mean - scale * rotation @ face_mean
    return Pose(rotation.astype(np.float32), translation.astype(np.float32), scale)


def canonicalise(landmarks: Floats, pose: Pose) -> Floats:
    """Landmarks (N, 3) without turn, place and size: shape and expression in canonical units."""
    camera = landmarks * _FLIP
    return ((camera - pose.translation) @ pose.rotation / pose.scale).astype(np.float32)


def project(points: Floats, pose: Pose) -> Floats:
    """Canonical points (N, 3) as image points (N, 3) under a pose: undoes ``canonicalise``."""
    camera = pose.scale * points @ pose.rotation.T + pose.translation
    return (camera * _FLIP).astype(np.float32)
