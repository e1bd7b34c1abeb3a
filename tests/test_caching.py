"""A cached property: computed once, and by no thread while others have to wait."""

from __future__ import annotations

import threading

from orcodm.caching import cached_property


class Counted:
    def __init__(self, wait: threading.Event | None = None) -> None:
        self.computed = 0
        self.begun = threading.Event()
        self._wait = wait

    @cached_property
    def value(self) -> int:
        self.computed += 1
        self.begun.set()
        if self._wait is not None:
            self._wait.wait(20)
        return self.computed


def test_it_is_computed_once() -> None:
    counted = Counted()
    assert (counted.value, counted.value, counted.computed) == (1, 1, 1)
    assert isinstance(Counted.value, cached_property)


def test_one_instance_does_not_wait_for_another() -> None:
    free = threading.Event()
    slow, quick = Counted(free), Counted()
    first = threading.Thread(target=lambda: slow.value)
    first.start()
    assert slow.begun.wait(5)
    second = threading.Thread(target=lambda: quick.value)
    second.start()
    second.join(5)
    waited = second.is_alive()
    free.set()
    first.join(5)
    assert not waited
    assert slow.value == 1
