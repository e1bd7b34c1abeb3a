"""What was acknowledged after a fork is stored, whatever the parent does with its connections."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orcodm import StorageError, connect, transfer
from orcodm.engines.embedded import store
from orcodm.operations import List, Put
from orcodm.transfer import Flaw

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PROGRAM = """
import os, sys, time
from orcodm import connect
from orcodm.operations import Get, Put

url, way, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
engine = connect(url)
for number in range(5):
    engine.execute(Put(collection="c", key=f"before-{number}", value={"n": number}))
child = os.fork()
if child == 0:
    for number in range(count):
        engine.execute(Put(collection="c", key=f"child-{number}", value={"n": number}))
        print(f"child-{number}", flush=True)
        time.sleep(0.002)
    os._exit(0)
if way == "close":
    engine.close()
elif way == "leave":
    sys.exit()
elif way == "_exit":
    os._exit(0)
os.waitpid(child, 0)
"""
OTHERS = """
import sys, time
from orcodm import connect
from orcodm.operations import Put

url, number = sys.argv[1], sys.argv[2]
for round in range(12):
    engine = connect(url)
    engine.execute(Put(collection="c", key=f"other-{number}-{round}", value={}))
    print(f"other-{number}-{round}", flush=True)
    engine.close()
    time.sleep(0.005)
"""


@pytest.mark.parametrize("way", ["close", "leave", "_exit", "wait"])
def test_what_a_child_stored_is_there(tmp_path: Path, way: str) -> None:
    url = f"sqlite:///{tmp_path}/app.db?synchronous=NORMAL"
    run = [sys.executable, "-c"]
    programs = [subprocess.Popen([*run, PROGRAM, url, way, "60"], stdout=subprocess.PIPE, text=True)]
    programs += [
        subprocess.Popen([*run, OTHERS, url, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    acknowledged = {line for program in programs for line in program.communicate(timeout=60)[0].split()}
    assert len(acknowledged) == 60 + 24
    engine = connect(url)
    found = {item.key for page in pages(engine, List(collection="c", limit=100)) for item in page.results}
    assert acknowledged - found == set()
    assert [one for one in transfer.verify(engine) if isinstance(one, Flaw)] == []
    engine.close()


def pages(engine: Any, operation: Any) -> Any:
    while operation is not None:
        page = engine.execute(operation)
        yield page
        operation = page.next


def test_a_child_gets_to_write_while_the_parent_commits_without_a_pause(tmp_path: Path) -> None:
    program = """
import os, sys, threading, time
from orcodm import connect
from orcodm.operations import Put

engine = connect(sys.argv[1])
going = True
def write():
    number = 0
    while going:
        engine.execute(Put(collection="c", key=f"parent-{number % 50}", value={"n": number}))
        number += 1
thread = threading.Thread(target=write)
thread.start()
time.sleep(0.2)
child = os.fork()
if child == 0:
    began = time.monotonic()
    for number in range(20):
        engine.execute(Put(collection="c", key=f"child-{number}", value={}))
    print(time.monotonic() - began, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
going = False
thread.join()
"""
    url = f"sqlite:///{tmp_path}/app.db?synchronous=NORMAL"
    done = subprocess.run(
        # Newer Pythons warn of any fork beside threads.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seconds, status = done.stdout.split()
    assert float(seconds) < 8, done.stderr
    assert status == "0"
    assert done.stderr == ""


def test_a_child_of_a_fork_in_the_middle_of_an_operation_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FORK_SECONDS", 0.05)
    engine = connect(f"sqlite:///{tmp_path}/app.db")
    reading, writing = os.pipe()
    with engine._store.reading():
        child = os.fork()
        if child == 0:
            try:
                engine.execute(Put(collection="c", key="k", value={}))
            except StorageError as error:
                os.write(writing, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert b"forked in the middle of an operation" in os.read(reading, 1000)
    engine.execute(Put(collection="c", key="k", value={}))
    engine.close()
