"""A cluster: our engine beside opensearch-py called directly, on three nodes of this machine.

Their index has as many shards and copies as ours, and OpenSearch's own mapping; it keeps no versions. Where
that is less than what the engine does, there is another side that does the same: it reads what it is about to
replace and keeps it (two documents for one), or has its hits ranked over all shards, all of them counted, and
equal ones in an order.

The cluster is $ORCODM_CLUSTER, or one that is started for this, for which Java and Maven are needed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, Final
from unittest.mock import patch

import opensearchpy
from opensearchpy import helpers

from orcodm import Session
from orcodm.engines.connect import connect
from orcodm.operations import Batch, Get, IfMatch, Item, Put, Search

from ..cluster.nodes import running
from ..java import Missing as NoJava
from .ground import Ground
from .measure import OURS, Bar, Missing, Row, Side, below, within
from .peers.ours import Word, documents
from .search import common_words
from .wordnet import Synset

DIRECT: Final = "opensearch-py"
ALIKE: Final = "opensearch-py, the same done"
COLLECTION: Final = Word.collection
CHUNK: Final = 500
SOME: Final = 5_000
"""How many documents there are at most: three nodes on one machine are slow."""

WARM_UP: Final = 10
"""How often each side does its work before it is measured. Nodes just started interpret most of theirs, and
the engine's requests have them do more."""

UNLIKE: Final = {(DIRECT, "overwrite"), (DIRECT, "replace"), (DIRECT, "search")}
"""Who does less than the engine: keeps no history, ranks by what each shard has alone."""

CLOSE: Final = 1.3
BULK: Final = round(1 / 0.7, 2)


def rows(ground: Ground) -> Iterator[Row]:
    with ExitStack() as stack:
        url = os.environ.get("ORCODM_CLUSTER")
        if url is None:
            try:
                url = stack.enter_context(running(ground.folder(), linked=False)).url
            except NoJava as missing:
                raise Missing(str(missing)) from missing
        prefix = f"benchmark-{secrets.token_hex(4)}"
        ours, theirs = Ours(f"{url}/{prefix}"), Direct(url, prefix)
        stack.callback(theirs.close)
        stack.callback(ours.close)
        yield from _rows(ground, ours, theirs)


def _rows(ground: Ground, ours: Ours, theirs: Direct) -> Iterator[Row]:
    synsets = ground.synsets[:SOME]
    keys = [synset.key for synset in synsets[:100]]

    def row(work: str, times: float, name: str, *arguments: Any, alike: str | None = None) -> Row:
        does = {OURS: getattr(ours, name), DIRECT: getattr(theirs, name)}
        if alike is not None:
            does[ALIKE] = getattr(theirs, alike)
        for do in WARM_UP * list(does.values()):
            do(secrets.token_hex(), *arguments)
        sides = {
            peer: Side(lambda new, do=do: do(new, *arguments), secrets.token_hex) for peer, do in does.items()
        }
        bars = tuple(within(peer, times) for peer in does if peer != OURS and (peer, name) not in UNLIKE)
        return _row(work, ground.by_turns(sides), bars)

    theirs.make(ours)
    yield row("bulk load", BULK, "load", synsets)
    yield row("bulk load on what is there", BULK, "overwrite", synsets, alike="overwrite_and_keep")
    yield row("get", CLOSE, "get", keys)
    yield row("index", CLOSE, "create", synsets[:50])
    yield row("get, index where it is the same", CLOSE, "replace", keys[:50], alike="replace_and_keep")
    yield row("search, 10 documents", CLOSE, "search", common_words(ground)[:50], alike="search_alike")
    thousand = ground.synsets[:1_000]
    for work, commit in (("commit of 1,000 new", ours.commit_new), ("commit of 1,000 changed", ours.commit)):
        with counted() as requests:
            commit(thousand)
        yield _row(work, {OURS: [float(len(requests))]}, (below(10),), "requests")


def _row(work: str, costs: dict[str, list[float]], bars: tuple[Bar, ...], unit: str = "ms") -> Row:
    return Row("cluster", f"OpenSearch: {work}", None, costs, bars, unit)


class Ours:
    """The engine, asked by operations."""

    def __init__(self, url: str) -> None:
        self.engine = connect(url)

    def load(self, new: str, synsets: Sequence[Synset]) -> int:
        """New documents, searchable at the end; all of them under keys of their own."""
        return self._load(synsets, f"{new}-")

    def overwrite(self, new: str, synsets: Sequence[Synset]) -> int:
        return self._load(synsets, "")

    def _load(self, synsets: Sequence[Synset], before: str) -> int:
        for start in range(0, len(synsets), CHUNK):
            some = synsets[start : start + CHUNK]
            puts = [Put(collection=COLLECTION, key=before + one.key, value=one.value) for one in some]
            assert not self.engine.execute(Batch(puts)).failed
        assert self._search("gloss:the", 0).total
        return len(synsets)

    def get(self, new: str, keys: Sequence[str]) -> int:
        for key in keys:
            self._get(key)
        return len(keys)

    def create(self, new: str, synsets: Sequence[Synset]) -> int:
        for one in synsets:
            self.engine.execute(Put(collection=COLLECTION, key=f"{new}-{one.key}", value=one.value))
        return len(synsets)

    def replace(self, new: str, keys: Sequence[str]) -> int:
        for key in keys:
            item = self._get(key)
            value = item.value | {"gloss": new}
            self.engine.execute(Put(collection=COLLECTION, key=key, value=value, condition=IfMatch(item.ref)))
        return len(keys)

    def search(self, new: str, words: Sequence[str]) -> int:
        for word in words:
            self._search(f"gloss:{word}", 10)
        return len(words)

    def _get(self, key: str) -> Item:
        return self.engine.execute(Get(collection=COLLECTION, key=key))

    def _search(self, query: str, limit: int) -> Any:
        return self.engine.execute(Search(query=query, collection=COLLECTION, limit=limit))

    def commit_new(self, synsets: Sequence[Synset]) -> None:
        with Session(self.engine) as session:
            session.add(*documents([one._replace(key=f"committed-{one.key}") for one in synsets]))

    def commit(self, synsets: Sequence[Synset]) -> None:
        with Session(self.engine) as session:
            for word in session.query(Word).search("@path.key:committed*").pages(1_000):
                for document in word:
                    document.gloss += " (changed)"

    def close(self) -> None:
        self.engine.close()


