"""The direction of the imports: what each part of the package may know of the others.

A row says what the modules of a part may import from orcodm, besides those of their own. Imports inside
functions count as well: what a part must not know, it must not know by a detour either. Those under
`if TYPE_CHECKING` do not: a signature may name what its function never calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import orcodm

ROOT = Path(orcodm.__file__).parent

FOUNDATION = (
    "errors",
    "names",
    "mistakes",
    "caching",
    "operations",
    "values",
    "refs",
    "identifiers",
    "times",
    "engine",
    "signals",
    "flow",
)
PURE = (*FOUNDATION, "patch", "projection")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "values": ("errors",),
    "operations": ("errors", "times"),
    "identifiers": (),
    "names": (),
    "caching": (),
    "mistakes": ("errors",),
    "times": ("errors",),
    "signals": (),
    "refs": ("errors", "values"),
    "engine": ("errors", "operations"),
    "flow": FOUNDATION,
    "patch": FOUNDATION,
    "projection": FOUNDATION,
    "lucene": ("errors", "names"),
    "wire": PURE,
    "query": (*PURE, "lucene"),
    "session": (*PURE, "lucene", "query"),
    "model": (*PURE, "lucene", "query", "session"),
    "engines": (*PURE, "lucene", "wire"),
    "server": (*PURE, "lucene", "wire"),
}
"""Anything not named here is at the edge (client, command line, pytest plugin, `__init__`): free."""


def module_name(path: Path) -> str:
    """`lucene.parser` for `orcodm/lucene/parser.py`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree but those that only a type checker looks at."""
    yield node
    if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from statements(child)


@cache
def imported(path: Path) -> frozenset[str]:
    """The absolute names of the modules a file imports, `orcodm.` first where they are ours."""
    names: set[str] = set()
    package = ("orcodm", *path.relative_to(ROOT).parts[:-1])
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*base, *(node.module.split(".") if node.module else ())))
            # `from . import tree` names a module, `from .tree import Node` something inside one.
            for alias in node.names:
                deeper = f"{name}.{alias.name}"
                names.add(deeper if deeper.removeprefix("orcodm.") in MODULES else name)
    return frozenset(names)


def ours(path: Path) -> set[str]:
    """The modules of orcodm that a file imports, without the prefix."""
    return {name.removeprefix("orcodm.") for name in imported(path) if name.split(".")[0] == "orcodm"}


def covers(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] in MAY_IMPORT])
def test_a_module_imports_only_what_its_part_may_know(module: str) -> None:
    part = module.split(".")[0]
    allowed = (*MAY_IMPORT[part], part)
    strangers = {
        name for name in ours(MODULES[module]) if not any(covers(prefix, name) for prefix in allowed)
    }
    assert strangers == set()


def test_every_part_is_still_there() -> None:
    assert {part for part in MAY_IMPORT if not any(covers(part, name) for name in MODULES)} == set()


def test_only_the_http_engine_imports_httpx() -> None:
    users = {module for module, path in MODULES.items() for name in imported(path) if covers("httpx", name)}
    assert users <= {"engines.http", "engines.pools"}


def test_the_engines_do_not_know_each_other() -> None:
    engines = ("engines.embedded", "engines.opensearch", "engines.http")
    for engine in engines:
        for module in (name for name in MODULES if covers(engine, name)):
            others = {name for name in ours(MODULES[module]) if any(covers(other, name) for other in engines)}
            assert all(covers(engine, name) for name in others), module


def test_only_the_engines_that_need_the_wire_import_it() -> None:
    users = {name for name, path in MODULES.items() if any(covers("wire", other) for other in ours(path))}
    assert not {name for name in users if covers("engines", name)} - {"engines.http"}


def test_connect_imports_an_engine_only_when_it_is_asked_for() -> None:
    for node in ast.parse(MODULES["engines.connect"].read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        source = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        words = {word for name in (source, *names) for word in name.split(".")}
        assert not words & {"embedded", "http", "opensearch"}, ast.unparse(node)


def test_a_line_of_third_parties_is_kept_out_of_the_pure_parts() -> None:
    foreign = {"httpx", "tantivy", "sqlite3", "starlette", "uvicorn", "opensearchpy"}
    for module, path in MODULES.items():
        if module.split(".")[0] in {*PURE, "lucene", "wire", "query", "session", "model"}:
            assert not {name.split(".")[0] for name in imported(path)} & foreign, module
