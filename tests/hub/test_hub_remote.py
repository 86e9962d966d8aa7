"""Checkpoints on a Hub: the real client, a hub on the loopback interface, and its faults."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_client import Client
from hub_server import TOKEN, Faults, Hub, serving
from PIL import Image
from tiny import random_map

from fiancee_hub import CheckpointError, FianceePipeline
from fiancee_hub.core.files import sha256_of
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.download import download
from fiancee_hub.hub.reasons import _retry_after, reason
from fiancee_hub.hub.saving import EVALUATION

REPO = "user/streets"
FILES = (CONFIG, WEIGHTS)
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def hub(tiny_checkpoint: Path) -> Iterator[Hub]:
    with serving() as running:
        running.add(
            REPO, {name: (tiny_checkpoint / name).read_bytes() for name in (CONFIG, WEIGHTS)}
        )
        yield running


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Client:
    return Client(hub, tmp_path / "home")


def fetch(
    client: Client, model_id: str = REPO, options: str = "", before: str = "", **environment: str
) -> Done:
    """Downloads and checks a checkpoint; its folder is printed, a refusal ends in exit code 3."""
    code = f"""
import os, sys, time
from fiancee_hub.hub.download import download
from fiancee_hub.core.errors import CheckpointError
{before}
try:
    print(download({model_id!r}, ("{CONFIG}", "{WEIGHTS}"), {options}))
except CheckpointError as error:
    print(error)
    sys.exit(3)
"""
    return client.python(code, **environment)


def folder_of(done: Done) -> Path:
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


def refusal(done: Done) -> str:
    assert done.returncode == 3, done.stdout + done.stderr
    message = done.stdout.strip()
    assert message.isprintable()
    return message


def same(folder: Path, checkpoint: Path) -> bool:
    return all(
        (folder / n).read_bytes() == (checkpoint / n).read_bytes() for n in (CONFIG, WEIGHTS)
    )


CALL = """
import sys
from fiancee_hub import FianceePipeline
pipe = FianceePipeline.from_pretrained(sys.argv[1], revision=sys.argv[2] or None)
pipe(sys.argv[3], budget=0.1, seed=4).image.save(sys.argv[4])
assert not {"gradio", "lpips", "torchvision", "matplotlib"} & sys.modules.keys()
"""


@pytest.mark.parametrize("pinned", [False, True])
def test_a_fresh_download_makes_the_same_picture(
    hub: Hub, client: Client, pipeline: FianceePipeline, tmp_path: Path, pinned: bool
) -> None:
    np.save(tmp_path / "map.npy", random_map(2))
    sha = hub.repositories[f"models/{REPO}"].branches["main"]
    words = [REPO, sha if pinned else "", str(tmp_path / "map.npy"), str(tmp_path / "out.png")]
    done = client.run(sys.executable, "-c", CALL, *words)
    assert done.returncode == 0, done.stderr
    expected = pipeline(random_map(2), budget=0.1, seed=4).image
    assert Image.open(tmp_path / "out.png").convert("RGB") == expected


def test_large_files_come_from_another_host_without_the_token(
    hub: Hub, client: Client, tiny_checkpoint: Path
) -> None:
    hub.repositories[f"models/{REPO}"].private = True
    assert same(folder_of(fetch(client, HF_TOKEN=TOKEN)), tiny_checkpoint)
    large = [request for request in hub.requests if request.path.startswith("/large/")]
    assert [(request.host, request.authorised) for request in large] == [("localhost", False)]
    others = [request for request in hub.requests if request not in large]
    assert all(request.host == "127.0.0.1" and request.authorised for request in others)


def test_a_pinned_revision_in_the_cache_asks_nothing(
    hub: Hub, client: Client, tiny_checkpoint: Path
) -> None:
    sha = hub.repositories[f"models/{REPO}"].branches["main"]
    first = folder_of(fetch(client, f"{REPO}@{sha}"))
    hub.requests.clear()
    assert folder_of(fetch(client, f"{REPO}@{sha}")) == first
    assert folder_of(fetch(client, options=f"revision={sha!r}")) == first
    assert hub.requests == []
    assert same(first, tiny_checkpoint)


def test_a_branch_in_the_cache_costs_one_question(hub: Hub, client: Client) -> None:
    folder_of(fetch(client))
    hub.requests.clear()
    folder_of(fetch(client))
    assert [request.method for request in hub.requests] == ["HEAD"]


MOVING = f"""
from huggingface_hub import HfApi
from fiancee_hub.hub import download as module

ask = module.hf_hub_download

def moving(*words, **options):
    found = ask(*words, **options)
    HfApi().upload_file(path_or_fileobj=b"news", path_in_repo="README.md", repo_id={REPO!r})
    return found

