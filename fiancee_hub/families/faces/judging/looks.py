"""What the landmarker and the judge of identity see in pictures of faces."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.core.pixels import signed
from fiancee_hub.families.faces.judging.identity_judge import FaceIdentity
from fiancee_hub.families.faces.landmarks.expression import expression
from fiancee_hub.families.faces.landmarks.landmarker import FaceLandmarker
from fiancee_hub.families.faces.landmarks.pose import Floats
from fiancee_hub.families.faces.training.pairs import SIZE, FaceFolder, Frame


@dataclass(frozen=True, eq=False)
class Look:
    """One face.

    Args:
        landmarks: (478, 3), in pixels of a picture of 256.
        rotation: of the head, (3, 3).
        expression: blendshape scores (52,).
        identity: unit vector (128,).
    """

    landmarks: Floats
    rotation: Floats
    expression: Floats
    identity: Floats


Seen = Sequence[Look | None]
"""Looks at several pictures; None where no face was found."""


class FaceReader:
    """Looks at pictures, and remembers stored frames (of one folder of data).

    Args:
        judge: of identity.
    """

    def __init__(self, judge: FaceIdentity) -> None:
        self.judge = judge
        self.landmarker = FaceLandmarker()
        self._remembered: dict[int, Look] = {}

    def look(self, image: Tensor) -> Look | None:
        """The largest face of a picture (3, side, side), uint8."""
        faces = self.landmarker(Image.fromarray(image.permute(1, 2, 0).numpy()))
        if not faces:
            return None
        face = faces[0]
        identity = self._identity(image, face.landmarks)
        scores = expression(face.landmarks, face.pose)
        points = face.landmarks * (SIZE / image.shape[-1])
        return Look(points.astype(np.float32), face.pose.rotation, scores, identity)

    def looks(self, images: Iterable[Tensor]) -> list[Look | None]:
        return [self.look(image) for image in images]

    def stored(self, data: FaceFolder, frames: Sequence[Frame]) -> list[Look]:
        """Looks at frames, whose landmarks the same landmarker found when data was prepared."""
        for frame in frames:
            if frame.index not in self._remembered:
                self._remembered[frame.index] = self._stored(data, frame.index)
        return [self._remembered[frame.index] for frame in frames]

    def _stored(self, data: FaceFolder, index: int) -> Look:
        motion, points = data.motions[index], data.landmarks[index]
        image = torch.from_numpy(np.array(data.images[index])).permute(2, 0, 1)
        identity = self._identity(image, points)
        return Look(points, motion.pose.rotation, motion.expression, identity)

    def _identity(self, image: Tensor, landmarks: Floats) -> Floats:
        vector = self.judge(signed(image)[None], torch.from_numpy(landmarks)[None])
        return np.asarray(vector[0].numpy())


class Gallery:
    """Pictures of every exit for the same inputs, each looked at when first asked for.

    Args:
        images: uint8 (n, 3, side, side), one tensor for each exit.
        reader: looks at them.
    """

    def __init__(self, images: list[Tensor], reader: FaceReader) -> None:
        self.images, self.reader = images, reader
        self._seen: dict[tuple[int, int], Look | None] = {}

    def looks(self, exits: NDArray[np.int64]) -> list[Look | None]:
        """Looks at the picture of one exit (1 … K) for every input."""
        rows = tqdm(exits, desc="judging", leave=False)
        return [self._look(int(exit_index), row) for row, exit_index in enumerate(rows)]

    def _look(self, exit_index: int, row: int) -> Look | None:
        if (exit_index, row) not in self._seen:
            image = self.images[exit_index - 1][row]
            self._seen[exit_index, row] = self.reader.look(image)
        return self._seen[exit_index, row]
