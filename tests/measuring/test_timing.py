"""What is timed renders what it says."""

import pytest
import tiny
import torch

from fiancee_hub.core.exits import Progress
from fiancee_hub.measuring.timing import batches


def test_batches_render_equally_many_pictures_in_every_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, seen = tiny.random_model(), []
    render = model.render

    def counted(progress: Progress, exit_index: int, **options: object) -> object:
        made = render(progress, exit_index)
        seen.append((exit_index, len(made[0])))
        return made

    monkeypatch.setattr(model, "render", counted)
    found = batches(model, (tiny.maps(1), tiny.noise(1)), None, (1, 2), (1, model.exits), rounds=2)
    assert {size: [len(row) for row in rows] for size, rows in found.items()} == {
        1: [2, 2],
        2: [2, 2],
    }
    assert all(torch.tensor(rows).gt(0).all() for rows in found.values())
    for exit_index in (1, model.exits):
        # Two rounds, and one to warm up.
        assert seen.count((exit_index, 1)) == 6
        assert seen.count((exit_index, 2)) == 3
