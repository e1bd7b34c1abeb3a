"""What only a cluster has: limits of its mapping, other engines beside, what is left by writers who died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from orcodm import Session
from orcodm.engines.connect import connect
from orcodm.engines.opensearch import sending
from orcodm.engines.opensearch.documents import dump
from orcodm.engines.opensearch.engine import HANDLERS, OpenSearchEngine
from orcodm.engines.opensearch.names import item_id, version_id
from orcodm.errors import (
    AlreadyExists,
    Conflict,
    IndexingConflict,
    InvalidParameter,
    NotFound,
    SessionClosed,
    StorageError,
    TransportError,
)
from orcodm.operations import (
    Batch,
    Delete,
    Dump,
    Get,
    IfAbsent,
    IfMatch,
    ListRefs,
    ListRelations,
    Ping,
    Put,
    PutRelation,
    Search,
    Written,
    all_operations,
)
from orcodm.refs import value_ref
from orcodm.server.app import create_app
from orcodm.transfer import Flaw
from orcodm.transfer import verify as verify_all

from ...people import User
from ..asking import THINGS, delete, found, get, history, item, put, put_all, verify

pytestmark = pytest.mark.cluster


@pytest.fixture
def engine(url: str) -> Iterator[OpenSearchEngine]:
    engine = OpenSearchEngine(url)
    yield engine
    engine.close()


def requests_of(engine: OpenSearchEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that an engine sends from now on."""
    sent: list[str] = []
    engine.execute(Ping())
    transport = engine._exchange._client().transport
    perform = transport.perform_request

    def noting(method: str, path: str, **more: Any) -> Any:
        sent.append(f"{method} {path.rpartition('/')[2]}")
        return perform(method, path, **more)

    monkeypatch.setattr(transport, "perform_request", noting)
    return sent


@pytest.mark.parametrize("condition", [None, IfAbsent()], ids=["put", "put as new"])
def test_conditions_within_a_batch_are_about_what_is_there(
    engine: OpenSearchEngine, condition: IfAbsent | None
) -> None:
    # The first write of a key is tried as if nothing was there; by that the ones after it must not be judged.
    before = put(engine, "ada", {"n": 1})
    after = before if condition else value_ref(before, {"n": 2})
    place = {"collection": THINGS, "key": "ada"}
    first, second, third = engine.execute(
        Batch(
            [
                Put(**place, value={"n": 2}, condition=condition),
                Put(**place, value={"n": 3}, condition=IfMatch(after)),
                Put(**place, value={"n": 4}, condition=IfMatch(before)),
            ]
        )
    ).outcomes
    assert isinstance(first, AlreadyExists if condition else Written)
    assert isinstance(second, Written)
    assert second.ref == value_ref(after, {"n": 3})
    assert isinstance(third, Conflict)
    assert third.current == second.ref
    assert get(engine, "ada") == {"n": 3}


def test_every_operation_has_a_handler() -> None:
    assert set(HANDLERS) == set(all_operations())


# -- the mapping -----------------------------------------------------------------------------------


@pytest.fixture
def small(url: str) -> Iterator[OpenSearchEngine]:
    """An engine whose index has room for few fields."""
    engine = OpenSearchEngine(url, fields=100)
    yield engine
    engine.close()


def test_at_the_limit_a_value_is_stored_and_its_new_fields_are_not_indexed(small: OpenSearchEngine) -> None:
    put(small, "a", {"name": "ada", "age": 36})
    many = {"name": "bob", "age": 7} | {f"field{n:03}": n for n in range(200)}
    with pytest.raises(IndexingConflict) as caught:
        put(small, "b", many)
    error = caught.value
    assert (error.status, error.code) == (409, "indexing_conflict")
    stored = item(small, "b")
    assert stored.value == many
    assert error.details["ref"] == stored.ref
    assert error.details["conflicts_uri"] == f"/v0/things/b/refs/{stored.ref}/conflicts"
    missing = set(error.details["conflicts"])
    assert "value.field199" in missing
    assert "value.name" not in missing
    assert error.details["conflicts"]["value.field199"]["type"] == "number"
    # What the index has is found as ever, and so is what fitted.
    assert found(small, "name:bob") == ["b"]
    assert found(small, "age:7") == ["b"]
    assert found(small, "field000:0") == ["b"]
    assert found(small, "field199:199") == []
    # Writing goes on, with and without such fields.
    put(small, "b", {"name": "bob", "field000": 1}, IfMatch(stored.ref))
    with pytest.raises(IndexingConflict):
        put(small, "c", {"another": 1})
    assert get(small, "c") == {"another": 1}
    assert len(verify(history(small, "b"))) == 2


