"""What is saved loads back bit for bit, with a card that leaves nothing to fill in; and pushing."""

import dataclasses
import json
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hub_client import ROOT, Client
from hub_server import TOKEN, Hub, serving
from huggingface_hub import ModelCard
from PIL import Image
from tiny import random_map
from torch import Tensor

from fiancee_hub import FianceePipeline
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.hub.card import Origin, model_card
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.saving import CARD, EVALUATION, evaluation_of
from fiancee_hub.hub.tensor_files import digest

SHIPPED = ROOT / "weights_card" / "streets"
CARDS = ("streets", "faces", "segmenter", "face-judge")


def front_matter(text: str) -> dict[str, Any]:
    data: Any = ModelCard(text).data
    return dict(data.to_dict())


def bias_of(pipe: FianceePipeline) -> Tensor:
    """A weight to change."""
    trunk = pipe.model.trunk
    assert isinstance(trunk, OasisGenerator) and trunk.to_rgb.bias is not None
    return trunk.to_rgb.bias


def bits(folder: Path) -> str:
    return digest(load_checkpoint(folder)[0].state_dict())


@pytest.fixture
def fine_tuned(tiny_checkpoint: Path) -> FianceePipeline:
    """A pipeline whose weights no float16 holds."""
    pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
    for parameter in pipe.model.parameters():
        parameter.mul_(1.0001)
    bias_of(pipe)[0] = 1e9
    return pipe


def test_an_unchanged_checkpoint_is_copied_with_its_card(tmp_path: Path) -> None:
    FianceePipeline.from_pretrained(SHIPPED).save_pretrained(tmp_path)
    names = (CONFIG, WEIGHTS, CARD, EVALUATION, "contact_sheet.jpg")
    for name in names:
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes()
    assert not (tmp_path / "resume.safetensors").exists()
    assert evaluation_of(tmp_path) is not None


def test_changed_weights_come_back_bit_for_bit(fine_tuned: FianceePipeline, tmp_path: Path) -> None:
    fine_tuned.save_pretrained(tmp_path)
    assert bits(tmp_path) == digest(fine_tuned.model.state_dict())
    expected = fine_tuned(random_map(1), exit=4).image
    assert FianceePipeline.from_pretrained(tmp_path)(random_map(1), exit=4).image == expected


def test_figures_do_not_follow_other_weights(tmp_path: Path) -> None:
    pipe = FianceePipeline.from_pretrained(SHIPPED)
    bias_of(pipe).add_(0.01)
    pipe.save_pretrained(tmp_path)
    assert not (tmp_path / EVALUATION).exists()
    card = (tmp_path / CARD).read_text()
    assert "has not been measured on these weights" in card
    assert "model-index" not in front_matter(card)


def test_figures_do_not_follow_another_calibration(tmp_path: Path) -> None:
    pipe = FianceePipeline.from_pretrained(SHIPPED)
    pipe.config = dataclasses.replace(pipe.config, calibration=None)
    pipe.save_pretrained(tmp_path)
    assert bits(tmp_path) == bits(SHIPPED)
    assert not (tmp_path / EVALUATION).exists()
    assert "The router is not calibrated" in (tmp_path / CARD).read_text()


def test_saving_in_place(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "there")
    pipe = FianceePipeline.from_pretrained(tmp_path / "there")
    pipe.save_pretrained(tmp_path / "there")
    assert read_config(tmp_path / "there" / CONFIG) == pipe.config
    assert bits(tmp_path / "there") == bits(tiny_checkpoint)
    bias_of(pipe).add_(1)
    pipe.save_pretrained(tmp_path / "there")
    assert bits(tmp_path / "there") == digest(pipe.model.state_dict())


def test_a_card_in_place_that_no_longer_fits_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "there")
    pipe = FianceePipeline.from_pretrained(tmp_path / "there")
    pipe.save_pretrained(tmp_path / "there")
    assert not caplog.records
    bias_of(pipe).add_(0.01)
    pipe.save_pretrained(tmp_path / "there")
    assert "figures of other weights" in caplog.text


