"""The connections between the nodes of a cluster, which can be cut and mended.

Every node publishes, instead of its own port, one of this process, which passes all bytes on. Who connects is
known by the process that owns the socket, so that a cut has two sides. What is cut is not closed: bytes and
new connections wait, as they do for packets that a network loses, and go on when it is mended.

`python -m tests.cluster.links LISTEN:TARGET ...` has one pair of ports for each node, and reads lines of
JSON: `{"pids": [...], "groups": [[0], [1, 2]]}`; nodes of one group reach each other. It answers each with an
empty line, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

Way = tuple[int, int]


class Links:
    """What passes between the nodes, each by its number."""

    def __init__(self) -> None:
        self.pids: list[int | None] = []
        self.gates: defaultdict[Way, asyncio.Event] = defaultdict(_open)

    def arrange(self, pids: list[int | None], groups: list[list[int]]) -> None:
        """From now on nodes of one group reach each other, and no other node."""
        self.pids = pids
        group = {node: number for number, nodes in enumerate(groups) for node in nodes}
        for source in range(len(pids)):
            for target in range(len(pids)):
                gate = self.gates[source, target]
                (gate.set if group[source] == group[target] else gate.clear)()

    async def serve(self, listen: int, target: int, port: int) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            source = self.owner(writer.get_extra_info("peername")[1], listen)
            if source is None:  # gone already, or unknown: a node tries again
                writer.transport.abort()
                return
            there, back = self.gates[source, target], self.gates[target, source]
            await there.wait()
            try:
                other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:  # the node is dead: so is the connection
                writer.transport.abort()
                return
            ways = [
                asyncio.create_task(passing(reader, other_writer, there)),
                asyncio.create_task(passing(other_reader, writer, back)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            other_writer.transport.abort()

        await asyncio.start_server(connected, "127.0.0.1", listen)

    def owner(self, port: int, listen: int) -> int | None:
        """The number of the node that connects from a port to another; None for anybody else."""
        ends = [f"{port:04X}", f"{listen:04X}"]  # a port may be that of other, older connections as well
        inode = next((row[9] for row in _sockets() if [end[-4:] for end in row[1:3]] == ends), None)
        for node, pid in enumerate(self.pids):
            if pid is not None and f"socket:[{inode}]" in _files(pid):
                return node
        return None


def _open() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    while data := await reader.read(2**18):
        await gate.wait()
        writer.write(data)
        await writer.drain()


def _sockets() -> list[list[str]]:
    """The rows of the system's table of connections. Nodes prefer IPv4, so this one has them all."""
    return [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]


def _files(pid: int) -> set[str]:
    """What the file descriptors of a process are open on."""
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    except OSError:  # closed meanwhile
        pass
    return found


async def main(*pairs: str) -> None:
    links = Links()
    for number, pair in enumerate(pairs):
        listen, _, port = pair.partition(":")
        await links.serve(int(listen), number, int(port))
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(flush=True)
    while line := await commands.readline():
        command: dict[str, Any] = json.loads(line)
        links.arrange(**command)
        print(flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
