"""From one machine to a cluster: the same models and the same data under another URL.

    python examples/cluster.py [ENGINE_URL]

keeps the stock of a shop in a SQLite file, moves it to the engine with its whole history, by the commands one
would type, and goes on selling there, through two servers at once. The engine is meant to be a cluster,
opensearch://h1:9200,h2:9200,h3:9200/shop?fresh=true; where none is named, a second file stands in for it.
With `fresh` a query sees what others wrote just before it, as on a file.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ClassVar

from rich.console import Console

import orcodm
from orcodm import Document, Engine, Event, Events, Field, Related, Relations, Series, Session, connect
from orcodm.errors import TransportError
from orcodm.operations import Ping

console = Console(highlight=False)


class Sale(Event):
    pieces: Field[int]


class ProductEvents(Events):
    sale: Series[Sale]


class ProductRelations(Relations):
    goes_with: Related[Product]


class Product(Document, collection="products"):
    name: Field[str]
    price: Field[float]
    stock: Field[int]
    events: ClassVar[ProductEvents]
    relations: ClassVar[ProductRelations]


def fill(engine: Engine) -> None:
    with Session(engine) as session:
        kettle = Product(key="kettle", name="Tea kettle, enamel", price=39.0, stock=100)
        pot = Product(key="pot", name="Tea pot for four", price=24.5, stock=40)
        cups = Product(key="cups", name="Six cups", price=30.0, stock=60)
        session.add(kettle, pot, cups)
        kettle.relations.goes_with.add(pot)
        pot.relations.goes_with.add(cups)
    for key, pieces in (("kettle", 3), ("cups", 1), ("kettle", 2)):
        sell(engine, key, pieces)


def sell(engine: Engine, key: str, pieces: int) -> None:
    """Take from the stock; whoever was overtaken by another sale begins again."""

    def take(session: Session) -> None:
        session.get(Product, key).stock -= pieces

    orcodm.retry(engine, take, attempts=100)
    # Not in the same commit: in a file that is a transaction, but on a cluster each write is by itself, and
    # to repeat the one would repeat the other.
    with Session(engine) as session:
        session.get(Product, key).events.sale.add(pieces=pieces)


def report(engine: Engine) -> list[str]:
    with Session(engine) as session:
        products = session.query(Product)
        tea = products.search("name:tea").order_by(Product.name)
        kettle = session.get(Product, "kettle")
        beside = ", ".join(product.name for product in kettle.relations.goes_with.goes_with)
        versions = list(kettle.history)
        return [
            f"for tea: {'; '.join(product.name for product in tea)}",
            f"pieces in stock: {products.stats(Product.stock).sum:.0f}",
            f"goes with what goes with a kettle: {beside}",
            f"kettles sold: {sum(sale.pieces for sale in kettle.events.sale)}, left: {kettle.stock}",
            f"versions of it: {len(versions)}, the last {versions[0].ref}, the first {versions[-1].ref}",
        ]


def orcodm_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orcodm.cli", *arguments]


def move(source: str, target: str) -> None:
    """orcodm export SOURCE | orcodm import TARGET -"""
    with subprocess.Popen(orcodm_command("export", source), stdout=subprocess.PIPE) as export:
        subprocess.run(orcodm_command("import", target, "-"), stdin=export.stdout, check=True)
    subprocess.run(orcodm_command("verify", target), check=True)


@contextmanager
def served(url: str) -> Iterator[str]:
    """orcodm serve URL --port PORT: keeps nothing itself, so any number of them may stand side by side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = orcodm_command("serve", url, "--port", str(port), "--log-level", "warning")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # it prints its address
        try:
            engine = connect(f"http://127.0.0.1:{port}")
            while server.poll() is None:
                try:
                    engine.execute(Ping())
                    break
                except TransportError:
                    time.sleep(0.1)
            engine.close()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def go_on(target: str) -> None:
    """Forty sales by eight sellers at two servers."""
    with served(target) as one, served(target) as two, ThreadPoolExecutor(8) as sellers:
        engines = [connect(one), connect(two)]
        sales = [sellers.submit(sell, engines[number % 2], "kettle", 1) for number in range(40)]
        for sale in sales:
            sale.result()
        for engine in engines:
            engine.close()


def main(*urls: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = f"sqlite:///{folder}/shop.db"
        target = urls[0] if urls else f"sqlite:///{folder}/cluster.db"
        engine = connect(source)
        fill(engine)
        before = report(engine)
        engine.close()
        console.rule("On one machine")
        console.print("\n".join(before))
        move(source, target)
        engine = connect(target)
        console.rule("Moved")
        console.print("the same, to the last ref" if report(engine) == before else "that went wrong")
        go_on(target)
        console.rule("After forty sales through two servers")
        console.print("\n".join(report(engine)))
        with Session(engine) as session:
            assert session.get(Product, "kettle").stock == 100 - 5 - 40
        engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
