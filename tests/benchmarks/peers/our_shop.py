"""The shop on orcodm's embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from orcodm import Document, Embedded, Field, Nested, Session, bind, connect, field

from .. import shop


class Status(Enum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent"
    RETURNED = "returned"


class Address(Embedded):
    street: Field[str]
    city: Field[str]
    country: Field[str | None] = field(default=None)


class Customer(Embedded):
    name: Field[str]
    email: Field[str]
    address: Nested[Address | None] = field(default=None)


class Line(Embedded):
    sku: Field[str]
    title: Field[str]
    quantity: Field[int]
    price: Field[Decimal]


class Order(Document, collection="orders"):
    number: Field[int]
    placed: Field[datetime]
    status: Field[Status]
    customer: Nested[Customer]
    lines: Nested[list[Line]]
    total: Field[Decimal]
    note: Field[str | None] = field(default=None)
    details: Field[dict[str, Any]] = field(factory=dict)


class Report(Document, collection="reports"):
    title: Field[str]
    made: Field[datetime]
    pages: Field[int]
    text: Field[str]
    data: Field[dict[str, Any]]


def construct(value: dict[str, Any], key: str | None = None) -> Order:
    """An order as a program makes it, of values that a program has."""
    customer = value["customer"]
    return Order(
        key=key,
        number=value["number"],
        placed=value["placed"],
        status=value["status"],
        customer=Customer(
            name=customer["name"], email=customer["email"], address=Address(**customer["address"])
        ),
        lines=[Line(**line) for line in value["lines"]],
        total=value["total"],
        note=value["note"],
        details=value["details"],
    )


class OurShop:
    def __init__(self, folder: Path) -> None:
        self.engine = connect(f"sqlite:///{folder / 'shop.db'}?synchronous=NORMAL")

    def load(self, count: int) -> int:
        with Session(self.engine) as session:
            orders = (construct(program(value), key) for key, value in shop.orders(count))
            for outcome in session.bulk(orders):
                assert outcome.error is None
            assert session.query(Order).filter(Order.customer.email == shop.email(0)).count()
        return count

    def load_reports(self, count: int) -> None:
        with Session(self.engine) as session:
            for outcome in session.bulk(
                Report(key=key, **{**value, "made": datetime.fromisoformat(value["made"])})
                for key, value in shop.reports(count)
            ):
                assert outcome.error is None

    def settle(self) -> None:
        with Session(self.engine) as session:
            for model in (Order, Report):
                next(session.query(model).search("oak").pages(10), None)

    def get(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                assert session.get(Order, key).lines[0].quantity
        return len(keys)

    def save(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                session.get(Order, key).lines[3].quantity += 1
        return len(keys)

    def walk(self) -> int:
        with Session(self.engine) as session:
            return sum(1 for order in session.query(Order) if order.number >= 0)

    def last_ten(self, customers: Sequence[int]) -> int:
        for customer in customers:
            with Session(self.engine) as session:
                of_one = session.query(Order).filter(Order.customer.email == shop.email(customer))
                assert of_one.order_by(Order.placed.desc())[:10].all()
        return len(customers)

    def get_reports(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                assert session.get(Report, key).data["rows"]
        return len(keys)

    def save_reports(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                session.get(Report, key).data["rows"][3]["row"] += 1
        return len(keys)

    def hold_reports(self, keys: Sequence[str]) -> list[Report]:
        with Session(self.engine) as session:
            return [session.get(Report, key) for key in keys]

    def save_held(self, reports: Sequence[Report]) -> int:
        bind(self.engine)
        for report in reports:
            report.data["rows"][3]["row"] += 1
            report.save()
        bind(None)
        return len(reports)

    def close(self) -> None:
        self.engine.close()


def program(value: dict[str, Any]) -> dict[str, Any]:
    """The value of an order as a program has it."""
    return {
        **value,
        "placed": datetime.fromisoformat(value["placed"]),
        "status": Status(value["status"]),
        "total": Decimal(value["total"]),
        "lines": [{**line, "price": Decimal(line["price"])} for line in value["lines"]],
    }
