"""Runs the real Hub client against a loopback hub: in a process of its own, as users do.

``HF_ENDPOINT`` and its like are read when huggingface_hub is imported.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hub_server import Hub

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Client:
    """A user with a cache of their own.

    Args:
        hub: the hub that the user reaches.
        home: where the client keeps its cache.
    """

    hub: Hub
    home: Path

    def run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command with this user's environment and cache."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        settings = {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "*",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.run(
            list(words),
            env=kept | settings | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def python(self, code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return self.run(sys.executable, "-c", code, **environment)
