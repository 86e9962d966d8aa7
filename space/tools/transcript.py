"""What README shows of examples/own_checkpoint.py, run anew: ``python -m space.tools.transcript``.

Runs the command that stands there against a hub of its own, and puts what it prints in the place
of what it printed before. Needs requirements-dev.txt.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.files import write_text
from space.settings import ROOT
from space.tools import made

README = ROOT / "README.md"
COMMAND = re.compile(
    r"^    \$ (?P<settings>[^\n]*) \\\n(?P<command>(?:        [^\n]* \\\n)*        [^\n]*\n)"
    r"(?P<output>(?:    [^ \n][^\n]*\n)+)",
    re.MULTILINE,
)
"""Variables, the command over several lines, and the lines that it prints."""


def parts(text: str) -> re.Match[str]:
    """The transcript in a README.

    Raises:
        DataError: there is none.
    """
    found = COMMAND.search(text)
    if not found:
        raise DataError("README shows no command that begins with `    $ HF_ENDPOINT=… \\`")
    return found


def command(text: str) -> list[str]:
    """The words of the command that a README shows, its files those of the repository."""
    words = shlex.split(parts(text)["command"].replace("\\\n", " "))
    return [str(ROOT / word) if (ROOT / word).exists() else word for word in words]


def replaced(text: str, endpoint: str, output: str) -> str:
    """A README with another hub and another output."""
    found = parts(text)
    settings = re.sub(r"(?<=HF_ENDPOINT=)\S+", endpoint, found["settings"])
    shown = "".join(f"    {line}\n" for line in output.strip().splitlines())
    new = f"    $ {settings} \\\n{found['command']}{shown}"
    return text[: found.start()] + new + text[found.end() :]


def run(words: list[str], endpoint: str, token: str, folder: Path) -> str:
    """What the command prints, with a hub and a user's folder of its own.

    Raises:
        DataError: it failed; its last line is what it said.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    hub = {"HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HOME": str(folder / "home")}
    quiet = {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=kept | hub | quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise DataError(f"{' '.join(words)} failed: {last}")
    return done.stdout


def main() -> None:
    """The command."""
    sys.path.append(str(ROOT / "tests" / "support"))
    from hub_server import TOKEN, serving  # type: ignore[import-not-found,unused-ignore]

    text = README.read_text(encoding="utf-8")
    with serving() as hub, tempfile.TemporaryDirectory() as folder:
        output = run(command(text), hub.endpoint, TOKEN, Path(folder))
        write_text(README, replaced(text, hub.endpoint, output))
    made.note("transcript/streets", ["streets"])
    sys.stdout.write(output)


if __name__ == "__main__":
    main()
