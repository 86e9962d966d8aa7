"""Drawn, repainted and simplified label maps."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiancee_hub.domains.streets.classes import LANE_MARKING, ROAD, STREETS
from fiancee_hub.domains.streets.drawings import INSTEAD, draw_label_map
from fiancee_hub.families.label_maps.training.edits import _connected, coarsen, repaint

SIZE = (96, 128)
quick = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(16, 80), st.integers(16, 80))


repaint_street = partial(repaint, instead=INSTEAD)


def drawings(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [draw_label_map(SIZE, random) for _ in range(count)]


@quick
@given(seeds, sizes)
def test_drawings_are_label_maps_and_repeat(seed: int, size: tuple[int, int]) -> None:
    first, again = (draw_label_map(size, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == size and first.dtype == np.uint8
    assert first.max() < len(STREETS)
    assert np.array_equal(first, again)


def test_drawings_differ_and_use_every_class() -> None:
    maps = drawings(200)
    assert len({drawing.tobytes() for drawing in maps}) > 180
    assert set(np.unique(maps)) == {entry.id for entry in STREETS}


def test_most_drawings_are_streets_and_some_are_absurd() -> None:
    maps = drawings(200)
    assert np.mean([(drawing[SIZE[0] // 2 :] == ROAD).mean() > 0.1 for drawing in maps]) > 0.6
    assert 0.02 < np.mean([len(np.unique(drawing)) <= 2 for drawing in maps]) < 0.25


@quick
@given(seeds)
def test_edits_keep_shape_and_classes(seed: int) -> None:
    random = np.random.default_rng(seed)
    label_map = draw_label_map(SIZE, random)
    before = label_map.copy()
    for edit in (repaint_street, coarsen):
        edited = edit(label_map, random)
        assert edited.shape == SIZE and edited.dtype == np.uint8
        assert edited.max() < len(STREETS)
        assert np.array_equal(label_map, before)


def test_repaint_changes_the_map() -> None:
    random = np.random.default_rng(0)
    changed = [(repaint_street(drawing, random) != drawing).any() for drawing in drawings(50)]
    assert np.mean(changed) > 0.9


def test_repaint_turns_lane_markings_into_road() -> None:
    painted = repaint_street(np.full(SIZE, LANE_MARKING, np.uint8), np.random.default_rng(1))
    assert not (painted == LANE_MARKING).any()


@pytest.mark.parametrize("seed", range(5))
def test_coarsen_removes_specks(seed: int) -> None:
    random = np.random.default_rng(seed)
    label_map = np.full(SIZE, ROAD, np.uint8)
    label_map[::12, ::12] = LANE_MARKING
    assert (coarsen(label_map, random) == ROAD).all()


def test_connected_follows_a_winding_part_and_no_other() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[1, 1:8] = mask[1:6, 7] = mask[5, 3:8] = mask[3:6, 3] = mask[3, 3:6] = True
    winding = mask.copy()
    mask[8, 0:9] = mask[7, 0] = True
    assert np.array_equal(_connected(mask, 1, 1), winding)
