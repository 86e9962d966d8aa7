"""Faces of a picture: 478 landmarks each, with irises, and head pose.

BlazeFace finds faces, the plain mesh (Kartynnik et al., 2019) takes a first look, the attention
mesh (Grishchenko et al., 2020) a second one with finer lips, eyes and irises.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fiancee_hub.core.precision import full_precision
from fiancee_hub.families.faces.landmarks.detector import (
    SAME_FACE,
    Detection,
    Detector,
    area,
    distinct,
    overlaps,
)
from fiancee_hub.families.faces.landmarks.graphs import ATTENTION_MESH, MESH, Graph
from fiancee_hub.families.faces.landmarks.pose import MESH_POINTS, Floats, Pose, fit_pose
from fiancee_hub.families.faces.landmarks.regions import (
    Region,
    cut_out,
    region_around,
    region_of_landmarks,
    to_image,
)

MESH_SIZE = 192
LEAST_SCORE = 0.5

MOST_MOVED, MOST_TURNED, MOST_GROWN = 0.1, 0.2, 1.15
"""How far a face may stand from where it is looked for: in sides of that square, radians, times."""

SURE = 0.85
"""99 of 100 upright faces have more, 9 of 10 sideways and all upside-down ones less."""

LEAST_SIZE = 48
"""Size in pixels from which faces are looked for."""

LEAST_SHARE = 0.15
"""Share of a square's side that a face must have to be seen in it for certain."""

OVERLAP = 0.3
"""Share of a square's side that the next one shows too: a face of twice the least share."""

LIP_POINTS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408,
    62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407,
)  # fmt: skip
"""Mesh points of the attention mesh's lips."""

EYE_POINTS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110,
     24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232,
     233, 244, 113, 225, 224, 223, 222, 221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118,
     119, 120, 121, 128, 245, 156, 70, 63, 105, 66, 107, 55, 193),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255,
     339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449,
     450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413, 265, 353, 276, 283, 282, 295,
     372, 340, 346, 347, 348, 349, 350, 357, 465, 383, 300, 293, 334, 296, 336, 285, 417),
)  # fmt: skip
"""Mesh points of the attention mesh's eyes: the one at the left of an upright image first."""

LID_POINTS = 16
"""The first of an eye's points: its lids."""


@dataclass(frozen=True, eq=False)
class Face:
    """Landmarks and head pose of one face."""

    landmarks: Floats
    """(478, 3), pixels: 468 of the mesh, then centre, right, top, left and bottom of each iris."""

    pose: Pose
    score: float
    """0 to 1: how much the region looked at is like a face."""

    box: Floats
    """(4,), left, top, right, bottom of the mesh in pixels: forehead to chin."""

    @property
    def size(self) -> float:
        """The longer side of the box, pixels."""
        return float((self.box[2:] - self.box[:2]).max())


@dataclass(frozen=True, eq=False)
class _FirstLook:
    region: Region
    """For the second look."""

    score: float
    surety: float
    """Product of the detector's and the mesh's scores."""

    box: Floats
    """(4,), left, top, right, bottom of the mesh in pixels."""


class FaceLandmarker:
    """Finds faces and their landmarks. Holds weights only: one instance serves many threads."""

    def __init__(self) -> None:
        self._detector = Detector()
        self._mesh = Graph(MESH)
        self._attention = Graph(ATTENTION_MESH)

    @torch.inference_mode()
    @full_precision(torch.device("cpu"))
    def __call__(
        self, image: Image.Image, *, every: bool = True, least: float = LEAST_SIZE
    ) -> list[Face]:
        """The faces of an RGB image of any size, largest first; none is an empty list.

        Args:
            image: the picture.
            every: also those that are small beside the largest. Looking for them takes about 5 ms
                for each 250x250 pixels; without, only pictures that show no face as a whole are
                looked at more closely.
            least: size in pixels from which faces must be found; smaller ones may be.
        """
        looks = self._look_at_all(image)
        for side in _sides(max(image.size), least):
            if looks and not every:
                break
            looks += self._look(image, _outside(self._detect_in_parts(image, side), looks))
        faces = [self._face(image, look) for look in looks]
        return _distinct(sorted(faces, key=lambda face: -area(face.box)))

    @torch.inference_mode()
    @full_precision(torch.device("cpu"))
    def follow(self, image: Image.Image, last: Face) -> Face | None:
        """A face in the next frame of a film: the landmarks of the last one say where it is, which
        takes less time than a search (Kartynnik et al., "Real-time Facial Surface
        Geometry", 2019, section 2).

        Args:
            image: the frame, RGB.
            last: the face in the frame before.

        Returns:
            the face; None where none is there any more.
        """
        expected = region_of_landmarks(last.landmarks)
        face = self._face_at(image, expected)
        # What has moved far was seen askew, or cut off.
        if face and _is_far(found := region_of_landmarks(face.landmarks), expected):
            face = self._face_at(image, found)
        return face

    def _face_at(self, image: Image.Image, region: Region) -> Face | None:
        cut = torch.from_numpy(cut_out(image, region, MESH_SIZE))
        outputs = self._attention(cut)
        score = float(outputs[-1].sigmoid())
        if score < LEAST_SCORE:
            return None
        landmarks = to_image(attention_points(outputs)[0].numpy(), region, MESH_SIZE)
        return Face(landmarks, fit_pose(landmarks), score, _box_of(landmarks))

    def _look_at_all(self, image: Image.Image) -> list[_FirstLook]:
        """First looks at the faces that the image shows as a whole.

        Unless one is sure, the image is tried in all turns and the surest taken: the upright
        detector also finds faces that lie on their side, but with wrong keypoints.
        """
        best = self._look(image, self._detector(image))
        for quarter in (1, 2, 3) if _surety(best) < SURE else ():
            best = max(best, self._look(image, self._detector(image, quarter)), key=_surety)
        return best

    def _detect_in_parts(self, image: Image.Image, side: int) -> list[Detection]:
        """Upright faces seen in squares of a side in pixels, each once."""
        parts = list(_parts(image.size, side))
        found = []
        for part, seen in zip(parts, self._detector.each(map(image.crop, parts)), strict=True):
            corner = np.array(part[:2], np.float32)
            found += [
                Detection(face.box + np.tile(corner, 2), face.keypoints + corner, face.score)
                for face in seen
            ]
        return distinct(found)

    def _look(self, image: Image.Image, detections: list[Detection]) -> list[_FirstLook]:
        """First looks at detections, without those that are no face to the mesh."""
        looks = [self._first_look(image, detection) for detection in detections]
        return [look for look in looks if look.score >= LEAST_SCORE]

    def _first_look(self, image: Image.Image, found: Detection) -> _FirstLook:
        region = region_around(found.box, found.keypoints[:2])
        outputs = self._mesh(torch.from_numpy(cut_out(image, region, MESH_SIZE)))
        logit, points = sorted((output[0] for output in outputs), key=len)
        landmarks = to_image(points.reshape(MESH_POINTS, 3).numpy(), region, MESH_SIZE)
        score = float(logit.sigmoid())
        region, box = region_of_landmarks(landmarks), _box_of(landmarks)
        return _FirstLook(region, score, score * found.score, box)

    def _face(self, image: Image.Image, look: _FirstLook) -> Face:
        cut = torch.from_numpy(cut_out(image, look.region, MESH_SIZE))
        points = attention_points(self._attention(cut))[0].numpy()
        landmarks = to_image(points, look.region, MESH_SIZE)
        return Face(landmarks, fit_pose(landmarks), look.score, _box_of(landmarks))


