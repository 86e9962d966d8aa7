"""How well pictures show the wanted head pose and expression of the wanted person.

Every figure is the mean over the pictures in which the landmarker finds a face; how many it
misses is stated beside them. A figure without any such picture is None.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.families.faces.judging.looks import Look, Seen
from fiancee_hub.families.faces.landmarks.outlines import EYES, IRISES, LIPS, MOUTH
from fiancee_hub.families.faces.landmarks.pose import Pose

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

EYE_POINTS = sorted({point for outline in (*EYES, *IRISES) for point in outline})
MOUTH_POINTS = sorted({*LIPS, *MOUTH})

LEAST_SPREAD = 0.02
"""Standard deviation over the drivers below which a blendshape has nothing to follow."""

DRAWS = 2000
"""Of the bootstrap."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One value for each picture, NaN where no face was found; and the expressions.

    Args:
        columns: values (n,) by name.
        wanted: blendshape scores of the drivers, (n, 52).
        seen: those of the pictures, NaN where no face was found.
    """

    columns: dict[str, Values]
    wanted: Values
    seen: Values

    def figures(self, rows: Mask | None = None) -> dict[str, Any]:
        """Means over some rows."""
        chosen = np.ones(len(self.wanted), bool) if rows is None else rows
        found = chosen & ~np.isnan(self.seen).any(1)
        return {
            "n": int(chosen.sum()),
            "missed": int(chosen.sum() - found.sum()),
            **{name: _mean(values[chosen]) for name, values in self.columns.items()},
            "expression_correlation": mean_correlation(self.wanted[found], self.seen[found]),
        }


def score(seen: Seen, drivers: Sequence[Look], sources: Sequence[Look]) -> Scores:
    """Pose and expression against the drivers', identity against the sources'."""
    columns = {
        "identity": _each(seen, sources, lambda a, b: float(a.identity @ b.identity)),
        "pose_error": _each(seen, drivers, lambda a, b: turn_between(a.rotation, b.rotation)),
    }
    for axis, name in enumerate(("yaw_error", "pitch_error", "roll_error")):
        columns[name] = _each(seen, drivers, partial(_angle_between, axis=axis))
    return Scores(
        columns,
        np.stack([look.expression for look in drivers]).astype(np.float64),
        np.stack([_expression_or_nan(look, drivers[0]) for look in seen]),
    )


def landmark_errors(seen: Seen, truth: Sequence[Look]) -> dict[str, Values]:
    """Mean distance of landmarks to the true picture's, in pixels of 256."""
    parts = {
        "landmark_error": list(range(len(truth[0].landmarks))),
        "eye_error": EYE_POINTS,
        "mouth_error": MOUTH_POINTS,
    }
    return {
        name: _each(seen, truth, partial(_distance, points=points))
        for name, points in parts.items()
    }


def _each(seen: Seen, others: Sequence[Look], value: Callable[[Look, Look], float]) -> Values:
    pairs = zip(seen, others, strict=True)
    return np.array([np.nan if a is None else value(a, b) for a, b in pairs])


def _distance(a: Look, b: Look, points: list[int]) -> float:
    way = a.landmarks[points, :2] - b.landmarks[points, :2]
    return float(np.linalg.norm(way, axis=1).mean())


def _angle_between(a: Look, b: Look, axis: int) -> float:
    """Difference of yaw (0), pitch (1) or roll (2) in degrees."""
    angles = [_euler(look)[axis] for look in (a, b)]
    return abs(float(angles[0] - angles[1]))


def _euler(look: Look) -> NDArray[np.float32]:
    return Pose(look.rotation, np.zeros(3, np.float32), 1.0).euler_deg()


def _expression_or_nan(look: Look | None, like: Look) -> Values:
    scores = np.full_like(like.expression, np.nan) if look is None else look.expression
    return scores.astype(np.float64)


def _mean(values: Values) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def turn_between(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Angle in degrees of the rotation from ``b`` to ``a``, (3, 3) each."""
    cosine = (np.trace(a.astype(np.float64).T @ b) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def mean_correlation(wanted: Values, seen: Values) -> float | None:
    """Pearson correlation over the pictures, averaged over the blendshapes that the drivers vary.

    A blendshape that the pictures do not vary counts as 0.
    """
    if len(wanted) < 2:
        return None
    varied = wanted.std(0) > LEAST_SPREAD
    if not varied.any():
        return None
    a, b = wanted[:, varied], seen[:, varied]
    a, b = a - a.mean(0), b - b.mean(0)
    spread = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    together = (a * b).sum(0)
    return float(np.divide(together, spread, out=np.zeros_like(spread), where=spread > 0).mean())


def most_motion(distances: Values) -> Mask:
    """The quarter of the pairs with the largest motion."""
    return np.asarray(distances >= np.quantile(distances, 0.75))


def mean_ratio(values: Values, others: Values, persons: Sequence[str]) -> dict[str, Any]:
    """Ratio of two means with a 95 % interval from a bootstrap over persons.

    Pairs of one person are alike: whole persons are drawn, not pairs.
    """
    names = sorted(set(persons))
    rows = [np.array([person == name for person in persons]) for name in names]
    sums = np.array([[values[row].sum(), others[row].sum()] for row in rows])
    draws = np.random.default_rng(0).integers(len(names), size=(DRAWS, len(names)))
    drawn = sums[draws].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return {
        "ratio": float(values.mean() / others.mean()),
        "interval": [float(low), float(high)],
        "persons": len(names),
    }


def identity_levels(looks: Sequence[Look], groups: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Cosines between real pictures: what the figures of generated ones can be compared with.

    Args:
        looks: at the pictures.
        groups: person and group of each.

    Returns:
        Means for two pictures of one group, of one person's different groups, and of strangers,
        with the 99th percentile of the last.
    """
    vectors = np.stack([look.identity for look in looks])
    cosine = (vectors @ vectors.T).astype(np.float64)
    persons, shots = (np.array(column) for column in zip(*groups, strict=True))
    person = persons[:, None] == persons
    group = shots[:, None] == shots
    above = np.triu(np.ones_like(person), 1)
    strangers = cosine[above & ~person]
    return {
        "same_group": _mean(cosine[above & group]),
        "same_person_other_group": _mean(cosine[above & person & ~group]),
        "different_persons": _mean(strangers),
        "different_persons_p99": float(np.quantile(strangers, 0.99)) if len(strangers) else None,
    }