module.hf_hub_download = moving
"""


def test_a_branch_that_moves_meanwhile_gives_the_files_of_one_commit(
    client: Client, tiny_checkpoint: Path
) -> None:
    assert same(folder_of(fetch(client, before=MOVING, HF_TOKEN=TOKEN)), tiny_checkpoint)


def test_a_new_commit_is_noticed(hub: Hub, client: Client) -> None:
    before = folder_of(fetch(client))
    hub.add(REPO, {"README.md": b"news"})
    assert folder_of(fetch(client)) != before


@pytest.mark.parametrize("how", ["local_files_only", "HF_HUB_OFFLINE", "hub is gone"])
def test_offline(hub: Hub, client: Client, how: str) -> None:
    options = "local_files_only=True" if how == "local_files_only" else ""
    environment = {"HF_HUB_OFFLINE": "1"} if how == "HF_HUB_OFFLINE" else {}
    if how != "hub is gone":
        message = refusal(fetch(client, options=options, **environment))
        assert "is not in the cache and the Hub cannot be reached" in message
    folder = folder_of(fetch(client))
    hub.requests.clear()
    if how == "hub is gone":
        hub.shutdown()
        hub.server_close()
    assert folder_of(fetch(client, options=options, **environment)) == folder
    assert hub.requests == []


def test_another_cache_folder(client: Client, tmp_path: Path) -> None:
    folder = folder_of(fetch(client, options=f"cache_dir={str(tmp_path / 'cache')!r}"))
    assert (tmp_path / "cache") in folder.parents


def test_an_interrupted_download_goes_on_where_it_stopped(hub: Hub, client: Client) -> None:
    """The client writes pieces of 10 MiB; those that have arrived are not asked for again."""
    piece = 10 * 2**20
    content = bytes(range(256)) * (piece // 256) + b"the rest of the weights" * 1000
    hub.add(REPO, {WEIGHTS: content})
    hub.faults = Faults(cut=piece + 100)
    assert (folder_of(fetch(client)) / WEIGHTS).read_bytes() == content
    ranges = [request.range for request in hub.requests if request.path.startswith("/large/")]
    assert ranges == [None, f"bytes={piece}-"]


def test_a_corrupted_download_is_refused_until_it_is_fetched_again(
    hub: Hub, client: Client, tiny_checkpoint: Path
) -> None:
    hub.faults = Faults(corrupt=True)
    message = refusal(fetch(client))
    assert f"{WEIGHTS} does not have the SHA-256 that the repository states" in message
    assert "force_download=True, or delete" in message
    hub.faults = Faults()
    refusal(fetch(client))  # what is in the cache is checked again
    assert same(folder_of(fetch(client, options="force_download=True")), tiny_checkpoint)
    folder_of(fetch(client))


def test_a_truncated_download_is_refused(hub: Hub, client: Client, tiny_checkpoint: Path) -> None:
    hub.faults = Faults(truncate=True)
    message = refusal(fetch(client))
    assert "could not be downloaded: Consistency check failed" in message
    assert message.endswith("; try again")
    hub.faults = Faults()
    assert same(folder_of(fetch(client)), tiny_checkpoint)


@pytest.mark.parametrize(("name", "kind"), [(CONFIG, "git SHA-1"), (WEIGHTS, "SHA-256")])
def test_a_file_damaged_in_the_cache_is_refused(client: Client, name: str, kind: str) -> None:
    blob = (folder_of(fetch(client)) / name).resolve()
    blob.write_bytes(blob.read_bytes()[:-2] + b"!}")
    message = refusal(fetch(client, HF_HUB_OFFLINE="1"))
    assert f"{name} does not have the {kind}" in message


def test_a_slow_hub_shows_progress(hub: Hub, client: Client, tiny_checkpoint: Path) -> None:
    hub.faults = Faults(pause=0.05)
    done = fetch(client, TQDM_POSITION="-1")  # bars also where there is no terminal
    assert same(folder_of(done), tiny_checkpoint)
    assert WEIGHTS in done.stderr
    assert "100%" in done.stderr


@pytest.mark.parametrize(
    ("model_id", "options", "reason"),
    [
        ("user/nothing", "", "does not exist on the Hub, or you need a token"),
        (f"{REPO}@v9", "", "has no such revision"),
        (REPO, "revision='v9'", "has no such revision"),
        (f"{REPO}@../../evil", "", "is no revision"),
        (f"{REPO}@a/../../../evil", "", "is no revision"),
        ("../../evil", "", "is neither a folder nor a name"),
        ("user/../evil", "", "is neither a folder nor a name"),
        ("https://host/user/repo", "", "is neither a folder nor a name"),
        ("user/empty", "", f"lacks one of {CONFIG}, {WEIGHTS}"),
        ("user/private", "", "does not exist on the Hub, or you need a token"),
        ("user/gated", "", "is gated: accept its terms"),
        ("user/forbidden", f"token={TOKEN!r}", "may not be read with this token"),
        (REPO, "force_download=True, local_files_only=True", "at the same time"),
        ("streets", "", "is neither a folder nor a name"),
        (f"{REPO}@", "", "'' is no revision"),
        (f"{REPO}@v1.0", "revision='main'", "revision v1.0, revision= names main: give one"),
    ],
)
def test_refusals(hub: Hub, client: Client, model_id: str, options: str, reason: str) -> None:
    for name in ("empty", "private", "gated", "forbidden"):
        hub.add(f"user/{name}", {"README.md": b""})
    hub.repositories["models/user/private"].private = True
    hub.repositories["models/user/gated"].gated = True
    hub.repositories["models/user/forbidden"].forbidden = True
    message = refusal(fetch(client, model_id, options))
    assert reason in message
    assert f"checkpoint '{model_id}'" in message


def test_a_token_opens_a_private_repository(hub: Hub, client: Client) -> None:
    hub.repositories[f"models/{REPO}"].private = True
    refusal(fetch(client))
    folder_of(fetch(client, options=f"token={TOKEN!r}"))


def test_the_same_revision_twice_is_one(hub: Hub, client: Client) -> None:
    folder_of(fetch(client, f"{REPO}@main", "revision='main'"))


def test_a_stale_token_is_named(hub: Hub, client: Client) -> None:
    hub.faults = Faults(strict=True)
    message = refusal(fetch(client, HF_TOKEN="hf_stale"))
    assert "does not accept your token (401); log in again" in message
    assert "unset HF_TOKEN" in message
    assert "force_download" not in message
    folder_of(fetch(client))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"ratelimit": '"resolvers";r=0;t=0'}, "wait 0 s"),
        ({"Retry_After": "0"}, "wait 0 s"),
        ({}, "wait a while"),
    ],
)
def test_too_many_requests_are_named_with_the_wait(
    hub: Hub, client: Client, headers: dict[str, str], wait: str
) -> None:
    hub.faults = Faults(down=429, headers=headers)
    message = refusal(fetch(client, before="time.sleep = lambda seconds: None"))
    assert f"allows no more requests for now (429); {wait}" in message
    assert "force_download" not in message


def test_a_server_that_is_no_hub_is_named(hub: Hub, client: Client) -> None:
    hub.faults = Faults(plain=True)
    message = refusal(fetch(client))
    assert f"what answers at {hub.endpoint} is no Hub; check HF_ENDPOINT" in message


def test_a_cache_that_cannot_be_written_is_named(hub: Hub, client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = refusal(fetch(client, HF_HOME=str(tmp_path / "file" / "home")))
    folder = tmp_path / "file" / "home" / "hub"
    assert f"the cache folder {folder} cannot be used (Not a directory); set HF_HOME" in message
    assert "force_download" not in message


@pytest.mark.parametrize("number", ["EACCES", "EROFS", "EPERM", "ENOSPC", "EDQUOT"])
def test_every_refusal_of_the_system_names_the_folder(
    number: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError(getattr(errno, number), os.strerror(getattr(errno, number)), "blob")

    monkeypatch.setattr("fiancee_hub.hub.download.hf_hub_download", fail)
    with pytest.raises(CheckpointError, match="HF_HOME") as caught:
        download(REPO, FILES, cache_dir=tmp_path)
    assert str(tmp_path) in str(caught.value)
    full = number in ("ENOSPC", "EDQUOT")
    assert ("no room is left" in str(caught.value)) == full
    assert "force_download" not in str(caught.value)


def test_a_full_disk_below_python_is_named() -> None:
    error = RuntimeError("I/O error: No space left on device (os error 28)")
    assert "no room is left" in reason(error)


def test_the_wait_of_a_date() -> None:
    assert _retry_after("Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT") == 30
    assert _retry_after("soon", "") is None


AS_NOBODY = """
import encodings.idna  # later it might lie where this account may not look
os.setuid(65534)
"""


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs a second account")
@pytest.mark.parametrize("closed", ["weights", "blobs", "home"])
def test_another_accounts_cache_is_named(hub: Hub, closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        client = Client(hub, Path(folder) / "home")
        weights = (folder_of(fetch(client)) / WEIGHTS).resolve()
        folder_of(fetch(client, before=AS_NOBODY))
        place = {"weights": weights, "blobs": weights.parent, "home": client.home}[closed]
        place.chmod(0o600)
        message = refusal(fetch(client, before=AS_NOBODY))
        assert f"the cache folder {client.home / 'hub'} cannot be used (Permission" in message
        assert "set HF_HOME (or cache_dir=) to a folder of your own" in message


LOG = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s")
if len(sys.argv) > 1:
    logging.getLogger("httpx2").setLevel(logging.DEBUG)
from fiancee_hub.hub.download import download
download("user/streets", ("config.json",))
"""


