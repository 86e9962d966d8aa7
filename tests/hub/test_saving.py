"""What is saved loads back bit for bit, with a card that leaves nothing to fill in; and pushing."""

import copy
import dataclasses
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_client import ROOT, Client
from hub_server import TOKEN, Hub, serving
from huggingface_hub import ModelCard
from PIL import Image
from tiny import random_map
from torch import Tensor

from fiancee_hub import CheckpointError, FianceePipeline, InputError
from fiancee_hub.core.errors import OutputError
from fiancee_hub.evaluation.card import figures_in_short, write_card
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.hub.card import Origin, model_card
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.saving import CARD, EVALUATION, TRAINING_STATE, evaluation_of
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


def test_hidden_files_are_not_carried_along(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """macOS leaves ``._`` files beside everything on foreign disks."""
    source = Path(shutil.copytree(tiny_checkpoint, tmp_path / "source"))
    (source / "._plot.png").write_bytes(b"a program's own")
    (source / "plot.png").write_bytes(b"a figure")
    FianceePipeline.from_pretrained(source).save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "plot.png").is_file()
    assert not (tmp_path / "saved" / "._plot.png").exists()


def test_an_interrupted_save_leaves_the_old_checkpoint(
    fine_tuned: FianceePipeline, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "there")
    bias_of(fine_tuned)[0] = float("nan")
    with pytest.raises(ValueError, match="holds NaN"):
        fine_tuned.save_pretrained(tmp_path / "there")
    assert bits(tmp_path / "there") == bits(tiny_checkpoint)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("tuned", [False, True])
def test_a_model_in_another_type_is_saved_as_it_is(
    fine_tuned: FianceePipeline, pipeline: FianceePipeline, tmp_path: Path,
    dtype: torch.dtype, tuned: bool,
) -> None:  # fmt: skip
    pipe = copy.deepcopy(fine_tuned if tuned else pipeline)
    bias_of(pipe)[0] = 0.1
    pipe.to(dtype).save_pretrained(tmp_path)
    again = FianceePipeline.from_pretrained(tmp_path)
    for name, value in pipe.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value.to(torch.float32)
                           if value.is_floating_point() else value)  # fmt: skip


