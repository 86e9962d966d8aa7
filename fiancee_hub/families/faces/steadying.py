"""Clips that do not flicker: motion smoothed over time, and exits that do not toggle."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.core.router import Forecast
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.landmarks.pose import Floats, Pose

LEAST_CUTOFF = 1.5
"""Hertz, of what does not move."""

SPEED_CUTOFF = 2.0
"""Hertz added for each centimetre a second: what moves fast is followed at once."""

SPEED_SMOOTHING = 1.0
"""Hertz, of the speeds themselves."""

REACH, SHOWN = 10.0, 5.0
"""Centimetres by which a radian moves the head's outline, and a whole blendshape the face."""

HELD = 5
"""Frames in a row that must be content with a cheaper exit before it is taken."""

Values = NDArray[np.float64]


class OneEuro:
    """The one-euro filter (Casiez, Roussel and Vogel, CHI 2012) on vectors.

    Args:
        fps: values a second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.begun = False
        self._last: Values = np.zeros(0)
        self._speed: Values | float = 0.0

    def __call__(self, values: Values) -> Values:
        """The next values, smoothed."""
        if not self.begun:
            self.begun, self._last = True, values
            return values
        speed = (values - self._last) * self.fps
        self._speed = self._speed + self._share(SPEED_SMOOTHING) * (speed - self._speed)
        share = self._share(LEAST_CUTOFF + SPEED_CUTOFF * np.abs(self._speed))
        self._last = self._last + share * (values - self._last)
        return self._last

    def _share(self, cutoff: Values | float) -> Values | float:
        """What the new value counts for at a cutoff in Hertz."""
        return 1 / (1 + self.fps / (2 * np.pi * cutoff))


def steadied(
    motions: Iterable[tuple[Motion | None, str]], fps: float
) -> Iterator[tuple[Motion | None, str]]:
    """Motions of a clip, smoothed over time; begun anew after frames without a face.

    Args:
        motions: of each frame, or None and why there is none.
        fps: frames a second.
    """
    smooth, scale = OneEuro(fps), 1.0
    for motion, problem in motions:
        if motion is None:
            smooth, scale = OneEuro(fps), 1.0
            yield None, problem
            continue
        if not smooth.begun:
            scale = motion.pose.scale
        yield _unpacked(smooth(_packed(motion, scale)), motion, scale), problem


def _packed(motion: Motion, scale: float) -> Values:
    """Everything that moves, about in centimetres, in one vector."""
    pose = motion.pose
    parts = (
        motion.canonical.ravel(),
        pose.translation / scale,
        [REACH * np.log(pose.scale)],
        REACH * pose.rotation.ravel(),
        SHOWN * motion.expression,
    )
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _unpacked(values: Values, like: Motion, scale: float) -> Motion:
    shape = like.canonical.size
    canonical, translation, size, turn, expression = np.split(
        values, [shape, shape + 3, shape + 4, shape + 13]
    )
    pose = Pose(
        _rotation(turn.reshape(3, 3)),
        (translation * scale).astype(np.float32),
        float(np.exp(size[0] / REACH)),
    )
    return replace(
        like,
        canonical=canonical.reshape(like.canonical.shape).astype(np.float32),
        pose=pose,
        expression=(expression / SHOWN).astype(np.float32),
    )


def _rotation(matrix: Values) -> Floats:
    """The rotation nearest to a mean of rotations."""
    left, _, right = np.linalg.svd(matrix)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    return np.asarray(left * signs @ right, np.float32)


class ExitHold:
    """Chooses the exits of neighbouring frames: deeper at once where a frame needs it, cheaper
    only after ``HELD`` frames in a row that would do with less.

    Every exit that it chooses keeps the budget by the router's own rule.
    """

    def __init__(self) -> None:
        self._exit, self._content = 0, 0

    def choose(self, forecast: Forecast, budget: float) -> int:
        """The exit (1 … K) of the next frame."""
        wanted = forecast.route(budget)
        self._content = self._content + 1 if wanted < self._exit else 0
        held = wanted < self._exit and self._content < HELD
        if not (held and forecast.keeps(budget, self._exit)):
            self._exit, self._content = wanted, 0
        return self._exit
