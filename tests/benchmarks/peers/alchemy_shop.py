"""The shop on SQLAlchemy: columns with an index for what is searched, the rest in JSON of pydantic's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, attributes, mapped_column

from .. import shop
from .our_shop import Status


class Address(pydantic.BaseModel):
    street: str
    city: str
    country: str | None = None


class Customer(pydantic.BaseModel):
    name: str
    email: str
    address: Address | None = None


class Line(pydantic.BaseModel):
    sku: str
    title: str
    quantity: int
    price: Decimal


class Order(pydantic.BaseModel):
    number: int
    placed: datetime
    status: Status
    customer: Customer
    lines: list[Line]
    total: Decimal
    note: str | None = None
    details: dict[str, Any] = pydantic.Field(default_factory=dict)


class Report(pydantic.BaseModel):
    title: str
    made: datetime
    pages: int
    text: str
    data: dict[str, Any]


class Validated(sqlalchemy.types.TypeDecorator[Any]):
    """A column of JSON text that is a model of pydantic."""

    impl = sqlalchemy.Text
    cache_ok = True

    def __init__(self, model: type[pydantic.BaseModel]) -> None:
        super().__init__()
        self.model = model

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        text: str = value.model_dump_json()
        return text

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return self.model.model_validate_json(value)


class Base(DeclarativeBase):
    pass


class OrderRow(Base):
    __tablename__ = "orders"
    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    number: Mapped[int] = mapped_column(index=True)
    email: Mapped[str]
    placed: Mapped[datetime]
    status: Mapped[str] = mapped_column(index=True)
    body: Mapped[Any] = mapped_column(Validated(Order))
    __table_args__ = (sqlalchemy.Index("last", "email", "placed"),)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as SQLAlchemy documents it)


class ReportRow(Base):
    __tablename__ = "reports"
    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    made: Mapped[datetime] = mapped_column(index=True)
    body: Mapped[Any] = mapped_column(Validated(Report))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


def construct(value: dict[str, Any]) -> Order:
    """An order as a program makes it, of values that a program has."""
    customer = value["customer"]
    return Order(
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


class AlchemyShop:
    def __init__(self, folder: Path) -> None:
        self.engine = sqlalchemy.create_engine(f"sqlite:///{folder / 'shop.db'}")

        @sqlalchemy.event.listens_for(self.engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        Base.metadata.create_all(self.engine)

    def load(self, count: int) -> int:
        from .our_shop import program

        with Session(self.engine) as session:
            session.add_all(_row(key, construct(program(value))) for key, value in shop.orders(count))
            session.commit()
        return count

    def load_reports(self, count: int) -> None:
        with Session(self.engine) as session:
            for key, value in shop.reports(count):
                report = Report(**value)
                session.add(ReportRow(key=key, made=report.made, body=report))
            session.commit()

    def settle(self) -> None:
        """Its indexes are made as it writes."""

    def get(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                assert session.get_one(OrderRow, key).body.lines[0].quantity
        return len(keys)

    def save(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                row = session.get_one(OrderRow, key)
                row.body.lines[3].quantity += 1
                attributes.flag_modified(row, "body")
                session.commit()
        return len(keys)

    def walk(self) -> int:
        with Session(self.engine) as session:
            every = sqlalchemy.select(OrderRow).execution_options(yield_per=500)
            return sum(1 for row in session.scalars(every) if row.body.number >= 0)

    def last_ten(self, customers: Sequence[int]) -> int:
        for customer in customers:
            with Session(self.engine) as session:
                of_one = sqlalchemy.select(OrderRow).where(OrderRow.email == shop.email(customer))
                assert session.scalars(of_one.order_by(OrderRow.placed.desc()).limit(10)).all()
        return len(customers)

    def get_reports(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                assert session.get_one(ReportRow, key).body.data["rows"]
        return len(keys)

    def save_reports(self, keys: Sequence[str]) -> int:
        for key in keys:
            with Session(self.engine) as session:
                row = session.get_one(ReportRow, key)
                row.body.data["rows"][3]["row"] += 1
                attributes.flag_modified(row, "body")
                session.commit()
        return len(keys)

    def close(self) -> None:
        self.engine.dispose()


def _row(key: str, order: Order) -> OrderRow:
    return OrderRow(
        key=key,
        number=order.number,
        email=order.customer.email,
        placed=order.placed,
        status=order.status.value,
        body=order,
    )