def attention_points(outputs: list[Tensor]) -> Tensor:
    """Landmarks (batch, 478, 3) in pixels of the region, from the attention mesh's outputs.

    The finer lips, eyes and irises replace x and y; an iris is as deep as its lids. Differentiable.
    """
    mesh, lips, *fine = outputs[:6]
    points = mesh.unflatten(1, (MESH_POINTS, 3))
    depth = points[..., 2:].clone()
    plane = points[..., :2].clone()
    for indices, finer in zip((LIP_POINTS, *EYE_POINTS), (lips, *fine[:2]), strict=True):
        plane[:, list(indices)] = finer.unflatten(1, (-1, 2))
    irises = [
        torch.cat([iris.unflatten(1, (5, 2)), _lid_depth(depth, indices)], dim=2)
        for iris, indices in zip(fine[2:], EYE_POINTS, strict=True)
    ]
    return torch.cat([torch.cat([plane, depth], dim=2), *irises], dim=1)


def _lid_depth(depth: Tensor, eye: tuple[int, ...]) -> Tensor:
    """(batch, 5, 1): mean depth of an eye's lids, for each point of its iris."""
    return depth[:, list(eye[:LID_POINTS])].mean(dim=1, keepdim=True).expand(-1, 5, 1)


def _is_far(region: Region, other: Region) -> bool:
    moved = float(np.linalg.norm(region.centre - other.centre)) / other.side
    turned = abs(math.remainder(region.angle - other.angle, math.tau))
    grown = max(region.side / other.side, other.side / region.side)
    return moved > MOST_MOVED or turned > MOST_TURNED or grown > MOST_GROWN


def _surety(looks: list[_FirstLook]) -> float:
    return max((look.surety for look in looks), default=0.0)


def _box_of(landmarks: Floats) -> Floats:
    plane = landmarks[:MESH_POINTS, :2]
    return np.concatenate([plane.min(axis=0), plane.max(axis=0)])


def _outside(found: list[Detection], looks: list[_FirstLook]) -> list[Detection]:
    """Detections that are not inside of a face known already, as its eyes or mouth may seem."""
    known = np.array([look.box for look in looks]).reshape(-1, 4)
    middles = [(detection.box[:2] + detection.box[2:]) / 2 for detection in found]
    return [
        detection
        for detection, middle in zip(found, middles, strict=True)
        if not ((known[:, :2] < middle) & (middle < known[:, 2:])).all(axis=1).any()
    ]


def _distinct(faces: list[Face]) -> list[Face]:
    """Faces without those that lie on one before them: two looks may settle on one face."""
    kept: list[Face] = []
    for face in faces:
        boxes = np.array([other.box for other in kept]).reshape(-1, 4)
        if not (overlaps(boxes, face.box) > SAME_FACE).any():
            kept.append(face)
    return kept


def _sides(longer: int, least: float) -> list[int]:
    """Sides of the squares to look at after the whole, largest first: about half, a quarter …"""
    smallest = least / LEAST_SHARE
    steps = math.ceil(math.log2(max(longer / smallest, 1)))
    return [round(longer * (smallest / longer) ** (step / steps)) for step in range(1, steps + 1)]


def _parts(size: tuple[int, int], side: int) -> Iterator[tuple[int, int, int, int]]:
    """Overlapping squares (left, top, right, bottom) that cover a picture (width, height)."""
    for top in _starts(size[1], side):
        for left in _starts(size[0], side):
            yield left, top, min(left + side, size[0]), min(top + side, size[1])


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin so that they cover a length and overlap enough."""
    steps = max(0, math.ceil((length - side) / ((1 - OVERLAP) * side)))
    return [round(step * (length - side) / max(steps, 1)) for step in range(steps + 1)]
