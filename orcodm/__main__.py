"""The entry point of the command `orcodm`, and of `python -m orcodm`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say which packages it needs where these are not installed."""
    try:
        from .cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "orcodm").partition(".")[0] == "orcodm":
            raise
        sys.exit(f"orcodm: the command line needs more packages ({error}): pip install 'orcodm[cli]'")
    run()


if __name__ == "__main__":
    main()
