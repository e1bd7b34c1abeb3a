"""Two classes of one collection, or of one name: each by itself, and no silent choice between them."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest

from orcodm import (
    Document,
    Event,
    Events,
    Field,
    InvalidDocument,
    InvalidModel,
    Related,
    Relations,
    Series,
    Session,
    field,
    signals,
)
from orcodm.testing import Watched


class Login(Event):
    ip: Field[str]


class Seen(Event):
    by: Field[str]


class Logins(Events):
    login: Series[Login]
    seen: Series[Seen]


class View(Event):
    by: Field[str]


class Views(Events):
    seen: Series[View]


class Whole(Document, collection="doubled"):
    name: Field[str]
    bio: Field[str] = field(default="")
    events: ClassVar[Logins]


class Summary(Document, collection="doubled"):
    name: Field[str]
    events: ClassVar[Views]


class Kinds(Relations):
    about: Related[Summary]


class Note(Document, collection="doubled_notes"):
    text: Field[str] = field(default="")
    relations: ClassVar[Kinds]


@pytest.fixture
def stored(orcodm_engine: Watched) -> Whole:
    whole = Whole(key="a", name="Ada", bio="long")
    whole.save()
    note = Note(key="n")
    note.save()
    note.relations.about.add(Summary.get("a"))
    note.relations["free"].add(whole)
    whole.relations["noted"].add(note)
    whole.events.login.add(ip="::1")
    whole.events.seen.add(by="bob")
    return whole


def test_each_class_reads_and_writes_by_itself(stored: Whole) -> None:
    assert type(Whole.get("a")) is Whole
    assert type(Summary.get("a")) is Summary
    assert [type(one) for one in Summary.query.filter(Summary.name == "Ada")] == [Summary]
    assert [type(one) for one in Whole.query] == [Whole]
    summary = Summary.get("a")
    summary.name = "Ada L."
    summary.save()
    assert Whole.get("a").bio == "long"
    assert Whole.get("a").name == "Ada L."


def test_signals_are_of_the_class(stored: Whole) -> None:
    told: list[Any] = []

    def receive(sender: Any, **_: Any) -> None:
        told.append(sender)

    with signals.post_save.connected_to(receive, sender=Whole):
        summary = Summary.get("a")
        summary.name = "B"
        summary.save()
        assert told == []
        whole = Whole.get("a")
        whole.name = "C"
        whole.save()
    assert told == [Whole]


def test_a_session_has_one_object_of_one_class(stored: Whole) -> None:
    with Session():
        Whole.get("a")
        with pytest.raises(InvalidDocument, match="this session has it as a Whole"):
            Summary.get("a")


NAMES = r"tests\.model\.test_registry\.Whole and tests\.model\.test_registry\.Summary"


def test_what_has_only_the_collection_to_go_by_refuses_and_names_both(stored: Whole) -> None:
    note = Note.get("n")
    for ask in (
        lambda: Document.query.search("ada").all(),
        lambda: list(Document.query),
        lambda: note.relations["free"].all(),
        lambda: Document.query.relations("noted").first().source.get(),
        lambda: Note.query.relations("free").first().target.get(),
        lambda: Document.query.events("seen").all(),
    ):
        with pytest.raises(InvalidModel, match=NAMES):
            ask()

    async def aask() -> None:
        await Document.query.aall()

    with pytest.raises(InvalidModel, match=NAMES):
        asyncio.run(aask())


def test_a_more_precise_hint_is_taken(stored: Whole) -> None:
    note = Note.get("n")
    assert [type(one) for one in note.relations.about] == [Summary]
    assert type(Note.query.relations("about").one().target.get()) is Summary
    assert type(Document.query.relations("about").one().target.get()) is Summary
    found = Whole.query.relations("noted").one()
    assert type(found.source.get()) is Whole
    assert type(found.target.get()) is Note
    assert type(Document.query.relations("noted").one().target.get()) is Note
    assert [type(one) for one in Document.query.events(Login)] == [Login]
    assert [type(one) for one in Document.query.events("login")] == [Login]
    assert [type(one) for one in Document.query.events(Seen)] == [Seen]
    assert {type(one) for one in Whole.query.events()} == {Login, Seen}
    with Session():
        held = Whole.get("a")
        assert Note.get("n").relations["free"].all() == [held]  # the session has it as a Whole


def test_a_class_that_is_made_again_takes_the_place_of_the_first(orcodm_engine: Watched) -> None:
    cell = "class Cell(Document, collection='doubled_cells'):\n    name: Field[str]\n"
    notebook = sys.modules["notebook"] = types.ModuleType("notebook")
    namespace = notebook.__dict__
    namespace.update(Document=Document, Field=Field)
    exec(cell, namespace)
    first = namespace["Cell"]
    first(key="a", name="x").save()
    exec(cell, namespace)
    assert namespace["Cell"] is not first
    assert [type(one) for one in Document.query.search("x")] == [namespace["Cell"]]
    del sys.modules["notebook"]


def test_a_class_that_nobody_holds_counts_no_more(orcodm_engine: Watched) -> None:
    def declare() -> None:
        class Passing(Document, collection="doubled_passing"):
            name: Field[str]

    class Lasting(Document, collection="doubled_passing"):
        name: Field[str]

    gc.disable()
    try:
        declare()
        Lasting(key="a", name="x").save()
        assert [type(one) for one in Document.query] == [Lasting]
    finally:
        gc.enable()


def test_documents_of_no_class_are_untyped_until_there_is_one(orcodm_engine: Watched) -> None:
    class Late(Document, collection="doubled_late"):
        name: Field[str]

    Late(key="a", name="x").save()
    del Late
    gc.collect()
    [found] = Document.query.all()
    assert (type(found).__name__, found.name) == ("Untyped", "x")
    assert type(Document.query.all()[0]) is type(found)

    class Later(Document, collection="doubled_late"):
        name: Field[str]

    assert [type(one) for one in Document.query] == [Later]


def test_one_name_in_two_modules(
    orcodm_engine: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, member in (("doubled_shop", "street"), ("doubled_net", "ip")):
        (tmp_path / f"{name}.py").write_text(
            "from orcodm import *\n"
            f"class Address(Document, collection='{name}'):\n    {member}: Field[str]\n"
            "class Client(Document, collection='doubled_clients'):\n    name: Field[str]\n"
        )
    shop, net = (importlib.import_module(name) for name in ("doubled_shop", "doubled_net"))
    shop.Address(key="a", street="Main St").save()
    net.Address(key="a", ip="::1").save()
    assert {type(one) for one in Document.query} == {shop.Address, net.Address}
    shop.Client(key="c", name="x").save()
    with pytest.raises(InvalidModel, match=r"doubled_shop\.Client and doubled_net\.Client"):
        Document.query.search("x").all()
    importlib.reload(net)
    with pytest.raises(InvalidModel, match=r"doubled_shop\.Client and doubled_net\.Client"):
        Document.query.search("x").all()
    for name in ("doubled_shop", "doubled_net"):
        del sys.modules[name]
