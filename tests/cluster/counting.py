"""Writers in processes of their own that count up numbers together, and tell what was acknowledged.

Every version says who wrote it in which turn, so that the history tells whose increments it has: one that was
acknowledged and is not there, one that is there twice, or one that nobody made.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event

from attrs import define, field, frozen

from orcodm.engine import Engine
from orcodm.engines.connect import connect
from orcodm.errors import Conflict, OrcodmError
from orcodm.operations import Get, IfAbsent, IfMatch, Put

from ..engines.asking import history, verify

COLLECTION = "counters"

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


@frozen
class Told:
    """How a turn ended: with a ref, or an error, after so many seconds of the operation that it was for."""

    writer: int
    turn: int
    key: str
    ref: str | None
    error: OrcodmError | None
    seconds: float

    @property
    def by(self) -> str:
        return f"{self.writer}-{self.turn}"


def count(url: str, writer: int, counters: int, stop: Event, tell: Connection) -> None:
    """The life of a writer."""
    engine = connect(url)
    turn = 0
    while not stop.is_set():
        turn += 1
        tell.send(increment(engine, writer, turn, str((turn * 7 + writer) % counters)))
    engine.close()


def increment(engine: Engine, writer: int, turn: int, key: str) -> Told:
    """Add one, as often as somebody else was faster."""
    while True:
        began = time.monotonic()
        try:
            item = engine.execute(Get(collection=COLLECTION, key=key))
            began = time.monotonic()
            value = {"n": item.value["n"] + 1, "by": f"{writer}-{turn}"}
            mine = Put(collection=COLLECTION, key=key, value=value, condition=IfMatch(item.ref))
            ref = engine.execute(mine).ref
        except Conflict:
            continue
        except OrcodmError as error:
            return Told(writer, turn, key, None, error, time.monotonic() - began)
        return Told(writer, turn, key, ref, None, time.monotonic() - began)


@define
class Counting:
    """Writers at work, and what they have told so far."""

    url: str
    counters: int
    told: list[Told] = field(factory=list)
    readers: list[Connection] = field(factory=list)

    @property
    def acknowledged(self) -> list[Told]:
        return [told for told in self.told if told.ref is not None]

    @property
    def failed(self) -> list[Told]:
        return [told for told in self.told if told.error is not None]

    def listen(self, enough: Callable[[], bool], seconds: float = 120) -> None:
        """Take in what the writers tell, until it is enough."""
        until = time.monotonic() + seconds
        while not enough():
            ready = wait(self.readers, until - time.monotonic())
            assert ready, f"the writers are silent; {len(self.told)} turns, the last {self.told[-3:]}"
            for reader in ready:
                assert isinstance(reader, Connection)
                try:
                    self.told.append(reader.recv())
                except EOFError:
                    self.readers.remove(reader)

    def more(self, number: int) -> None:
        """Wait for so many more acknowledgements."""
        goal = len(self.acknowledged) + number
        self.listen(lambda: len(self.acknowledged) >= goal)

    def check(self) -> None:
        """Every acknowledged increment is in the histories, once; so are no others but some that failed."""
        engine = connect(self.url.partition("?")[0])
        missed = {told.by for told in self.failed}
        found: Counter[str] = Counter()
        for key in map(str, range(self.counters)):
            versions = history(engine, key, COLLECTION)
            refs = verify(versions)
            values = [version.value for version in reversed(versions)]
            assert [value["n"] for value in values] == list(range(len(values)))
            at = {value["by"]: ref for value, ref in zip(values, refs, strict=True)}
            for told in self.acknowledged:
                if told.key == key:
                    assert at.get(told.by) == told.ref, f"lost: {told}"
            found.update(value["by"] for value in values[1:])
        engine.close()
        assert found == Counter(dict.fromkeys(found, 1)), "an increment counted twice"
        assert set(found) - {told.by for told in self.acknowledged} <= missed, "nobody made these"


@contextmanager
def counting(
    url: str, writers: int = 8, counters: int = 4, through: Sequence[str] = ()
) -> Iterator[Counting]:
    """Writers that count until the block ends; then all of them have told all.

    They use the engine of the URL, or by turns those that it is to be reached `through`.
    """
    engine = connect(url.partition("?")[0])  # which may say how little time there is for an answer
    for key in map(str, range(counters)):
        zero = {"n": 0, "by": "nobody"}
        engine.execute(Put(collection=COLLECTION, key=key, value=zero, condition=IfAbsent()))
    engine.close()
    stop = processes.Event()
    work = Counting(url, counters)
    started = []
    for number in range(writers):
        reader, sender = processes.Pipe(duplex=False)
        own = through[number % len(through)] if through else url
        process = processes.Process(target=count, args=(own, number, counters, stop, sender), daemon=True)
        process.start()
        sender.close()
        started.append(process)
        work.readers.append(reader)
    everyone = list(work.readers)
    try:
        yield work
        stop.set()
        work.listen(lambda: not work.readers)
        for process in started:
            process.join(30)
            assert process.exitcode == 0, "a writer died; its message is on stderr"
    finally:
        for process in started:
            process.kill()
            process.join()
        for reader in everyone:
            reader.close()
