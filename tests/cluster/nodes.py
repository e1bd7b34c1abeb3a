"""An OpenSearch cluster on this machine: one process for each node, which can be killed, started, cut off.

The nodes bind to 127.0.0.1 on ports of their own; their data is in a folder, so that a node that was killed
finds it again. They end with whoever started them, however that ends: by their standard input.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from ..java import build, java_home

PROJECT = Path(__file__).parent / "java"
VERSION = 21
OPTIONS = (
    *("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true"),
    *("--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"),
)
# A node that says nothing is given up after some seconds instead of minutes, so that tests of that end soon.
SETTINGS = {
    "cluster.name": "orcodm-tests",
    "discovery.type": "zen",  # the runner would have single nodes
    "cluster.initial_cluster_manager_nodes": "n0,n1,n2",
    "cluster.fault_detection.follower_check.timeout": "3s",
    "cluster.fault_detection.follower_check.retry_count": "2",
    "cluster.fault_detection.leader_check.timeout": "3s",
    "cluster.fault_detection.leader_check.retry_count": "2",
    "cluster.publish.timeout": "10s",
    "cluster.follower_lag.timeout": "20s",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "transport.connect_timeout": "5s",
    "network.host": "127.0.0.1",
}


class Cluster:
    """Three nodes, numbered from 0.

    For measuring there is `linked=False`: connections that cannot be cut, and code that is compiled to the
    end, which costs twice the time to start.
    """

    def __init__(self, folder: Path, *, linked: bool = True) -> None:
        self.folder = folder
        home = java_home(VERSION)
        options = [*OPTIONS, *(["-XX:TieredStopAtLevel=1"] if linked else [])]
        self.command = [str(home / "bin" / "java"), *options, "-cp", build(PROJECT, folder / "project", home)]
        ports = iter(free_ports(9))
        self.http = [next(ports) for _ in range(3)]
        self.transport = [next(ports) for _ in range(3)]
        self.published = [next(ports) for _ in range(3)] if linked else self.transport
        self.nodes: list[subprocess.Popen[bytes] | None] = [None] * 3
        self.links = self._link() if linked else None
        self.groups = [[0, 1, 2]]

    @property
    def url(self) -> str:
        """What `connect` takes, with all nodes."""
        return "opensearch://" + ",".join(f"127.0.0.1:{port}" for port in self.http)

    @property
    def urls(self) -> list[str]:
        """Where each node answers HTTP."""
        return [f"http://127.0.0.1:{port}" for port in self.http]

    # -- faults ------------------------------------------------------------------------------------

    def start(self, *nodes: int) -> None:
        """Start nodes (all, without an argument) on the data they had, and wait until they have joined."""
        for node in nodes or range(3):
            self._start(node)
        self._arrange()
        self.wait()

    def kill(self, *nodes: int) -> None:
        """End nodes at once, as a power cut does."""
        for node in nodes:
            process = self.nodes[node]
            assert process is not None, f"node {node} is not running"
            end(process)
            self.nodes[node] = None

    def pause(self, *nodes: int) -> None:
        """Nodes stop where they are, and answer nobody, until `resume`."""
        self._signal(nodes, signal.SIGSTOP)

    def resume(self, *nodes: int) -> None:
        self._signal(nodes, signal.SIGCONT)

    def partition(self, *groups: Iterable[int]) -> None:
        """Only nodes of one group reach each other; each still answers its clients. `heal` ends it."""
        self.groups = [list(group) for group in groups]
        self._arrange()

    def heal(self) -> None:
        self.groups = [[0, 1, 2]]
        self._arrange()

    def mend(self) -> None:
        """Everything runs and is connected again, and every copy of every index is there."""
        self.resume(*self.running)
        self.heal()
        for node in set(range(3)) - set(self.running):
            self._start(node)
        self._arrange()
        self.wait("green")

    # -- looking -----------------------------------------------------------------------------------

    @property
    def running(self) -> list[int]:
        return [number for number, process in enumerate(self.nodes) if process is not None]

    def wait(self, status: str = "yellow", seconds: float = 300) -> None:
        """Wait until the running nodes have found each other, and indices have the status.

        A node that has died meanwhile is an AssertionError with the end of its output.
        """
        until = time.monotonic() + seconds
        while not self._is(status):
            for node in self.running:
                process = self.nodes[node]
                assert process is not None
                assert process.poll() is None, f"node {node} died: {self._log(node)}"
            assert time.monotonic() < until, f"the cluster is not {status} after {seconds} seconds"
            time.sleep(0.1)

    def _is(self, status: str) -> bool:
        """Does every running node say so?"""
        asked = {"wait_for_nodes": f">={len(self.running)}", "wait_for_status": status, "timeout": "1s"}
        urls = [f"{self.urls[node]}/_cluster/health" for node in self.running]
        try:
            return all(httpx.get(url, params=asked, timeout=5).status_code == 200 for url in urls)
        except httpx.TransportError:
            return False

    def _log(self, node: int) -> str:
        return self._output(node).read_text(errors="replace")[-3000:]

    # -- processes ---------------------------------------------------------------------------------

    def close(self) -> None:
        """End everything; the folder is the caller's."""
        for process in (*self.nodes, self.links):
            if process is not None:
                end(process)

    def _start(self, node: int) -> None:
        assert self.nodes[node] is None, f"node {node} is running"
        settings = {
            **SETTINGS,
            "node.name": f"n{node}",
            "http.port": self.http[node],
            "transport.port": self.transport[node],
            "transport.publish_port": self.published[node],
            "discovery.seed_hosts": ",".join(f"127.0.0.1:{port}" for port in self.published),
        }
        given = [f"{name}={value}" for name, value in settings.items()]
        with self._output(node).open("ab") as output:
            self.nodes[node] = subprocess.Popen(
                [*self.command, "orcodm.Node", str(self.folder / f"n{node}"), *given],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _output(self, node: int) -> Path:
        return self.folder / f"n{node}.log"

    def _link(self) -> subprocess.Popen[bytes]:
        pairs = [f"{listen}:{port}" for listen, port in zip(self.published, self.transport, strict=True)]
        links = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.links", *pairs],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert links.stdout is not None
        assert links.stdout.readline(), "the links ended"
        return links

    def _arrange(self) -> None:
        """Tell the links which process is which node, and who may reach whom."""
        if self.links is None:
            assert len(self.groups) == 1, "a cluster that is not linked cannot be cut"
            return
        pids = [process and process.pid for process in self.nodes]
        assert self.links.stdin is not None
        assert self.links.stdout is not None
        self.links.stdin.write(json.dumps({"pids": pids, "groups": self.groups}).encode() + b"\n")
        self.links.stdin.flush()
        assert self.links.stdout.readline(), "the links ended"

    def _signal(self, nodes: Iterable[int], number: signal.Signals) -> None:
        for node in nodes:
            process = self.nodes[node]
            assert process is not None, f"node {node} is not running"
            os.kill(process.pid, number)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Cluster]:
    """A cluster in an empty folder, started; it ends with the block."""
    cluster = Cluster(folder, **options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, outside the range from which systems take the near ends of connections.

    A node that is started again needs the port it had; no connection may have taken it meanwhile.
    """
    found: list[int] = []
    for port in random.sample(range(15000, 32000), 1000):
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")
