"""Java for the tests that compare with it or run on it: where it is, and what Maven makes of a project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (
    "/usr/lib/jvm/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/.sdkman/candidates/java/*",
)


class Missing(Exception):
    """Java or Maven is not here, or Maven could not build; the message is a reason to skip."""


def java_home(version: int) -> Path:
    """The folder of a JDK of at least this version: $JAVA_HOME, that of `java`, or one of the usual folders.

    Raises `Missing` where there is none.
    """
    for home in _homes():
        if (home / "bin" / "javac").is_file() and _version(home) >= version:
            return home
    raise Missing(f"needs a JDK of version {version} or newer; none at JAVA_HOME, on PATH or in {FOLDERS}")


def _homes() -> Iterator[Path]:
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
    if found := shutil.which("java"):
        yield Path(found).resolve().parent.parent
    for pattern in FOLDERS:
        folder = Path(pattern).expanduser()
        yield from sorted(Path(folder.anchor).glob(str(folder.relative_to(folder.anchor))))


def _version(home: Path) -> int:
    """The feature version, by the file that every JDK has; 0 where it says nothing."""
    try:
        said = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(said[1]) if said else 0


def build(project: Path, folder: Path, home: Path) -> str:
    """The class path of a Maven project, built in a new folder.

    Raises `Missing` where there is no Maven, or where it fails (it may be offline).
    """
    if shutil.which("mvn") is None:
        raise Missing("needs Maven (mvn on PATH)")
    shutil.copytree(project, folder)
    goals = ["compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath"]
    environment = {**os.environ, "JAVA_HOME": str(home)}
    built = subprocess.run(
        ["mvn", "-q", "-B", *goals], cwd=folder, env=environment, capture_output=True, text=True
    )
    if built.returncode:
        raise Missing(f"Maven could not build {project}: {built.stdout[-500:]}")
    return f"{folder / 'target/classes'}{os.pathsep}{(folder / 'classpath').read_text()}"
