"""Quality beside photographs: KID, mIoU and the shipped segmenter."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.perceptual import perceptual_distance
from fiancee_hub.families.label_maps.judging.quality import (
    PhotoQuality,
    class_iou,
    confusion_matrix,
    mean_iou,
)
from fiancee_hub.families.label_maps.judging.segmenter import (
    IGNORED,
    Segmenter,
    SegmenterConfig,
    load_segmenter,
    save_segmenter,
)
from fiancee_hub.measuring.distances import kid, pooled_features

SHIPPED = Path(__file__).parents[2] / "weights_card" / "segmenter"


def gaussian(rows: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed)) + shift


def reference_squared_mmd(first: Tensor, second: Tensor) -> float:
    """Binkowski et al., ICLR 2018, equation 4, term by term."""

    def kernel(x: Tensor, y: Tensor) -> float:
        return (float(x.double() @ y.double()) / len(x) + 1) ** 3

    n, m = len(first), len(second)
    first_pairs = [kernel(first[i], first[j]) for i in range(n) for j in range(n) if i != j]
    second_pairs = [kernel(second[i], second[j]) for i in range(m) for j in range(m) if i != j]
    mixed = [kernel(x, y) for x in first for y in second]
    within = sum(first_pairs) / len(first_pairs) + sum(second_pairs) / len(second_pairs)
    return within - 2 * sum(mixed) / len(mixed)


def test_kid_is_the_unbiased_squared_mmd() -> None:
    first, second = gaussian(12, 0), gaussian(12, 1, shift=0.5)
    mean, std = kid(first, second, subset_size=12)
    assert mean == pytest.approx(reference_squared_mmd(first, second), rel=1e-9)
    assert std == pytest.approx(0, abs=1e-9)


def test_kid_of_subsets_averages_to_that_of_the_whole() -> None:
    first, second = gaussian(30, 0), gaussian(30, 1, shift=0.5)
    mean, std = kid(first, second, subsets=2000, subset_size=10)
    assert std > 0
    assert abs(mean - reference_squared_mmd(first, second)) < 4 * std / 2000**0.5


def test_kid_is_near_zero_for_equal_distributions_and_grows_with_a_shift() -> None:
    near, some, far = (kid(gaussian(400, 0), gaussian(300, 1, s))[0] for s in (0, 0.5, 1))
    assert abs(near) < 0.05 * some
    assert some < far


def test_kid_refuses_a_single_image() -> None:
    with pytest.raises(ValueError, match="at least two"):
        kid(gaussian(1, 0), gaussian(5, 1))


def test_mean_iou_of_a_case_counted_by_hand() -> None:
    labels = torch.tensor([[0, 0, 0, 1], [1, 9, 9, 0]])
    predicted = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 2]])
    confusion = confusion_matrix(predicted, labels, classes=3, unknown=9)
    assert confusion.tolist() == [[2, 1, 1], [0, 2, 0], [0, 0, 0]]
    iou = class_iou(confusion)
    assert iou[:2].tolist() == pytest.approx([2 / 4, 2 / 3])
    assert iou[2].isnan()
    assert mean_iou(confusion) == pytest.approx((2 / 4 + 2 / 3) / 2)


def small_segmenter() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(SegmenterConfig(("sky", "road"), (0, 1, 1, IGNORED), 64, 96)).eval()


def test_pooled_features_have_one_row_for_each_image() -> None:
    images = torch.randint(256, (3, 3, 64, 96), dtype=torch.uint8)
    features = pooled_features(perceptual_distance(), images)
    assert features.shape == (3, 256)
    signed = pooled_features(perceptual_distance(), images / 127.5 - 1)
    torch.testing.assert_close(features, signed)


def test_photographs_score_perfectly_against_themselves() -> None:
    generator = torch.Generator().manual_seed(0)
    photos = torch.randint(256, (10, 3, 64, 96), dtype=torch.uint8, generator=generator)
    labels = torch.randint(4, (10, 64, 96), dtype=torch.uint8, generator=generator)
    quality = PhotoQuality(
        photos, labels, small_segmenter(), perceptual_distance(), other_photos=photos
    )
    same = quality.score(photos)
    assert same["lpips_to_photo"] == pytest.approx(0, abs=1e-6)
    assert same["miou"] == same["miou_real_photos"]
    assert same["iou"] == same["iou_real_photos"]
    assert same["kid"] == same["kid_other_photos"]
    dark = quality.score(photos // 4)
    assert dark["lpips_to_photo"] > 0.01
    assert dark["kid"] > same["kid"]
    json.dumps(dark)


def test_a_folder_without_photographs_is_named(tmp_path: Path) -> None:
    from fiancee_hub.families.label_maps.training.photographs import DataFolder

    (tmp_path / "classes.json").write_text("[]")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "test.txt").write_text("one\n")
    data = DataFolder(tmp_path)
    with pytest.raises(DataError, match=r"one\.jpg is missing"):
        PhotoQuality.of_folder(data, (64, 96), small_segmenter(), perceptual_distance())


def test_saved_segmenter_predicts_the_same(tmp_path: Path) -> None:
    model = small_segmenter()
    save_segmenter(model, tmp_path, {"miou": 0.5})
    loaded = load_segmenter(tmp_path)
    images = torch.randn(2, 3, 64, 96)
    assert loaded.config == model.config
    assert loaded(images).shape == (2, 2, 64, 96)
    assert (loaded.predict(images) == model.predict(images)).float().mean() > 0.99


def test_damaged_segmenters_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_segmenter(tmp_path)
    save_segmenter(small_segmenter(), tmp_path, {})
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_segmenter(tmp_path)


def test_shipped_segmenter_tells_sky_from_road() -> None:
    segmenter = load_segmenter(SHIPPED)
    size = segmenter.config.height, segmenter.config.width
    scene = torch.full((1, 3, *size), 0.95)
    scene[:, :, size[0] // 2 :] = -0.4
    predicted = segmenter.predict(scene)[0]
    sky, road = (segmenter.config.classes.index(name) for name in ("sky", "road"))
    assert (predicted[: size[0] // 4] == sky).float().mean() > 0.8
    assert (predicted[-size[0] // 4 :] == road).float().mean() > 0.8
