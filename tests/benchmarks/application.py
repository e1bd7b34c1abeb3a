"""An application's models: nested objects, dates, Decimals, an Enum, free JSON, and documents of 30 kB.

The peer is SQLAlchemy with columns for what is searched and a column of JSON that pydantic validates; both on
files in WAL at `synchronous=NORMAL`. To construct an order is beside pydantic alone. What saving a report
costs the processor is beside decoding and encoding the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from . import shop
from .ground import Ground
from .measure import OURS, Bar, Missing, Row, Side, doing, faster, within

PEER = "SQLAlchemy, pydantic"
REPORTS = 200


def rows(ground: Ground) -> Iterator[Row]:
    from .peers import our_shop

    try:
        from .peers import alchemy_shop
    except ImportError as error:
        raise Missing(f"{error.name} is not installed: pip install -e '.[benchmark]'") from None

    yield _construct(ground, our_shop.construct, alchemy_shop.construct)
    loads: dict[str, list[float]] = {OURS: [], PEER: []}
    stores: dict[str, Any] = {}
    for number in range(min(ground.rounds, 3)):
        for name, class_ in ((OURS, our_shop.OurShop), (PEER, alchemy_shop.AlchemyShop)):
            if number:
                stores[name].close()
            store = stores[name] = class_(ground.folder())
            began = time.perf_counter()
            store.load(ground.size)
            loads[name].append(1000 * (time.perf_counter() - began) / ground.size)
    yield Row("application", "bulk load of orders, searchable", ground.size, loads, (faster(PEER, 1.5),))

    for store in stores.values():
        store.load_reports(REPORTS)
        store.settle()
    keys = [key for key, _ in shop.orders(min(ground.size, 1_000))]
    customers = range(min(200, max(1, ground.size // shop.ORDERS_OF_A_CUSTOMER)))
    reports = list(shop.reports(REPORTS))
    report_keys = [key for key, _ in reports]

    def row(work: str, do: Callable[[Any], int], *bars: Bar) -> Row:
        sides = {name: doing(do, store) for name, store in stores.items()}
        return Row("application", work, ground.size, ground.by_turns(sides), bars)

    yield row("get an order", lambda store: store.get(keys), faster(PEER, 4))
    yield row("get an order, change a line, save", lambda store: store.save(keys[:300]), faster(PEER, 2))
    yield row("every order, reading one field", lambda store: store.walk(), faster(PEER, 1.5))
    yield row("a customer's last ten orders", lambda store: store.last_ten(customers), faster(PEER, 1))
    yield row("get a report of 30 kB", lambda store: store.get_reports(report_keys), faster(PEER, 2))
    yield row("get a report, change, save", lambda store: store.save_reports(report_keys), faster(PEER, 2))

    texts = [msgspec.json.encode(value) for _, value in reports]
    sides = {
        OURS: Side(stores[OURS].save_held, lambda: stores[OURS].hold_reports(report_keys)),
        "msgspec": Side(lambda _: sum(1 for text in texts if msgspec.json.encode(msgspec.json.decode(text)))),
    }
    work = "processor time of saving a report"
    costs = ground.by_turns(sides, clock=time.process_time)
    yield Row("application", work, ground.size, costs, (within("msgspec", 6),))
    for store in stores.values():
        store.close()


def _construct(ground: Ground, ours: Callable[[Any], Any], theirs: Callable[[Any], Any]) -> Row:
    from .peers.our_shop import program

    values = [program(value) for _, value in shop.orders(1_000)]

    def made(construct: Callable[[Any], Any]) -> int:
        for value in values:
            construct(value)
        return len(values)

    sides = {OURS: doing(made, ours), "pydantic": doing(made, theirs)}
    return Row("application", "construct an order", None, ground.by_turns(sides), (faster("pydantic", 0.7),))
