"""Queries by place and in an order, over every engine: units, the date line, pages between writes."""

from __future__ import annotations

from typing import Any

import pytest

from orcodm import Client, Document, Field, InvalidQuery, Nested, Session, field, random_order
from orcodm.operations import Put, Search
from orcodm.testing import Watched
from orcodm.wire.clauses import read_sort

from ..people import Place

METRES = {
    "km": 1000.0,
    "m": 1.0,
    "cm": 0.01,
    "mm": 0.001,
    "mi": 1609.344,
    "yd": 0.9144,
    "ft": 0.3048,
    "in": 0.0254,
    "nmi": 1852.0,
}
DEGREE = 111_300
"""About the metres of a degree of the equator."""


class Spot(Document, collection="spots"):
    name: Field[str] = field(default="")
    rank: Field[int | None] = field(default=None)
    group: Field[str | None] = field(default=None)
    place: Nested[Place | None] = field(default=None)


def spot(key: str, latitude: float, longitude: float, **fields: Any) -> Spot:
    return Spot(key=key, place=Place(lat=latitude, lon=longitude), **fields)


def keys(documents: Any) -> str:
    return " ".join(document.key for document in documents)


@pytest.fixture
def spots(watched: Watched) -> None:
    with Session() as session:
        session.add(
            spot("here", 0, 0),
            spot("near", 0, 1),
            spot("far", 0, 3),
            spot("fiji", -17, 179.5),
            spot("samoa", -17, -179.5),
            spot("pole", 90, 17),
            Spot(key="nowhere"),
        )


# -- places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", METRES)
def test_a_distance_is_in_the_unit_that_was_asked_for(spots: None, watched: Watched, unit: str) -> None:
    radius = 1.1 * DEGREE / METRES[unit]
    query = Spot.query.filter(Spot.place.near(0, 0, f"{radius:.4f}{unit}"))
    assert keys(query.order_by(Spot.place.nearest())) == "here near"
    assert keys(Spot.query.filter(Spot.place.near(0, 0, f"{radius * 0.8:.4f}{unit}"))) == "here"
    results = watched.execute(Search(query=str(query), collection="spots")).results
    distances = {one.key: one.distance for one in results if one.distance is not None}
    assert distances["here"] == 0
    assert distances["near"] == pytest.approx(DEGREE / METRES[unit], rel=0.01)
    edges = [0, radius * 0.5, radius]
    assert [one.count for one in Spot.query.distances(Spot.place, (0, 0), edges, unit).buckets] == [1, 1]


def test_near_and_boxes_reach_across_the_date_line(spots: None) -> None:
    assert keys(Spot.query.filter(Spot.place.near(-17, 179.9, "70km"))) == "fiji samoa"
    assert keys(Spot.query.filter(Spot.place.near(-17, -179.9, "50km"))) == "samoa"
    assert keys(Spot.query.filter(Spot.place.near(89.9, -100, "50km"))) == "pole"
    assert keys(Spot.query.filter(Spot.place.within(-10, -179, -20, 179))) == "fiji samoa"
    assert keys(Spot.query.filter(Spot.place.within(-10, 179.9, -20, 170))) == "fiji"
    assert keys(Spot.query.filter(Spot.place.within(10, 179, -10, -179))) == "far here near"
    assert keys(Spot.query.filter(Spot.place.within(0, 1, 0, 0))) == "here near"  # edges are within
    assert keys(Spot.query.filter(~Spot.place.within(90, 180, -90, -180))) == "nowhere"


def test_the_nearest_come_first_on_every_page(spots: None) -> None:
    near = Spot.query.filter(Spot.place.near(-17, 179.9, "30000km")).order_by(Spot.place.nearest())
    assert keys(near)[:10] == "fiji samoa"
    assert keys(near.filter(Spot.key != "fiji"))[:5] == "samoa"
    assert keys(one for page in near.pages(2) for one in page) == keys(near)
    assert len(near.all()) == 6
    either = Spot.query.filter(Spot.place.near(0, 0, "150km") | (Spot.key == "nowhere"))
    assert keys(either.order_by(Spot.place.nearest())) == "here near nowhere"


