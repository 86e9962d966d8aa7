"""ONNX Runtime for browsers: its WebAssembly build comes with the package, WebGPU's with npm."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import write_bytes

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
PATIENCE = 600
"""Seconds that npm may take."""


@dataclass(frozen=True)
class Runtime:
    """Files of a build, as they lie in an embed's folder.

    Args:
        module: script that a page imports.
        binary: what the script runs.
    """

    module: str
    binary: str


WEBASSEMBLY = Runtime("vendor/ort.wasm.bundle.min.mjs", "vendor/ort-wasm-simd-threaded.wasm")
WEBGPU = Runtime("vendor/ort.webgpu.bundle.min.mjs", "vendor/ort-wasm-simd-threaded.asyncify.wasm")

DIGESTS = {
    WEBGPU.module: "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    WEBGPU.binary: "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}
"""SHA-256 of the files that npm brings."""


def add_webgpu(target: Path) -> None:
    """Puts the build for WebGPU into an embed's folder.

    Args:
        target: the folder.

    Raises:
        InputError: npm is missing, failed, or brought other files than the known ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        content = _packed(Path(folder))
    for name, digest in DIGESTS.items():
        if hashlib.sha256(content[name]).hexdigest() != digest:
            raise InputError(
                f"npm brought another {Path(name).name} than {PACKAGE} {VERSION} has: check its "
                "registry, or leave --webgpu out"
            )
    for name, data in content.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(target / name, data)


def _packed(folder: Path) -> dict[str, bytes]:
    """The files of the build, by their place in an embed's folder."""
    archive = _fetched(folder)
    try:
        with tarfile.open(archive) as packed:
            found = {}
            for name in DIGESTS:
                member = packed.extractfile(f"package/dist/{Path(name).name}")
                assert member is not None
                found[name] = member.read()
            return found
    except (tarfile.TarError, KeyError, EOFError, AssertionError) as error:
        raise InputError(
            f"{PACKAGE} {VERSION} arrived from npm without its WebGPU build: try again, or leave "
            "--webgpu out"
        ) from error


def _fetched(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            "--webgpu needs npm, which was not found: install Node.js, or leave --webgpu out, and "
            "readers compute with WebAssembly"
        )
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"]
    try:
        subprocess.run(
            [*command, "--pack-destination", str(folder)],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        (archive,) = folder.glob("*.tgz")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise InputError(
            f"npm could not fetch {PACKAGE} {VERSION} ({said[-1] if said else 'no reason given'}): "
            "check the connection, or leave --webgpu out"
        ) from error
    return archive
