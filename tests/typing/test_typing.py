"""The typing bar: correct programs pass, and each mistake is found on its line, by mypy and by pyright."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

pytestmark = pytest.mark.slow


def marked(path: Path) -> set[int]:
    """The lines that end in `# E`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# E")}


def mypy(*paths: Path) -> dict[str, set[int]]:
    """The lines with errors of each file."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    errors = re.findall(r"^(.*?):(\d+): error", done.stdout, re.MULTILINE)
    return {path.name: {int(line) for name, line in errors if Path(name).name == path.name} for path in paths}


def pyright(*paths: Path) -> dict[str, set[int]]:
    options = ["--outputjson", "--pythonpath", sys.executable]
    command = [sys.executable, "-m", "pyright", *options, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    return {
        path.name: {one["range"]["start"]["line"] + 1 for one in found if Path(one["file"]).name == path.name}
        for path in paths
    }


@pytest.mark.parametrize("check", [mypy, pyright])
def test_a_type_checker_finds_the_mistakes_and_nothing_else(
    check: Callable[..., dict[str, set[int]]],
) -> None:
    found = check(HERE / "good.py", HERE / "bad.py")
    assert found["good.py"] == set()
    assert found["bad.py"] == marked(HERE / "bad.py")