def test_points_have_several_spellings(watched: Watched) -> None:
    for number, point in enumerate(
        [
            {"Latitude": 0, "LONGITUDE": 0.1},
            {"lat": 0, "lng": 0.2},
            {"lat": 0, "long": 0.3},
            {"lat": "0", "lon": 0},
            {"lat": 0},
            {"lat": 91, "lon": 0},
        ]
    ):
        watched.execute(Put(collection="spots", key=f"p{number}", value={"place": point}))
    watched.execute(
        Put(collection="spots", key="many", value={"place": [{"lat": 50, "lon": 0}, {"lat": 0, "lon": 0.4}]})
    )
    client = Client(watched)
    for query in ("place:NEAR:{lat:0 lon:0 dist:100km}", "value.place:NEAR:{radius:100km, LNG:0,latitude:0}"):
        page = client.collection("spots").search(query, sort=read_sort("value.place:distance:asc", "*"))
        assert [one.key for one in page.results] == ["p0", "p1", "p2", "many"]
    with pytest.raises(InvalidQuery):
        client.collection("spots").search("place:NEAR:{lat:0 lon:0 dist:100}")


# -- orders ----------------------------------------------------------------------------------------


@pytest.fixture
def ranked(watched: Watched) -> None:
    rows = [("a", 2, "x"), ("b", None, "y"), ("c", 1, "x"), ("d", 2, None), ("e", None, None), ("f", 2, "y")]
    with Session() as session:
        session.add(*(Spot(key=key, rank=rank, group=group) for key, rank, group in rows))


def test_several_keys_and_missing_values_last(ranked: None) -> None:
    for order, found in (
        ([Spot.rank, Spot.group], "c a f d b e"),
        ([-Spot.rank, Spot.group], "a f d c b e"),
        ([Spot.rank, -Spot.group], "c f a d b e"),
        ([-Spot.group, -Spot.rank, -Spot.key], "f b a c d e"),
        ([Spot.group, Spot.rank.desc(), Spot.key], "a c f b d e"),
    ):
        query = Spot.query.order_by(*order)
        assert keys(query) == found
        assert keys(one for page in query.pages(2) for one in page) == found
        assert keys(query[1:4]) == " ".join(found.split()[1:4])


def test_a_random_order_is_the_seed_s(ranked: None, watched: Watched) -> None:
    orders = {seed: keys(Spot.query.order_by(random_order(seed))) for seed in map(str, range(8))}
    assert all(sorted(order.split()) == list("abcdef") for order in orders.values())
    assert len(set(orders.values())) > 3
    for seed, order in orders.items():
        assert keys(Spot.query.order_by(random_order(seed))) == order
        assert keys(one for page in Spot.query.order_by(random_order(seed)).pages(2) for one in page) == order
    grouped = keys(Spot.query.order_by(Spot.rank, random_order("1"))).split()
    assert grouped[0] == "c"
    assert set(grouped[1:4]) == set("adf")
    page = Client(watched).collection("spots").search("*", sort=read_sort("_random:3", "*"), limit=10)
    assert " ".join(one.key for one in page.results) == orders["3"]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_offset_links_lead_to_the_end_and_back(ranked: None, watched: Watched, limit: int) -> None:
    search = Client(watched).collection("spots").search
    first = search("*", sort=read_sort("value.rank:desc,@path.key:asc", "*"), limit=limit)
    assert first.prev() is None
    pages = list(first)
    assert [one.key for page in pages for one in page.results] == list("adfcbe")
    assert pages[-1].next() is None
    back, page = [], pages[-1].prev()
    while page is not None:
        back.append([one.key for one in page.results])
        page = page.prev()
    assert back[::-1] == [[one.key for one in page.results] for page in pages[:-1]]
    assert pages[-1].reset().results == first.results
    beyond = search("*", limit=limit, offset=50)
    assert (beyond.results, beyond.total, beyond.next()) == ((), 6, None)


ORDERS: list[Any] = [
    (Spot.rank, -Spot.group),
    (-Spot.rank, Spot.key),
    (random_order("s"),),
    (Spot.group, random_order("s")),
]


@pytest.mark.parametrize("number", range(len(ORDERS)))
def test_a_loop_survives_writes_in_between(
    watched: Watched, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not watched.capabilities.keyset:
        pytest.skip("this engine has no keyset paging")
    monkeypatch.setattr("orcodm.query.query.PAGE_SIZE", 3)
    with Session() as session:
        session.add(*(Spot(key=f"{n:02}", rank=n % 4 or None, group="xyz"[n % 3]) for n in range(20)))
    seen: list[str] = []
    for one in Spot.query.order_by(*ORDERS[number]):
        seen.append(one.key or "")
        if len(seen) % 3 == 0 and len(seen) <= 18:
            Spot(key=f"new{len(seen)}", rank=len(seen) % 4, group="x").save()
            one.name = "changed"  # a change that moves nothing
            one.save()
            if (one.key or "").isdigit():
                one.delete()
    assert len(seen) == len(set(seen))
    assert {f"{n:02}" for n in range(20)} <= set(seen)
