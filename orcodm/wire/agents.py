"""What old clients expect, told by their `User-Agent`.

A relation had no ref before August 2015, and PUT of one was answered 204. Clients of that time take nothing
else for a success; later ones insist on 201.
"""

from __future__ import annotations

import re
from typing import Final

_JAVA: Final = re.compile(r"Orchestrate(?:Java)?Client/(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")
_LAST_JAVA_OF_204: Final = (0, 11, 0)
_OTHERS_OF_204: Final = re.compile(r"gorc2?/|Go 1\.\d+ package http|Go-http-client/|orchestrate-client v")
"""The clients in Go, by name or by that of their library, and npm's orchestrate-client."""


def expects_204(agent: str | None) -> bool:
    """Whether a client takes only 204 for the success of a PUT of a relation."""
    if agent is None:
        return False
    if java := _JAVA.match(agent):
        return tuple(int(number or 0) for number in java.groups()) <= _LAST_JAVA_OF_204
    return _OTHERS_OF_204.match(agent) is not None
