"""Nobody is told that a faster backend is in use."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")

WATCHED = """
import multiprocessing, socket, sys

def refused(*_, **__):
    raise AssertionError("a process or a connection")

multiprocessing.Process.start = socket.create_connection = refused
import torch
from fiancee_hub.backends.silent import openvino
package = openvino()
converted = package.convert_model(torch.nn.ReLU(), example_input=torch.ones(1, 2))
compiled = package.Core().compile_model(converted, "CPU")
print(compiled([torch.tensor([[-1.0, 2.0]]).numpy()])[0].tolist())
print("openvino_telemetry" in sys.modules)
from openvino.tools.ovc import telemetry, convert_impl
print(type(telemetry).__module__, convert_impl.tm.__name__)
"""


def test_openvino_reports_nothing(tmp_path: Path) -> None:
    script = tmp_path / "watched.py"
    script.write_text(WATCHED)
    # Without what makes it silent by itself in CI.
    found = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    values, loaded, reporting = found.stdout.splitlines()[-3:]
    assert values == "[[0.0, 2.0]]" and loaded == "False"
    assert set(reporting.split()) == {"openvino.tools.ovc.telemetry_stub"}
    assert not list(tmp_path.glob("intel/*")), "no identity is written"


def test_what_somebody_else_has_imported_is_left_alone() -> None:
    code = (
        "import sys, types; sys.modules['openvino'] = theirs = types.ModuleType('openvino')\n"
        "from fiancee_hub.backends.silent import openvino\n"
        "assert openvino() is theirs and 'openvino_telemetry' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
