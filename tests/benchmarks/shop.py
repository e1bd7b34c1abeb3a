"""What an application stores, the same in every run: orders of about 1.1 kB, reports of about 30 kB."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

ORDERS_OF_A_CUSTOMER: Final = 30
STATUSES: Final = ("open", "paid", "sent", "returned")
_WORDS: Final = [
    "oak",
    "lamp",
    "blue",
    "small",
    "table",
    "of",
    "glass",
    "and",
    "iron",
    "chair",
    "with",
    "four",
    "drawers",
    "for",
    "a",
    "hall",
]
_BEGAN: Final = datetime(2024, 1, 1, tzinfo=UTC)


def email(customer: int) -> str:
    return f"customer{customer}@example.com"


def orders(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and values, as JSON has them."""
    chance = random.Random(11)
    for number in range(count):
        customer = number % max(1, count // ORDERS_OF_A_CUSTOMER)
        yield f"order-{number:07}", order(chance, number, customer)


def order(chance: random.Random, number: int, customer: int) -> dict[str, Any]:
    lines = [
        {
            "sku": f"SKU-{chance.randrange(10**6):06}",
            "title": _text(chance, 3),
            "quantity": chance.randint(1, 9),
            "price": f"{chance.randrange(100, 99_999) / 100:.2f}",
        }
        for _ in range(8)
    ]
    return {
        "number": number,
        "placed": (_BEGAN + timedelta(seconds=61 * number)).isoformat(),
        "status": chance.choice(STATUSES),
        "customer": {
            "name": f"Customer {customer}",
            "email": email(customer),
            "address": {"street": f"{customer} High Street", "city": "Ockham", "country": None},
        },
        "lines": lines,
        "total": f"{chance.randrange(1_000, 999_999) / 100:.2f}",
        "note": _text(chance, 6),
        "details": {"source": "web", "flags": [1, 2], "campaign": {"name": _text(chance, 2), "share": 0.5}},
    }


def reports(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and values: 20 kB of text and 10 kB of free JSON."""
    chance = random.Random(12)
    for number in range(count):
        rows = [{"row": row, "name": _text(chance, 2), "values": [row, row / 7]} for row in range(160)]
        yield (
            f"report-{number:05}",
            {
                "title": _text(chance, 5),
                "made": (_BEGAN + timedelta(hours=number)).isoformat(),
                "pages": number % 40,
                "text": _text(chance, 4_200),
                "data": {"rows": rows},
            },
        )


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))
