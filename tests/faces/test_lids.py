"""Closed eyes."""

import numpy as np
import pytest
from face_data import neutral, random_motion
from hypothesis import given
from hypothesis import strategies as st

from fiancee_hub.families.faces.landmarks.lids import PAIRS, SHUT, closed
from fiancee_hub.families.faces.landmarks.outlines import EYES
from fiancee_hub.families.faces.landmarks.pose import Floats


def gaps(points: Floats) -> list[float]:
    """Mean distance of the lids of both eyes."""
    rows = (np.array(pairs).T for pairs in PAIRS)
    return [
        float(np.linalg.norm(points[lower] - points[upper], axis=1).mean()) for lower, upper in rows
    ]


def test_lids_are_paired_across_the_eye() -> None:
    face = neutral()
    for pairs, eye in zip(PAIRS, EYES, strict=True):
        corners = {eye[0], eye[len(eye) // 2]}
        assert {point for pair in pairs for point in pair} | corners == set(eye)
        lower, upper = (face[list(side)] for side in zip(*pairs, strict=True))
        assert (lower[:, 1] < upper[:, 1]).all() and np.abs(lower - upper)[:, 0].max() < 0.5


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_both_eyes_close_as_far_as_asked(share: float) -> None:
    face = neutral()
    squint = face.copy()
    squint[[upper for _, upper in PAIRS[0]], 1] += 0.2  # as a fitted basis leaves them: uneven
    now = gaps(closed(squint, face, share))
    wanted = [(1 - (1 - SHUT) * share) * gap for gap in gaps(face)]
    assert now == pytest.approx(np.minimum(wanted, gaps(squint)), rel=1e-4)


@given(seed=st.integers(0, 1000), share=st.floats(0, 1), more=st.floats(0, 1))
def test_more_closes_further_and_moves_nothing_else(seed: int, share: float, more: float) -> None:
    face = random_motion(np.random.default_rng(seed)).canonical
    less, most = (closed(face, face, part) for part in sorted((share, more)))
    assert all(b <= a + 1e-4 for a, b in zip(gaps(less), gaps(most), strict=True))
    lids = [point for pairs in PAIRS for pair in pairs for point in pair]
    rest = np.setdiff1d(np.arange(len(face)), lids)
    np.testing.assert_array_equal(most[rest], face[rest])
