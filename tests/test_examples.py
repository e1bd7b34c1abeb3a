"""The examples are programs that run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    run(example, tmp_path)


@pytest.mark.cluster
def test_a_move_to_a_cluster_changes_nothing(cluster_url: str, prefix: str, tmp_path: Path) -> None:
    example = EXAMPLES[[path.stem for path in EXAMPLES].index("cluster")]
    assert run(example, tmp_path, f"{cluster_url}/{prefix}?fresh=true") == run(example, tmp_path)


def run(example: Path, folder: Path, *arguments: str) -> str:
    """What it prints; it must succeed, and leave nothing behind."""
    command = [sys.executable, "-W", "error", str(example), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(folder.iterdir())
    return done.stdout
