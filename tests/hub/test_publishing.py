"""``publish``: what goes to the Hub is listed first, and a dry run uploads nothing."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from hub_client import ROOT, Client
from hub_server import TOKEN, Hub, serving

from fiancee_hub import AutoPipeline
from fiancee_hub.cli.main import main
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, write_config
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.domains import shipped_names
from fiancee_hub.hub.published import PUBLISHED
from fiancee_hub.hub.publishing import check_repository, inspect
from fiancee_hub.hub.saving import CARD, EVALUATION, TRAINING_STATE


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as running:
        yield running


def publish(hub: Hub, home: Path, *words: object) -> str:
    command = [sys.executable, "-m", "fiancee_hub", "publish", *map(str, words)]
    done = Client(hub, home).run(*command, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_a_dry_run_lists_what_the_upload_brings(
    hub: Hub, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "mine"))
    (folder / TRAINING_STATE).write_bytes(b"state")
    told = publish(hub, tmp_path / "home", folder, "user/mine", "--dry-run")
    assert "nothing was uploaded" in told
    assert not hub.requests
    assert publish(hub, tmp_path / "home", folder, "user/mine").startswith(
        told.split("user/mine")[0]
    )
    names = sorted(set(hub.files("user/mine")) - {".gitattributes"})
    assert names == [CARD, CONFIG, WEIGHTS]
    assert [name for name in names if f"MiB  {name}" not in told] == []


def test_what_is_missing_is_said(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "mine"))
    said = " ".join(inspect(folder).remarks)
    assert "no terms are stated" in said
    assert "the data behind the weights is not named" in said
    assert "nothing was measured" in said
    assert "not calibrated" not in said
    (folder / EVALUATION).write_text("{}")
    config = read_config(folder / CONFIG)
    domain = replace(config.domain, licence="mit", sources=("Mine.",))
    write_config(folder, replace(config, domain=domain, calibration=None))
    said = " ".join(inspect(folder).remarks)
    assert "figures are those of other weights" in said
    assert "not calibrated" in said
    assert "terms" not in said


def test_ours_can_be_published_as_they_are(shipped_streets: Path) -> None:
    assert inspect(shipped_streets).remarks == (
        f"{TRAINING_STATE} is of use only to those who go on with the training",
    )


@pytest.mark.parametrize("name", ["mine", "a/b/c", "user/", "user/..", "user name/mine"])
def test_what_is_no_repository_is_refused(
    name: str, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(tiny_checkpoint), name, "--dry-run"]) == 2
    assert f"'{name}'" in capsys.readouterr().err


def test_the_space_names_the_models_that_are_published() -> None:
    front = yaml.safe_load((ROOT / "README.md").read_text("utf-8").split("---\n")[1])
    assert front.get("models", []) == list(PUBLISHED.values())
    preloaded = {entry.split()[0] for entry in front.get("preload_from_hub", [])}
    assert preloaded <= set(PUBLISHED.values())
    assert front["suggested_hardware"]
    # The code's licence alone would hide that the weights beside it have other terms.
    assert front["license"] == "other" and "weights" in front["license_name"]
    assert set(PUBLISHED) <= set(shipped_names())
    for repository in PUBLISHED.values():
        check_repository(repository)


def test_a_card_names_the_repository_once_there_is_one(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = AutoPipeline.from_pretrained(tiny_checkpoint)
    assert 'from_pretrained("user/repo")' in str(pipe.generate_model_card())
    monkeypatch.setitem(PUBLISHED, pipe.config.domain.name, "ours/streets")
    assert 'from_pretrained("ours/streets")' in str(pipe.generate_model_card())
