"""A proxy that loses answers, and a client that counts through it; each a process of its own.

`python -m tests.losing proxy HOST PORT` prints its own port. Every tenth answer of the server is not passed
on: the connection ends instead. `python -m tests.losing count URL NUMBER TIMES COUNTERS` adds to counters.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from orcodm.engines.attempts import Retries
from orcodm.engines.http import HTTPEngine
from orcodm.errors import Conflict
from orcodm.operations import Get, IfMatch, Put

EVERY = 10


async def proxy(host: str, port: int) -> None:
    """Pass bytes on, both ways; of every tenth answer, and of its connection, there is nothing more."""
    answers = count(1)

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(host, port)
        asked = False

        async def forth() -> None:
            nonlocal asked
            while request := await client.read(2**20):
                asked = True
                to_server.write(request)

        async def back() -> None:
            nonlocal asked
            while answer := await server.read(2**20):
                if asked and next(answers) % EVERY == 0:
                    return
                asked = False
                to_client.write(answer)

        both = [asyncio.create_task(forth()), asyncio.create_task(back())]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for way in both:
            way.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        to_client.close()
        to_server.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


def increment(engine: HTTPEngine, key: str) -> None:
    """Add one, as often as somebody else was faster."""
    while True:
        item = engine.execute(Get(collection="c", key=key))
        mine = Put(collection="c", key=key, value=item.value + 1, condition=IfMatch(item.ref))
        try:
            engine.execute(mine)
        except Conflict:
            continue
        return


def add(url: str, number: int, times: int, counters: int) -> None:
    engine = HTTPEngine(url, retries=Retries(attempts=20, first=0.001, longest=0.01))
    for turn in range(times):
        increment(engine, str((turn * 7 + number) % counters))
    engine.close()


def main(command: str, *given: str) -> None:
    if command == "proxy":
        asyncio.run(proxy(given[0], int(given[1])))
    else:
        add(given[0], *map(int, given[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