class Direct:
    """The client, called as its documentation shows; the index is mapped by OpenSearch."""

    def __init__(self, url: str, prefix: str) -> None:
        hosts = url.removeprefix("opensearch://").split(",")
        self.client = opensearchpy.OpenSearch([f"http://{host}" for host in hosts], timeout=60)
        self.prefix = prefix
        self.index = f"direct-{prefix}"

    def make(self, ours: Ours) -> None:
        """The index, with as many shards and copies as ours."""
        ours.engine.execute(Search(query="*"))
        [made] = self.client.indices.get_settings(index=self.prefix).values()
        same = ("number_of_shards", "number_of_replicas", "refresh_interval")
        settings = {name: made["settings"]["index"][name] for name in same}
        for index in (self.index, f"{self.index}-history"):
            self.client.indices.create(index=index, body={"settings": {"index": settings}})

    def load(self, new: str, synsets: Sequence[Synset]) -> int:
        return self._load(synsets, f"{new}-")

    def overwrite(self, new: str, synsets: Sequence[Synset]) -> int:
        return self._load(synsets, "")

    def _load(self, synsets: Sequence[Synset], before: str) -> int:
        actions = ({"_id": before + one.key, "_source": one.value} for one in synsets)
        helpers.bulk(self.client, actions, index=self.index, chunk_size=CHUNK)
        self.client.indices.refresh(index=self.index)
        assert self._search("the", 0)["hits"]["total"]["value"]
        return len(synsets)

    def overwrite_and_keep(self, new: str, synsets: Sequence[Synset]) -> int:
        """The same, with what was there kept as a document of its own."""
        for start in range(0, len(synsets), CHUNK):
            some = synsets[start : start + CHUNK]
            there = self.client.mget(index=self.index, body={"ids": [one.key for one in some]})["docs"]
            pairs = (self._kept(old, new, one.value) for one, old in zip(some, there, strict=True))
            helpers.bulk(self.client, chain.from_iterable(pairs), chunk_size=2 * CHUNK)
        self.client.indices.refresh(index=self.index)
        assert self._search("the", 0)["hits"]["total"]["value"]
        return len(synsets)

    def get(self, new: str, keys: Sequence[str]) -> int:
        for key in keys:
            self.client.get(index=self.index, id=key)
        return len(keys)

    def create(self, new: str, synsets: Sequence[Synset]) -> int:
        for one in synsets:
            self.client.index(index=self.index, id=f"{new}-{one.key}", body=one.value)
        return len(synsets)

    def replace(self, new: str, keys: Sequence[str]) -> int:
        for key in keys:
            found = self.client.get(index=self.index, id=key)
            same = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            self.client.index(index=self.index, id=key, body=found["_source"] | {"gloss": new}, params=same)
        return len(keys)

    def replace_and_keep(self, new: str, keys: Sequence[str]) -> int:
        """The same, with what was there kept as a document of its own."""
        for key in keys:
            old = self.client.get(index=self.index, id=key)
            actions = self._kept(old, new, old["_source"] | {"gloss": new})
            helpers.bulk(self.client, actions)
        return len(keys)

    def _kept(self, old: Any, new: str, value: Any) -> list[dict[str, Any]]:
        """What keeps a document that is there, and replaces it as long as it is the same."""
        key = old["_id"]
        kept = {"_index": f"{self.index}-history", "_id": f"{key}:{old['_version']}:{new}"}
        same = {"if_seq_no": old["_seq_no"], "if_primary_term": old["_primary_term"]}
        return [
            kept | {"_source": old["_source"]},
            {"_index": self.index, "_id": key, "_source": value} | same,
        ]

    def search(self, new: str, words: Sequence[str]) -> int:
        for word in words:
            self._search(word, 10)
        return len(words)

    def search_alike(self, new: str, words: Sequence[str]) -> int:
        """The same, with all hits counted, ranked over all shards, and equal ones in an order."""
        for word in words:
            body = {
                "query": {"match": {"gloss": word}},
                "size": 10,
                "track_total_hits": True,
                "sort": [{"_score": "desc"}, "lemma.keyword"],
            }
            self.client.search(index=self.index, body=body, params={"search_type": "dfs_query_then_fetch"})
        return len(words)

    def _search(self, word: str, size: int) -> Any:
        return self.client.search(index=self.index, body={"query": {"match": {"gloss": word}}, "size": size})

    def close(self) -> None:
        self.client.indices.delete(index=f"{self.index},{self.index}-history,{self.prefix}~*")
        self.client.indices.delete_index_template(name=self.prefix)
        self.client.close()


@contextmanager
def counted() -> Iterator[list[str]]:
    """The requests that are made in the block."""
    made: list[str] = []
    original = opensearchpy.Transport.perform_request

    def perform(self: Any, method: str, path: str, **given: Any) -> Any:
        made.append(f"{method} {path}")
        return original(self, method, path, **given)

    with patch.object(opensearchpy.Transport, "perform_request", perform):
        yield made