def test_links_are_not_carried_along(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a private key")
    shutil.copytree(tiny_checkpoint, tmp_path / "hostile")
    (tmp_path / "hostile" / "training.json").symlink_to(tmp_path / "secret")
    (tmp_path / "hostile" / "notes.txt").write_text("not part of a checkpoint")
    FianceePipeline.from_pretrained(tmp_path / "hostile").save_pretrained(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [CARD, CONFIG, WEIGHTS]


def test_an_interrupted_save_leaves_the_old_checkpoint(
    fine_tuned: FianceePipeline, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "there")
    bias_of(fine_tuned)[0] = float("nan")
    with pytest.raises(ValueError, match="holds NaN"):
        fine_tuned._save_pretrained(tmp_path / "there")
    assert bits(tmp_path / "there") == bits(tiny_checkpoint)


def terms_in(text: str) -> dict[str, str]:
    """The licence table of a page, which ends with the patents and a disclaimer."""
    before, heading, section = text.partition("## Licence")
    assert heading, before
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert rows[:2] == [("what", "terms"), ("---", "---")]
    assert rows[-1][0] == "patents"
    for number in ("WO2024100564A1", "US20240177273A1"):
        assert number in rows[-1][1]
    assert section.partition(rows[-1][1])[2].startswith(" |\n\nThis is no legal advice.")
    return dict(rows[2:])


@pytest.mark.parametrize(
    "name", ["README.md", *(f"weights_card/{name}/README.md" for name in CARDS)]
)
def test_terms_stand_in_a_table(name: str) -> None:
    terms = terms_in((ROOT / name).read_text(encoding="utf-8"))
    assert "Apache" in terms["code"]
    if name == "README.md":
        for folder in CARDS:
            assert any(what.startswith(folder) or f"/{folder}`" in what for what in terms)
    else:
        assert terms["weights"]


@pytest.mark.parametrize("name", ["streets", "faces"])
def test_shipped_cards_say_the_terms_of_the_text_they_are_made_from(name: str) -> None:
    made = resources.files("fiancee_hub.evaluation") / "texts" / f"{name}.md"
    texts = made.read_text(encoding="utf-8"), (ROOT / "weights_card" / name / CARD).read_text()
    one, other = (text.partition("## Licence")[2] for text in texts)
    assert one == other


def test_a_card_says_everything() -> None:
    config = read_config(SHIPPED / CONFIG)
    figures = json.loads((SHIPPED / EVALUATION).read_text())
    origin = Origin("Streets of mine", datasets=("camvid",), base_model="user/streets")
    text = str(model_card(config, origin, figures))
    head = front_matter(text)
    assert head["license"] == "other"
    assert head["license_name"] == "terms-of-the-training-data"
    assert head["library_name"] == "fiancee_hub"
    assert head["pipeline_tag"] == "image-to-image"
    assert head["datasets"] == ["camvid"]
    assert head["base_model"] == "user/streets"
    assert set(head["metrics"]) == {"coverage", "lpips", "macs"}
    (entry,) = head["model-index"]
    values = {m["name"]: m["value"] for r in entry["results"] for m in r["metrics"]}
    row = figures["budgets"][2]
    assert values["Coverage at LPIPS budget 0.10"] == row["coverage"]
    for words in ("## Limits", "13 classes"):
        assert words in text
    assert terms_in(text)["weights"] == "bound by the terms of their training data (camvid)"
    assert "information needed" not in text.lower()
    assert "{" not in text.partition("```python")[0]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"license": "cc-by-4.0"}, "| weights | cc-by-4.0 |"),
        (
            {"license_name": "research", "license_link": "https://example.org/terms"},
            "| weights | research (https://example.org/terms) |",
        ),
    ],
)
def test_terms(tiny_checkpoint: Path, tmp_path: Path, terms: dict[str, str], said: str) -> None:
    pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
    pipe.save_pretrained(tmp_path, model_card_kwargs=terms)
    text = (tmp_path / CARD).read_text()
    assert said in text
    assert "information needed" not in text.lower()
    assert terms.items() <= front_matter(text).items()


PUSH = """
import sys
from fiancee_hub import FianceePipeline
source, target, picture = sys.argv[1:]
pipe = FianceePipeline.from_pretrained(source)
print(pipe.push_to_hub(target, commit_message="first", model_card_kwargs={"name": "Pushed"}))
pipe = FianceePipeline.from_pretrained(target)
pipe([[0] * 96] * 64, exit=2).image.save(picture)
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as running:
        yield running


def test_push(hub: Hub, tiny_checkpoint: Path, pipeline: FianceePipeline, tmp_path: Path) -> None:
    client = Client(hub, tmp_path / "home")
    words = [sys.executable, "-c", PUSH, str(tiny_checkpoint), "user/pushed"]
    picture = tmp_path / "picture.png"
    done = client.run(*words, str(picture), HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    files = hub.files("user/pushed")
    assert sorted(set(files) - {".gitattributes"}) == [CARD, CONFIG, WEIGHTS]
    assert files[WEIGHTS] == (tiny_checkpoint / WEIGHTS).read_bytes()
    assert front_matter(files[CARD].decode())["license"] == "other"
    assert "# Pushed" in files[CARD].decode()
    paths = [request.path for request in hub.requests if request.method in ("POST", "PUT")]
    assert paths[0] == "/api/repos/create"
    assert any(path.endswith("/info/lfs/objects/batch") for path in paths)
    assert any(path.startswith("/large/") for path in paths)
    assert "/commit/" in paths[-1]
    expected = pipeline([[0] * 96] * 64, exit=2).image
    assert Image.open(picture).convert("RGB") == expected


def test_pushing_without_permission_says_so(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    client = Client(hub, tmp_path / "home")
    words = [sys.executable, "-c", PUSH, str(tiny_checkpoint), "user/pushed", "x.png"]
    done = client.run(*words)
    assert done.returncode == 1
    assert "401" in done.stderr
    assert hub.repositories == {}