def test_of_a_batch_those_that_could_not_be_indexed_say_so(small: OpenSearchEngine) -> None:
    puts = [Put(collection=THINGS, key=f"{n}", value={f"field{n:03}": n}) for n in range(150)]
    outcomes = small.execute(Batch(puts)).outcomes
    kinds = {type(outcome) for outcome in outcomes}
    assert kinds == {Written, IndexingConflict}
    assert [get(small, f"{n}") for n in range(150)] == [{f"field{n:03}": n} for n in range(150)]


def test_a_session_takes_what_is_stored_as_saved(
    small: OpenSearchEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(IndexingConflict):
        put(small, "full", {f"field{n:03}": n for n in range(200)})
    user = User(key="ada", name="Ada")
    with Session(small) as session:
        session.add(user)
    assert "stored, but not indexed whole: value." in caplog.text
    with Session(small) as session:
        again = session.get(User, "ada")
        again.name = "Ada L."
        session.commit()
        again.name = "Ada Lovelace"
        again.save()
    assert len(history(small, "ada", "users")) == 3


def test_a_server_in_front_of_it_answers_as_the_protocol_says(small: OpenSearchEngine) -> None:
    transport = httpx.ASGITransport(create_app(small, ["key"]))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, auth=("key", "")) as client:
            value = {f"field{n:03}": n for n in range(200)}
            answer = await client.put("http://server/v0/things/b", json=value)
            await small._exchange._async.pop(asyncio.get_running_loop()).close()
            return answer

    answer = asyncio.run(send())
    ref = item(small, "b").ref
    assert (answer.status_code, answer.json()["code"]) == (409, "indexing_conflict")
    assert answer.headers["ETag"] == f'"{ref}"'
    assert answer.headers["Location"] == f"/v0/things/b/refs/{ref}"


def test_an_index_that_is_another_programs_is_left_alone(url: str, cluster_url: str) -> None:
    engine = OpenSearchEngine(url)
    address = engine._context.address
    node = f"http://{address.hosts[0]}"
    httpx.put(f"{node}/{address.prefix}-theirs", json={"aliases": {address.prefix: {}}}).raise_for_status()
    with pytest.raises(StorageError, match="choose another prefix"):
        put(engine, "a", 1)
    engine.close()


def test_a_prefix_may_begin_with_another_one(engine: OpenSearchEngine, cluster_url: str) -> None:
    put(engine, "a", 1)
    prefix = f"{engine._context.alias}-eu"
    other = OpenSearchEngine(f"{cluster_url}/{prefix}?shards=1&replicas=0")
    put(other, "a", 2)
    assert (get(engine, "a"), get(other, "a")) == (1, 2)
    assert found(engine, "*") == found(other, "*") == ["a"]
    other.close()
    node = f"http://{engine._context.address.hosts[0]}"
    for path in (f"{prefix}~*", f"_index_template/{prefix}"):
        httpx.delete(f"{node}/{path}").raise_for_status()


def test_a_value_has_its_fields_mapped_once(
    engine: OpenSearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, "a", {"name": "Ada"})
    sent = requests_of(engine, monkeypatch)
    put(engine, "b", {"name": "Bob"})
    assert sent == ["POST _bulk"]
    put(engine, "c", {"other": "Cyd"})
    assert sent == ["POST _bulk", "PUT _mapping", "POST _bulk"]


# -- how many requests -----------------------------------------------------------------------------


