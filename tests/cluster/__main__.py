"""`python -m tests.cluster`: a cluster that stands until this ends (Ctrl-C), for trying things by hand.

It prints the URL of the engine. Lines of the standard input are faults: `kill 0`, `start 0`, `pause 1`,
`resume 1`, `partition 0 12` (groups of nodes), `heal`, `mend`. `--direct` leaves out the links between the
nodes, and with them partitions: for measuring.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from .nodes import Cluster, running


def command(cluster: Cluster, line: str) -> None:
    name, *numbers = line.split() or [""]
    match name:
        case "kill" | "start" | "pause" | "resume":
            getattr(cluster, name)(*map(int, numbers))
        case "partition":
            cluster.partition(*(map(int, group) for group in numbers))
        case "heal" | "mend":
            getattr(cluster, name)()
        case _:
            print(__doc__)
            return
    print(f"{line.strip()}: done", flush=True)


def main(*options: str) -> None:
    linked = "--direct" not in options
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), linked=linked) as cluster:
        print(cluster.url, flush=True)
        print(f"for the tests: ORCODM_CLUSTER={cluster.url}", flush=True)
        for line in sys.stdin:
            command(cluster, line)
        signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit()
