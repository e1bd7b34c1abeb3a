"""The fixtures that applications get for their tests."""

import pytest

from orcodm import AlreadyExists, Conflict, Document, Field, Session
from orcodm.testing import Race


class Note(Document, collection="notes"):
    text: Field[str]
    stars: Field[int]


def test_a_session_is_open_and_its_engine_the_default(orcodm_session: Session) -> None:
    orcodm_session.add(Note(key="a", text="x", stars=1))
    orcodm_session.commit()
    assert Note.get("a").text == "x"


def test_every_test_has_an_engine_of_its_own(orcodm_session: Session) -> None:
    assert Note.query.count() == 0


def test_requests_are_counted(orcodm_session: Session, orcodm_requests: list[object]) -> None:
    orcodm_session.add(Note(key="a", text="x", stars=1), Note(key="b", text="y", stars=2))
    assert orcodm_requests == []
    orcodm_session.commit()
    assert [type(operation).__name__ for operation in orcodm_requests] == ["Batch"]


def test_a_race_is_lost_and_merged(orcodm_session: Session, race: Race) -> None:
    note = Note(key="a", text="x", stars=1)
    note.save()
    race(note, stars=5)
    note.text = "changed"
    with pytest.raises(Conflict) as caught:
        note.save()
    assert caught.value.theirs["stars"] == 5
    caught.value.merge().save()
    assert Note.get("a").stars == 5
    assert Note.get("a").text == "changed"


def test_a_race_against_a_commit(orcodm_session: Session, race: Race) -> None:
    note = Note(key="a", text="x", stars=1)
    note.save()
    race.delete(note)
    note.stars = 2
    with pytest.raises(Conflict) as caught:
        orcodm_session.commit()
    assert caught.value.current is None


def test_a_race_to_create(orcodm_session: Session, race: Race) -> None:
    note = Note(key="a", text="x", stars=1)
    race.create(note)
    with pytest.raises(AlreadyExists):
        note.save()


def test_a_race_that_never_runs_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from orcodm import Document, Field

        class Note(Document, collection="notes"):
            text: Field[str]

        def test_nothing_written(orcodm_session, race):
            note = Note(key="a", text="x")
            note.save()
            race(note, text="y")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 planned race(s) never ran*"])


def test_the_engine_is_closed_and_unbound_afterwards(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import orcodm

        def test_bound(orcodm_engine):
            assert orcodm.session.context.default_engine() is orcodm_engine

        def test_unbound():
            assert orcodm.session.context.default_engine() is None
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