def test_a_commit_of_a_thousand_takes_a_few_requests(
    engine: OpenSearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {f"{n:04}": {"n": n} for n in range(1000)}
    put_all(engine, values)
    sent = requests_of(engine, monkeypatch)
    put_all(engine, {f"new{n:04}": {"n": n} for n in range(1000)})
    assert sent == ["POST _bulk"]
    refs = {key: item(engine, key).ref for key in list(values)[:3]}
    sent.clear()
    changes = [Put(collection=THINGS, key=key, value={"n": -1}, condition=IfMatch(refs[key])) for key in refs]
    changes += [Put(collection=THINGS, key=key, value={"n": -1}) for key in list(values)[3:]]
    assert not engine.execute(Batch(changes)).failed
    assert len(sent) <= 4
    assert [len(history(engine, key)) for key in ("0000", "0500")] == [2, 2]


def test_what_was_just_read_is_written_to_without_reading_it_again(
    engine: OpenSearchEngine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, "a", {"n": 0})
    other = OpenSearchEngine(url)
    sent = requests_of(other, monkeypatch)
    ref = item(other, "a").ref
    for n in range(3):
        ref = put(other, "a", {"n": n}, IfMatch(ref))
    assert [request.partition(" ")[0] for request in sent] == ["GET", *["POST"] * 3]
    # Somebody is faster: what is remembered is wrong, and no harm is done.
    theirs = put(engine, "a", {"n": "theirs"})
    with pytest.raises(Conflict) as caught:
        put(other, "a", {"n": "mine"}, IfMatch(ref))
    assert caught.value.current == theirs
    assert [version.value["n"] for version in history(engine, "a")] == ["theirs", 2, 1, 0, 0]
    assert list_flaws(engine) == []
    other.close()


def test_a_walk_takes_as_many_requests_as_it_has_hops(
    engine: OpenSearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_all(engine, {f"{n:02}": {"n": n} for n in range(40)})
    relations: list[Any] = [
        PutRelation(
            collection=THINGS, key=f"{n // 3:02}", kind="next", to_collection=THINGS, to_key=f"{n:02}"
        )
        for n in range(1, 40)
    ]
    assert not engine.execute(Batch(relations)).failed
    found(engine, "*")
    sent = requests_of(engine, monkeypatch)
    page = engine.execute(ListRelations(collection=THINGS, key="00", kinds=("next",) * 3, limit=100))
    assert len(page.results) > 10
    assert len(sent) <= 2 + 2 * 3


# -- other engines beside --------------------------------------------------------------------------


def test_reads_by_key_are_real_time_for_everybody(engine: OpenSearchEngine, url: str) -> None:
    other = OpenSearchEngine(url)
    for n in range(5):
        ref = put(engine, "a", {"n": n})
        assert item(other, "a").ref == ref
        assert len(history(other, "a")) == n + 1
        assert get(other, "a", ref) == {"n": n}
    for n, version in enumerate(reversed(history(other, "a"))):
        assert get(other, "a", version.ref) == {"n": n}
    other.close()


def test_a_search_can_ask_for_everything_committed_before_it(engine: OpenSearchEngine, url: str) -> None:
    other = OpenSearchEngine(url, fresh=True)
    for n in range(5):
        put(engine, f"{n}", {"n": n})
        assert len(found(other, "*")) == n + 1
    other.close()


def test_fields_that_another_engine_added_are_searched(engine: OpenSearchEngine, url: str) -> None:
    found(engine, "*")
    other = OpenSearchEngine(url)
    put(other, "a", {"new": 36, "more": "Ada Lovelace"})
    for query in ("36", "`Ada Lovelace`", "new:36", "[30 TO 40]", "lovelace"):
        put(engine, "own", {"x": 1})  # so that it refreshes
        assert found(engine, query) == ["a"], query
    other.close()


# -- what writers leave who die --------------------------------------------------------------------


class Died(BaseException):
    """A writer's end."""


def dying(
    engine: OpenSearchEngine, when: Callable[[str, bytes], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have an engine die after the first request for which `when` says so."""
    engine.execute(Ping())
    transport = engine._exchange._client().transport
    perform = transport.perform_request

    def performed(method: str, path: str, **more: Any) -> Any:
        answer = perform(method, path, **more)
        if when(path, more.get("body") or b""):
            raise Died
        return answer

    monkeypatch.setattr(transport, "perform_request", performed)


def test_a_purge_that_was_interrupted_is_finished_by_the_next_writer(
    engine: OpenSearchEngine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        put(engine, "a", n)
    other = OpenSearchEngine(url)
    dying(other, lambda path, body: b'"purging"' in body, monkeypatch)
    with pytest.raises(Died):
        delete(other, "a", purge=True)
    for operation in (Get(collection=THINGS, key="a"), ListRefs(collection=THINGS, key="a")):
        with pytest.raises(NotFound):
            engine.execute(operation)
    assert engine.execute(Dump()).results == ()
    put(engine, "a", "new")
    assert [version.value for version in history(engine, "a")] == ["new"]
    assert [record.value for record in engine.execute(Dump()).results] == ["new"]
    assert list_flaws(engine) == []
    assert documents(engine) == 1
    other.close()


def test_a_version_that_never_was_is_replaced(engine: OpenSearchEngine) -> None:
    """A writer who was cut off may have left a version that was not to be."""
    put(engine, "a", 1)
    context = engine._context
    (head,) = run(engine, context.mget([item_id(THINGS, "a")]))
    invented = {**head.source, "kind": "version", "value": "99", "ref": "f" * 16, "token": "x"}
    identity = version_id(head.id, head.source["born"], 1)
    lines = sending.action("create", {"_id": identity, "routing": head.id}) + b"\n" + dump(invented)
    run(engine, context.read("POST", f"/{context.alias}/_bulk", lines + b"\n", refresh="true"))
    assert [version.value for version in history(engine, "a")] == [1]
    assert len(engine.execute(Dump()).results) == 1
    put(engine, "a", 2)
    assert [version.value for version in history(engine, "a")] == [2, 1]
    assert len(verify(history(engine, "a"))) == 2
    assert list_flaws(engine) == []


def test_an_answer_that_was_lost_is_looked_up(
    engine: OpenSearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(engine, "a", 1)
    transport = engine._exchange._client().transport
    perform = transport.perform_request
    losing = [True]

    def performed(method: str, path: str, **more: Any) -> Any:
        answer = perform(method, path, **more)
        if path.endswith("_bulk") and losing.pop() if losing else False:
            from opensearchpy.exceptions import ConnectionError as Lost

            raise Lost("N/A", "the answer is lost", OSError())
        return answer

    monkeypatch.setattr(transport, "perform_request", performed)
    second = put(engine, "a", 2, IfMatch(first))
    assert [version.ref for version in history(engine, "a")] == [second, first]
    losing.append(True)
    engine.execute(Delete(collection=THINGS, key="a", condition=IfMatch(second)))
    assert len(history(engine, "a")) == 3
    losing.append(True)
    put_all(engine, {"b": 1, "c": 2})
    assert [len(history(engine, key)) for key in "bc"] == [1, 1]


def list_flaws(engine: OpenSearchEngine) -> list[Flaw]:
    return [flaw for flaw in verify_all(engine) if isinstance(flaw, Flaw)]


def documents(engine: OpenSearchEngine) -> int:
    context = engine._context
    run(engine, context.refresh(everything=True))
    number: int = run(engine, context.read("GET", f"/{context.alias}/_count"))["count"]
    return number


def run(engine: OpenSearchEngine, steps: Any) -> Any:
    return engine._exchange.run(steps)


# -- connections -----------------------------------------------------------------------------------


def test_a_cluster_that_is_not_there_is_a_clear_error() -> None:
    engine = connect("opensearch://127.0.0.1:9", timeout=0.5)
    with pytest.raises(TransportError, match=r"No node of the cluster answered|gave no answer"):
        engine.execute(Ping())
    engine.close()


def test_after_closing_nothing_is_answered(engine: OpenSearchEngine) -> None:
    put(engine, "a", 1)
    engine.close()
    engine.close()
    with pytest.raises(SessionClosed):
        get(engine, "a")


def test_any_number_of_loops_and_threads_share_an_engine(engine: OpenSearchEngine) -> None:
    async def write(number: int) -> None:
        writes = [Put(collection=THINGS, key=f"{number}-{n}", value=n) for n in range(20)]
        await asyncio.gather(*map(engine.aexecute, writes))
        page = await engine.aexecute(Search(query="*", collection=THINGS, limit=0))
        assert page.total == 20 * (number + 1)

    for number in range(3):

        async def main(number: int = number) -> None:
            await write(number)
            await engine._exchange._async.pop(asyncio.get_running_loop()).close()

        asyncio.run(main())
    assert engine.execute(Search(query="*", collection=THINGS, limit=0)).total == 60


def test_an_offset_beyond_the_window_names_the_cursor(engine: OpenSearchEngine) -> None:
    with pytest.raises(InvalidParameter, match="cursor") as caught:
        engine.execute(Search(query="*", offset=10**9))
    assert list(caught.value.details) == ["offset"]