def test_a_converted_model_converted_by_torch_itself_is_saved(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
    pipe.model.bfloat16()
    pipe.save_pretrained(tmp_path)
    FianceePipeline.from_pretrained(tmp_path)


@pytest.mark.parametrize("part", ["model", "trunk", "branch"])
def test_a_compiled_model_is_saved_under_its_own_names(
    tiny_checkpoint: Path, tmp_path: Path, part: str
) -> None:
    pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
    model: Any = pipe.model
    if part == "model":
        pipe.model = torch.compile(model)  # type: ignore[assignment]
    elif part == "trunk":
        model.trunk = torch.compile(model.trunk)
    else:
        model.branches[0] = torch.compile(model.branches[0])
    pipe.save_pretrained(tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == (tiny_checkpoint / WEIGHTS).read_bytes()
    model.trunk.to_rgb.bias.add_(1)
    pipe.save_pretrained(tmp_path / "changed")
    assert bits(tmp_path / "changed") != bits(tiny_checkpoint)


def test_what_could_not_be_loaded_again_is_not_written(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
    model: Any = pipe.model
    model.trunk.to_rgb = torch.nn.Sequential(model.trunk.to_rgb)
    with pytest.raises(CheckpointError, match=r"the model .* the tensor .* could not be loaded"):
        pipe.save_pretrained(tmp_path / "out")
    model.trunk.to_rgb = torch.nn.Conv2d(8, 3, 3)
    with pytest.raises(CheckpointError, match=r"'trunk\.to_rgb\.weight' has shape"):
        pipe.save_pretrained(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_training_state_is_taken_along_on_request(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "there")
    (tmp_path / "there" / TRAINING_STATE).write_bytes(b"state")
    pipe = FianceePipeline.from_pretrained(tmp_path / "there")
    pipe.save_pretrained(tmp_path / "without")
    assert not (tmp_path / "without" / TRAINING_STATE).exists()
    pipe.save_pretrained(tmp_path / "with", training_state=True)
    assert (tmp_path / "with" / TRAINING_STATE).read_bytes() == b"state"


@pytest.mark.parametrize(
    ("name", "fix"),
    [("torch_dtype", "give dtype="), ("device_map", "give device="), ("config", "own config"),
     ("what", "leave it out")],
)  # fmt: skip
def test_unknown_arguments_are_refused(
    pipeline: FianceePipeline, tiny_checkpoint: Path, tmp_path: Path, name: str, fix: str
) -> None:
    unknown: Any = {name: "auto"}
    calls: tuple[Callable[[], object], ...] = (
        lambda: FianceePipeline.from_pretrained(tiny_checkpoint, **unknown),
        lambda: pipeline.save_pretrained(tmp_path / "out", **unknown),
        lambda: pipeline.save_pretrained(tmp_path / "out", push_to_hub=True, **unknown),
        lambda: pipeline.push_to_hub("user/out", **unknown),
        lambda: pipeline.save_pretrained(tmp_path / "out2", model_card_kwargs=unknown),
    )
    for call in calls:
        with pytest.raises(InputError, match=rf"takes no '{name}': .*{fix}"):
            call()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["", None, 3, ["out"]])
def test_a_folder_that_is_none_is_named(
    pipeline: FianceePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="save_directory"):
        pipeline.save_pretrained(place)
    # An empty name would mean the folder that one is in.
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(pipeline: FianceePipeline, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"could not be written.*choose another place"):
        pipeline.save_pretrained(tmp_path / "file" / "out")


def test_loading_to_a_type(tiny_checkpoint: Path) -> None:
    pipe = FianceePipeline.from_pretrained(tiny_checkpoint, dtype=torch.bfloat16, device="cpu")
    assert pipe.dtype == torch.bfloat16
    with pytest.raises(InputError, match="hold no values"):
        FianceePipeline.from_pretrained(tiny_checkpoint, device="meta")


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
def test_shipped_cards_are_what_their_files_say(name: str, tmp_path: Path) -> None:
    """``python -m fiancee_hub card weights_card/NAME --readme README.md`` writes them anew."""
    shipped, copy = ROOT / "weights_card" / name, tmp_path / name
    copy.mkdir()
    for path in shipped.iterdir():
        (copy / path.name).touch()
    (copy / "training.json").write_bytes((shipped / "training.json").read_bytes())
    config = read_config(shipped / CONFIG)
    figures = json.loads((shipped / EVALUATION).read_text(encoding="utf-8"))
    write_card(copy, config, figures)
    assert (copy / CARD).read_text(encoding="utf-8") == (shipped / CARD).read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for table in figures_in_short(config, figures):
        assert table in readme


def test_a_card_says_everything() -> None:
    config = read_config(SHIPPED / CONFIG)
    figures = json.loads((SHIPPED / EVALUATION).read_text())
    origin = Origin("Streets of mine", datasets=("camvid",), base_model="user/streets")
    text = str(model_card(config, origin, figures))
    head = front_matter(text)
    assert head["license"] == "other"
    assert head["license_name"] == "non-commercial-research"
    assert head["library_name"] == "fiancee_hub"
    assert head["pipeline_tag"] == "image-to-image"
    assert head["datasets"] == ["camvid"]
    assert head["base_model"] == "user/streets"
    assert set(head["metrics"]) == {"coverage", "kid", "lpips", "macs", "miou"}
    (entry,) = head["model-index"]
    values = {m["name"]: m["value"] for r in entry["results"] for m in r["metrics"]}
    row = figures["budgets"][2]
    assert values["Coverage at LPIPS budget 0.10"] == row["coverage"]
    for words in ("## Limits", "13 classes"):
        assert words in text
    assert terms_in(text)["weights"] == config.domain.terms
    assert "information needed" not in text.lower()
    assert "{" not in text.partition("```python")[0]


def test_a_single_data_set_may_be_a_text(pipeline: FianceePipeline) -> None:
    one, several = (pipeline.generate_model_card(datasets=d) for d in ("camvid", ["camvid"]))
    assert front_matter(str(one))["datasets"] == ["camvid"]
    assert str(one) == str(several)


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


USED = """
import sys
from fiancee_hub import FianceePipeline
source, target = sys.argv[1:]
pipe = FianceePipeline.from_pretrained(source)
options = {"push_to_hub": True, "model_card_kwargs": {"name": "Mine"}, "branch": "main"}
print(pipe.save_pretrained(target, repo_id="user/saved", commit_message="first", **options))
pipe.push_to_hub("user/pushed", model_card_kwargs={"name": "Mine"})
"""


@pytest.mark.parametrize("in_place", [False, True])
def test_saving_with_push_uploads_what_push_to_hub_does(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path, in_place: bool
) -> None:
    """Nothing else of a folder that was in use before."""
    source = Path(shutil.copytree(tiny_checkpoint, tmp_path / "source"))
    target = source if in_place else tmp_path / "used"
    for name in (".env", "notes.txt", TRAINING_STATE, "runs/photo.jpg", "examples/other.png"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(b"private")
    words = [sys.executable, "-c", USED, str(source), str(target)]
    done = Client(hub, tmp_path / "home").run(*words, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "/user/saved/commit/" in done.stdout
    assert sorted(hub.files("user/saved")) == [CARD, CONFIG, WEIGHTS]
    assert hub.files("user/saved") == hub.files("user/pushed")
    assert (target / CARD).is_file() and (target / ".env").read_bytes() == b"private"


def test_pushing_without_permission_says_so(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    client = Client(hub, tmp_path / "home")
    words = [sys.executable, "-c", PUSH, str(tiny_checkpoint), "user/pushed", "x.png"]
    done = client.run(*words)
    assert done.returncode == 1
    assert "could not be written: the Hub accepts no token of yours (401)" in done.stderr
    assert hub.repositories == {}


KEEP = """
import pickle, sys
from fiancee_hub import FianceePipeline
folder, *extra = sys.argv[1:]
pipe = FianceePipeline.from_pretrained("user/whole")
pipe.push_to_hub("user/copy")
pipe.save_pretrained(folder, training_state=True)
other = pickle.loads(pickle.dumps(pipe))
assert other.repository == "user/whole"
"""


def test_everything_in_a_repository_is_kept(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Also what lies in folders; the training state on request."""
    files = {name: (tiny_checkpoint / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    files |= {
        CARD: b"---\nlicense: mit\n---\n# Whole", EVALUATION: b"{}", "training.json": b"[]",
        "contact_sheet.jpg": b"jpg", "figures/a.png": b"png", "notes.txt": b"notes",
        TRAINING_STATE: b"state", ".gitattributes": b"* lfs",
    }  # fmt: skip
    hub.add("user/whole", files)
    client = Client(hub, tmp_path / "home")
    done = client.run(sys.executable, "-c", KEEP, str(tmp_path / "saved"), HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    kept = {name: files[name] for name in files if name != ".gitattributes"}
    saved = {
        path.relative_to(tmp_path / "saved").as_posix(): path.read_bytes()
        for path in (tmp_path / "saved").rglob("*")
        if path.is_file()
    }
    assert saved == kept
    del kept[TRAINING_STATE]
    pushed = hub.files("user/copy")
    assert {name: pushed[name] for name in pushed if name != ".gitattributes"} == kept


def test_what_cannot_be_fetched_any_more_is_said(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    hub.add("user/whole", {n: (tiny_checkpoint / n).read_bytes() for n in (CONFIG, WEIGHTS)})
    client = Client(hub, tmp_path / "home")
    code = """
import sys
from fiancee_hub import FianceePipeline
FianceePipeline.from_pretrained("user/whole").save_pretrained(sys.argv[1])
"""
    first = client.run(sys.executable, "-c", code, str(tmp_path / "a"))
    assert first.returncode == 0, first.stderr
    second = client.run(sys.executable, "-c", code, str(tmp_path / "b"), HF_HUB_OFFLINE="1")
    assert second.returncode == 0, second.stderr
    assert "may be missing from what is saved" in second.stderr
    assert bits(tmp_path / "b") == bits(tiny_checkpoint)
