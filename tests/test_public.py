"""The public interface: sorted, documented, and each awaitable twin like its sync one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import orcodm
from orcodm.model.events import Span
from orcodm.model.history import Versions
from orcodm.query.query import Query

NAMES = orcodm.__all__

CLASSES: list[Any] = [one for one in (getattr(orcodm, name) for name in NAMES) if inspect.isclass(one)] + [
    Versions,
    Span,
]


def public_methods(cls: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The methods that a class or a base of ours declares, but for the private ones."""
    for name in dir(cls):
        found = inspect.getattr_static(cls, name)
        function = getattr(found, "__func__", found)
        ours = str(getattr(function, "__module__", "")).startswith("orcodm")
        if not name.startswith("_") and inspect.isfunction(function) and ours:
            yield name, function


METHODS = [(cls, name) for cls in CLASSES for name, _ in public_methods(cls)]


def test_the_names_are_sorted_and_there() -> None:
    constants = [name for name in NAMES if name.isupper()]
    classes = [name for name in NAMES if name[0].isupper() and not name.isupper()]
    functions = [name for name in NAMES if name[0].islower()]
    assert [*sorted(constants), *sorted(classes), *sorted(functions)] == NAMES
    assert len(set(NAMES)) == len(NAMES)
    for name in NAMES:
        assert hasattr(orcodm, name)


def test_every_error_that_can_be_raised_is_public() -> None:
    from orcodm import errors

    ours = {
        name
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, errors.OrcodmError)
    }
    assert ours <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if callable(getattr(orcodm, name))])
def test_every_name_is_documented(name: str) -> None:
    thing = getattr(orcodm, name)
    assert name in ("score", "aretry") or (thing.__doc__ or "").strip()


def is_twin(function: Callable[..., Any]) -> bool:
    awaitable = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    return awaitable or function is orcodm.Session.abulk  # it gives an async iterator that warns


# To a type checker a nested field of a class is its Embedded; what is called is the method of its Path.
ELSEWHERE = {"append", "exists", "near", "nearest", "set", "unset", "within"}


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_every_method_is_documented(cls: Any, name: str) -> None:
    method = getattr(cls, name)
    assert inspect.getdoc(method) or is_twin(method) or name in ELSEWHERE


def shape(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in parameters if one.name not in ("self", "cls")]


def pairs() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    for cls in CLASSES:
        for name, function in public_methods(cls):
            if is_twin(function):
                sync = name.removeprefix("a")
                yield (
                    f"{cls.__name__}.{name}",
                    function,
                    getattr(cls, sync, None) or getattr(cls, f"__{sync}__"),
                )
    yield "aretry", orcodm.aretry, orcodm.retry


@pytest.mark.parametrize(("name", "twin", "sync"), list(pairs()))
def test_twins_take_the_same(name: str, twin: Callable[..., Any], sync: Callable[..., Any]) -> None:
    assert shape(twin) == shape(getattr(sync, "__func__", sync))


DOING_IO = [
    (orcodm.Document, ["get", "save", "delete", "refresh", "patch"]),
    (orcodm.Event, ["save", "delete", "refresh"]),
    (orcodm.Session, ["get", "commit", "save", "refresh", "bulk"]),
    (orcodm.Related, ["add", "remove", "properties", "contains", "all"]),
    (orcodm.Series, ["add", "get", "latest", "all"]),
    (Span, ["all"]),
    (Versions, ["all", "at", "as_of", "diff", "restore"]),
    (
        Query,
        [
            "all",
            "first",
            "one",
            "count",
            "exists",
            "pages",
            "stats",
            "top",
            "histogram",
            "ranges",
            "distances",
        ],
    ),
]


@pytest.mark.parametrize(("cls", "names"), DOING_IO)
def test_whatever_does_io_has_an_awaitable_twin(cls: Any, names: list[str]) -> None:
    for name in names:
        assert is_twin(getattr(cls, f"a{name}"))
    for dunder in ("__iter__", "__enter__"):
        if dunder in vars(cls) and cls is not orcodm.Session:
            assert hasattr(cls, dunder.replace("__", "__a", 1))


def test_no_method_that_runs_a_flow_lacks_a_twin() -> None:
    lacking = []
    for cls in CLASSES:
        for name, function in public_methods(cls):
            runs = "_run" in function.__code__.co_names or "run" in function.__code__.co_names
            if runs and not hasattr(cls, f"a{name}"):
                lacking.append(f"{cls.__name__}.{name}")
    assert lacking == []
