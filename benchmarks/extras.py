"""What each extra adds to an installation, in megabytes: table for docs/index.md.

python benchmarks/extras.py --page docs/index.md

Read from the packages installed here, files and all they depend on; nothing is downloaded. An
extra with a package that is missing here has no size.
"""

import argparse
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from figures import write
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MEGABYTE = 1e6

PURPOSES = {
    "compare": "the true LPIPS of `compare`",
    "faces": "clips as drivers; pictures need nothing more",
    "heic": "photographs of phones",
    "demo": "the page",
    "evaluate": "figures and cards",
    "train": "training",
    "export": "graphs for other runtimes and for the reader's browser",
    "onnxruntime": "running them with ONNX Runtime",
    "openvino": "running them with OpenVINO",
    "ray": "folders of maps on a cluster",
    "serve": "pictures for many at once, with Ray Serve",
}


def closure(requirements: Iterable[Requirement], found: set[str]) -> set[str]:
    """Names of the packages that requirements bring, all they need included.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            key = f"{name}[{extra}]" if extra else name
            if key in found:
                continue
            found.add(key)
            needed = [Requirement(line) for line in metadata.requires(name) or []]
            closure([one for one in needed if wanted(one, extra)], found)
    return found


def wanted(requirement: Requirement, extra: str) -> bool:
    """Whether a package needs it here: always, or with one of its extras."""
    marker = requirement.marker
    return marker is None or marker.evaluate({"extra": extra})


def size(names: Iterable[str]) -> int:
    """Bytes of installed packages."""
    return sum(
        file.size or 0 for name in names if "[" not in name for file in metadata.files(name) or []
    )


def table(project: str = "fiancee-hub") -> str:
    """The table as Markdown."""
    lines = [Requirement(line) for line in metadata.requires(project) or []]
    base = closure([one for one in lines if wanted(one, "")], set())
    rows = ["| extra | for | MB |", "| --- | --- | --- |"]
    for extra, purpose in PURPOSES.items():
        needed = [one for one in lines if not wanted(one, "") and wanted(one, extra)]
        if not needed:
            sys.exit(f"{project} has no extra {extra}: install it as it is here, pip install -e .")
        try:
            added = f"{size(closure(needed, set()) - base) / MEGABYTE:.0f}"
        except metadata.PackageNotFoundError as missing:
            sys.stderr.write(f"{extra}: {missing.name} is not installed\n")
            added = "not measured"
        rows.append(f"| `{extra}` | {purpose} | {added} |")
    packages = sum("[" not in name for name in base)
    return "\n".join(
        [
            *rows,
            "",
            f"Megabytes on the disk beyond the {size(base) / MEGABYTE:,.0f} MB of the library's "
            f"own {packages} packages, torch for the CPU being most of them; extras share "
            "packages, so several need less than their sum (`python benchmarks/extras.py`).",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--page", type=Path, help="page to write the table into")
    arguments = parser.parse_args()
    text = table()
    sys.stdout.write(text + "\n")
    if arguments.page:
        write(arguments.page, "extras", text)


if __name__ == "__main__":
    main()