@pytest.mark.parametrize("wanted", [False, True])
def test_requests_are_logged_at_debug_level_only(client: Client, wanted: bool) -> None:
    done = client.run(sys.executable, "-c", LOG, *(["debug"] if wanted else []))
    assert done.returncode == 0, done.stderr
    assert ("httpx2" in done.stdout.split()) == wanted


IN_BFLOAT16 = """
import sys, torch
from fiancee_hub import FianceePipeline, InputError
options = {"dtype": torch.bfloat16, "backend": "eager"}
for offline in (False, True):
    for place in ({}, {"subfolder": "there"}):
        pipe = FianceePipeline.from_pretrained(
            sys.argv[1], local_files_only=offline, **place, **options
        )
        for _ in range(2):
            try:
                print(pipe([[0] * 96] * 64, budget=0.1).exit > 0)
            except InputError as error:
                print(error)
"""


def add_two(hub: Hub, tiny_checkpoint: Path) -> None:
    """Of two checkpoints in a repository one was tested in bfloat16."""
    calibration = read_config(tiny_checkpoint / CONFIG).calibration
    assert calibration is not None
    rows = [{"budget": b, "margin": 0.5, "holds": True} for b in calibration.budgets]
    test = {"backend": "eager", "dtype": "bfloat16", "device": "cpu", "n": 9, "budgets": rows}
    figures = {"model_sha256": sha256_of(tiny_checkpoint / WEIGHTS), "backends": [test]}
    files = {name: (tiny_checkpoint / name).read_bytes() for name in FILES}
    below = {f"there/{name}": content for name, content in files.items()}
    hub.add("user/two", files | below | {f"there/{EVALUATION}": json.dumps(figures).encode()})


def test_what_was_tested_comes_along_when_it_is_asked_for(
    hub: Hub, client: Client, tiny_checkpoint: Path
) -> None:
    add_two(hub, tiny_checkpoint)
    done = client.python(IN_BFLOAT16.replace("sys.argv[1]", "'user/two'"))
    assert done.returncode == 0, done.stderr
    never, *rest = done.stdout.splitlines()
    assert "never tested in eager and bfloat16" in never
    assert rest == [never, "True", "True", never, never, "True", "True"]
    asked = [request.path for request in hub.requests if request.path.endswith(EVALUATION)]
    assert len(asked) <= 3  # once for each that was loaded, none offline


OFFLINE = """
import pickle, torch
from fiancee_hub import FianceePipeline, InputError

options = {"subfolder": "there", "dtype": torch.bfloat16, "backend": "eager"}
FianceePipeline.from_pretrained("user/two", **options)
pipe = FianceePipeline.from_pretrained("user/two", local_files_only=True, **options)
for each in (pickle.loads(pickle.dumps(pipe)), pipe):
    try:
        each([[0] * 96] * 64, budget=0.1)
    except InputError as error:
        print(error)
"""


def test_who_asked_nobody_does_so_after_unpickling(
    hub: Hub, client: Client, tiny_checkpoint: Path
) -> None:
    add_two(hub, tiny_checkpoint)
    done = client.python(OFFLINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("never tested in eager and bfloat16") == 2
    assert not any(request.path.endswith(EVALUATION) for request in hub.requests)


MOVED = """
import pickle, torch
from huggingface_hub import HfApi
from fiancee_hub import FianceePipeline

options = {"subfolder": "there", "dtype": torch.bfloat16, "backend": "eager"}
pipe = FianceePipeline.from_pretrained("user/two", **options)
HfApi().upload_file(
    path_or_fileobj=b"{}", path_in_repo="there/evaluation.json", repo_id="user/two"
)
for each in (pickle.loads(pickle.dumps(pipe)), pipe):
    print(each([[0] * 96] * 64, budget=0.1).exit > 0)
"""


def test_what_was_tested_is_that_of_the_commit_also_after_unpickling(
    hub: Hub, client: Client, tiny_checkpoint: Path
) -> None:
    """A branch that moved on after loading speaks of other weights."""
    add_two(hub, tiny_checkpoint)
    done = client.python(MOVED, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]
