"""The command line: serve, search, list, get, put, delete, insert, export, import, reindex, verify, keys.

On a terminal the output is for people, in a pipe it is JSON, one value a line. Errors are one line on the
standard error stream. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 flaws were found.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from . import transfer
from .engine import Engine
from .engines.connect import connect
from .errors import InvalidFile, OrcodmError, UsageError
from .operations import Condition, Delete, Get, IfAbsent, IfMatch, List, Put, Search, SearchResult
from .terminal import show
from .values import encode, read
from .wire.bodies import write_aggregate, write_result
from .wire.clauses import read_aggregates, read_sort

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Documents with history, search, events and relations.\n\nURL is an engine: memory:, "
    "sqlite:///app.db, https://KEY@host, opensearch://host:9200.",
)
keys_app = typer.Typer(no_args_is_help=True, help="The API keys of a server, in a file of hashes.")
app.add_typer(keys_app, name="keys")

Url = Annotated[str, typer.Argument(metavar="URL", help="The engine, such as sqlite:///app.db")]
Collections = Annotated[list[str] | None, typer.Argument(help="Collections; all where none is named")]
Reject = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A new file for the lines that cannot be stored")
]
KeysFile = Annotated[Path, typer.Option("--keys", help="The file with the hashes of the keys")]

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """The entry point of the command `orcodm`."""
    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OrcodmError as error:
        _fail(str(error), 1)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except BrokenPipeError:
        # Who reads has enough (`| head`). What is buffered still would be written at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(str(error), 1)
    except Exception as error:
        show = getattr(error, "format_message", None)
        if show is None:
            raise
        _fail(f"{show()} (orcodm --help tells more)", getattr(error, "exit_code", 2))
    if code == 130:  # what typer makes of Ctrl-C
        _fail("interrupted", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    print("orcodm: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"orcodm {version('orcodm')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version, and end"),
    ] = False,
) -> None:
    pass


@contextmanager
def _opened(url: str, create: bool = False) -> Iterator[Engine]:
    """The engine of a command. Only one that writes may make a file: a mistyped name is an error."""
    options = {"create": False} if url.partition(":")[0].lower() == "sqlite" and not create else {}
    engine = connect(url, **options)
    try:
        yield engine
    finally:
        engine.close()


# -- serve -----------------------------------------------------------------------------------------


@app.command()
def serve(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", envvar="ORCODM_URL", help="The engine, such as sqlite:///app.db"),
    ],
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free")] = 8080,
    host: Annotated[str, typer.Option(help="The address; 0.0.0.0 for all")] = "127.0.0.1",
    api_key: Annotated[
        list[str] | None,
        typer.Option(envvar="ORCODM_API_KEY", help="A key that sees the whole database; repeat for more"),
    ] = None,
    keys: Annotated[Path | None, typer.Option(help="The file of `orcodm keys`")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes")] = 1,
    tls_cert: Annotated[Path | None, typer.Option(help="The certificate chain, for HTTPS")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key")] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="An origin whose pages may ask from browsers, * for all; repeat for more"),
    ] = None,
    relation_status: Annotated[
        int | None,
        typer.Option(help="What PUT of a relation answers, 201 or 204; by the client's User-Agent without"),
    ] = None,
    max_body: Annotated[int, typer.Option(help="The largest body, in bytes")] = 32 * 2**20,
    patience: Annotated[
        float, typer.Option(help="Seconds a client has for the head of a request, and as many for its body")
    ] = 60.0,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds until a stopped server ends, requests under way or not")
    ] = 10.0,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Serve an engine over Orchestrate v0.

    Keys in the environment (ORCODM_API_KEY, ORCODM_URL) are seen by fewer than those of a command line.

    \b
    orcodm serve sqlite:///app.db --port 8080 --api-key KEY
    orcodm serve sqlite:///app.db --keys keys.json --workers 4 --tls-cert c.pem --tls-key k.pem
    """
    try:
        import uvicorn
        from uvicorn.supervisors import Multiprocess
    except ModuleNotFoundError as error:
        raise UsageError(f"serving needs more packages ({error}): pip install 'orcodm[server]'") from error
    from . import worker
    from .server.keys import ApiKey, Keys, hashed
    from .server.requests import Limits

    for name in ("ORCODM_API_KEY", "ORCODM_URL"):
        os.environ.pop(name, None)  # not for the workers and whatever else is started
    for name, file in (("--keys", keys), ("--tls-cert", tls_cert), ("--tls-key", tls_key)):
        if file is not None and not file.is_file():
            raise typer.BadParameter(f"{name}: there is no file {file}")
    _check_certificate(tls_cert, tls_key)
    if relation_status not in (None, 201, 204):
        raise typer.BadParameter(f"--relation-status is 201 or 204, not {relation_status}")
    given = tuple(ApiKey(hashed(key)[:8], hashed(key), "") for key in api_key or ())
    is_open = not given and keys is None
    if is_open and host not in ("127.0.0.1", "::1", "localhost"):
        raise typer.BadParameter(
            "without --api-key or --keys everybody could read and write; serve on 127.0.0.1"
        )
    if workers > 1 and url.startswith("memory:"):
        raise typer.BadParameter("memory: belongs to one process; serve a file with several workers")
    if keys is not None:
        Keys(path=keys)  # errors show here, and not in a worker
    limits = Limits(body=max_body, seconds=patience)
    settings = worker.Settings(
        url=url,
        keys=None if is_open else given,
        keys_path=None if keys is None else str(keys.resolve()),
        limits=limits,
        log_level=log_level,
        cors=tuple(cors or ()),
        relation_status=relation_status,
        grace=grace,
    )
    options = worker.options(limits, grace) | {"ssl_certfile": tls_cert, "ssl_keyfile": tls_key}
    worker.start_logging(log_level)
    if workers == 1:
        config = uvicorn.Config(settings(), **options)
    else:
        connect(url).close()  # errors show here, once, and not in every worker
        config = uvicorn.Config(settings, factory=True, workers=workers, **options)
    listening = worker.listen(host, port)
    address = worker.address(listening, tls_cert is not None)
    print(f"orcodm serves at {address}", flush=True)
    if is_open:
        print(
            f"orcodm: there is no API key: whoever reaches {address} can read and change everything",
            file=sys.stderr,
            flush=True,
        )
    if workers == 1:
        uvicorn.Server(config).run([listening])
        return
    supervise: Any = Multiprocess
    # The supervisor of older versions has to be told what its processes run.
    told = {"target": uvicorn.Server(config).run} if "target" in signature(Multiprocess).parameters else {}
    supervise(config, sockets=[listening], **told).run()


def _check_certificate(chain: Path | None, key: Path | None) -> None:
    if chain is None:
        if key is not None:
            raise typer.BadParameter("--tls-key goes with --tls-cert, the certificate chain")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
    except (ssl.SSLError, OSError) as error:
        raise typer.BadParameter(
            f"{chain} and {key or 'the key in it'} make no certificate: {error}"
        ) from error


# -- read ------------------------------------------------------------------------------------------


@app.command()
def search(
    url: Url,
    collection: Annotated[str, typer.Argument(help="A collection, or * for all")],
    query: Annotated[str, typer.Argument(help="A Lucene query")],
    limit: Annotated[
        int | None, typer.Option(help="How many results; 10 without, or none beside aggregates")
    ] = None,
    offset: Annotated[int, typer.Option(help="How many to leave out before them")] = 0,
    sort: Annotated[str, typer.Option(help="field:asc or field:desc, divided by commas")] = "",
    aggregate: Annotated[
        list[str] | None,
        typer.Option(
            "--aggregate",
            "-a",
            help="What to count over all matches: field:stats, field:top_values, field:time_series:month, "
            "field:range:*~18:18~*, field:distance:0~1:1~*; repeat for more",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value a line, as in a pipe")] = False,
) -> None:
    """Find what matches a query; count it in tables and histograms.

    \b
    orcodm search sqlite:///app.db users 'name:ada AND age:[30 TO *]' --sort value.age:desc
    orcodm search sqlite:///app.db users '*' -a value.age:stats -a value.joined:time_series:month
    orcodm search sqlite:///app.db users 'home:NEAR:{lat:51.5 lon:0 dist:99km}' -a home:distance:0~9:9~99
    orcodm search sqlite:///app.db '*' '@path.kind:event AND ip:"::1"' | jq .value
    """
    operation = Search(
        collection=None if collection == "*" else collection,
        query=query,
        limit=(0 if aggregate else 10) if limit is None else limit,
        offset=offset,
        sort=read_sort(sort, query) if sort else (),
        aggregates=[asked for text in aggregate or () for asked in read_aggregates(text)],
    )
    with _opened(url) as engine:
        page = engine.execute(operation)
    if as_json or not _out.is_terminal:
        for value in (*map(write_result, page.results), *map(write_aggregate, page.aggregates)):
            _write(value)
        return
    if operation.limit:
        _show(page.results)
    for counted in page.aggregates:
        _out.print(show(counted), "", sep="\n")
    _err.print(f"{len(page.results)} of {page.total} results", style="dim")


@app.command()
def get(
    url: Url,
    collection: str,
    key: str,
    ref: Annotated[str | None, typer.Option(help="A version, in place of the current one")] = None,
) -> None:
    """Show the value at a key.

    \b
    orcodm get sqlite:///app.db users ada
    """
    with _opened(url) as engine:
        item = engine.execute(Get(collection=collection, key=key, ref=ref))
    if _out.is_terminal:
        _out.print_json(encode(item.value).decode())
        _err.print(f"ref {item.ref}", style="dim")
    else:
        _write(item.value)


@app.command("list")
def list_(
    url: Url,
    collection: str,
    limit: Annotated[int | None, typer.Option(min=1, help="How many items; all without")] = None,
    start: Annotated[str | None, typer.Option(help="The first key")] = None,
    after: Annotated[str | None, typer.Option(help="The key before the first")] = None,
    before: Annotated[str | None, typer.Option(help="The key behind the last")] = None,
    end: Annotated[str | None, typer.Option(help="The last key")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value a line, as in a pipe")] = False,
) -> None:
    """Show the items of a collection in the order of their keys.

    \b
    orcodm list sqlite:///app.db users
    orcodm list sqlite:///app.db users --start a --before b | jq -r .path.key
    """
    shown = 0
    with _opened(url) as engine:
        at_once = min(LISTED_AT_ONCE, engine.capabilities.max_limit)
        page: Any = List(
            collection=collection,
            limit=min(at_once, limit or at_once),
            start=start,
            after=after,
            before=before,
            end=end,
        )
        while page is not None:
            found = engine.execute(page)
            results = found.results if limit is None else found.results[: limit - shown]
            if as_json or not _out.is_terminal:
                for item in results:
                    _write(write_result(item))
            elif results or not shown:
                _show(results, headed=not shown)
            shown += len(results)
            page = found.next if limit is None or shown < limit else None


LISTED_AT_ONCE: Final = 100
"""How many items `list` reads at once."""


def _show(results: Iterable[SearchResult], headed: bool = True) -> None:
    table = Table("collection", "key", "value", "score", box=None, show_header=headed)
    for result in results:
        # As `Text`, so that brackets in the data are no marks.
        cells = (result.collection, result.key, encode(result.value).decode())
        table.add_row(*map(Text, cells), "" if result.score is None else f"{result.score:.2f}")
    _out.print(table)


def _write(value: Any) -> None:
    sys.stdout.buffer.write(encode(value) + b"\n")


# -- write -----------------------------------------------------------------------------------------

IfMatchRef = Annotated[
    str | None, typer.Option("--if-match", metavar="REF", help="Only where this is the current version")
]


@app.command()
def put(
    url: Url,
    collection: str,
    key: str,
    value: Annotated[str, typer.Argument(help="The value as JSON; - for standard input")] = "-",
    if_match: IfMatchRef = None,
    new: Annotated[bool, typer.Option("--new", help="Only where there is nothing yet")] = False,
) -> None:
    """Store a value at a key, and show its path with the new ref.

    A file that is not there is made.

    \b
    orcodm put sqlite:///app.db users ada '{"name": "Ada"}'
    orcodm get sqlite:///app.db users ada | jq '.age = 37' | orcodm put sqlite:///app.db users ada
    """
    if new and if_match is not None:
        raise typer.BadParameter("--new is for keys without a value, --if-match for those with one")
    if value == "-":
        with _input(Path("-")) as source:
            text = source.read()
    else:
        text = os.fsencode(value)
    try:
        given = read(text)
    except ValueError as error:
        raise typer.BadParameter(f"the value is no JSON: {error}") from error
    condition: Condition = IfAbsent() if new else _matching(if_match)
    operation = Put(collection=collection, key=key, value=given, condition=condition)
    with _opened(url, create=True) as engine:
        written = engine.execute(operation)
    _write({"collection": collection, "key": key, "ref": written.ref})


@app.command()
def delete(
    url: Url,
    collection: str,
    key: str,
    if_match: IfMatchRef = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove the history as well")] = False,
) -> None:
    """Delete the value at a key. Its history stays, and deleting what is not there is no error.

    \b
    orcodm delete sqlite:///app.db users ada
    """
    operation = Delete(collection=collection, key=key, condition=_matching(if_match), purge=purge)
    with _opened(url) as engine:
        engine.execute(operation)


def _matching(ref: str | None) -> Condition:
    return None if ref is None else IfMatch(ref)


@app.command()
def insert(
    url: Url,
    collection: str,
    file: Annotated[Path, typer.Argument(help="JSON objects, one a line; - for standard input")] = Path("-"),
    key: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="The member that is the key; generated keys without")
    ] = None,
    upsert: Annotated[bool, typer.Option("--upsert", help="Replace what is there under a key")] = False,
    reject: Reject = None,
) -> None:
    """Store plain JSON objects as items, one object a line.

    A key that has another value already is an error of its line, unless --upsert is given. The file may be
    packed by gzip, bzip2, xz or zstd.

    \b
    orcodm insert sqlite:///app.db users users.jsonl --key id
    jq -c '.[]' users.json | orcodm insert sqlite:///app.db users --key email --upsert
    """
    if upsert and key is None:
        raise typer.BadParameter("--upsert goes with --key: generated keys are always new")
    with _input(file) as source, _Rejected(reject) as rejected:
        size = file.stat().st_size if file.is_file() else None
        with _opened(url, create=True) as engine, _progress("inserting", size, DownloadColumn()) as advance:
            remedy = "" if key is None else "; run the same command again to go on"
            loaded = transfer.insert(engine, collection, source, key=key, upsert=upsert)
            _take(loaded, rejected, remedy, lambda: advance(completed=source.tell()) if size else None)


# -- move ------------------------------------------------------------------------------------------


@contextmanager
def _progress(what: str, total: int | None, unit: ProgressColumn | None = None) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), unit or MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=_err, disable=not _err.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda steps=1, **more: progress.update(task, **(more or {"advance": steps}))


@app.command("export")
def export_(
    url: Url,
    collections: Collections = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; standard output without")
    ] = None,
    history: Annotated[bool, typer.Option(help="Every version, or the current ones only")] = True,
    resume: Annotated[bool, typer.Option(help="Go on where an export to the same file stopped")] = False,
) -> None:
    """Write items with their history, events and relations as JSON Lines.

    \b
    orcodm export sqlite:///app.db -o backup.jsonl
    orcodm export https://KEY@host -o backup.jsonl --resume
    orcodm export https://KEY@host users films --no-history | gzip > films.jsonl.gz
    """
    chosen = tuple(collections or ())
    with _opened(url) as engine:
        in_parts = history and engine.capabilities.records
        if resume and (output is None or not in_parts):
            raise typer.BadParameter("only an export with history, to a file, from our engines can go on")
        # How many versions there are is known at the end.
        total = None if in_parts else transfer.count(engine, chosen)
        with _progress("exporting", total) as advance:
            if output is None:
                _copy(transfer.export(engine, chosen, history=history), sys.stdout.buffer, advance)
            elif in_parts:
                _export_in_parts(engine, chosen, output, resume, advance)
            else:
                partial = _beside(output, "partial")
                with partial.open("wb") as file:
                    _copy(transfer.export(engine, chosen, history=history), file, advance)
                partial.replace(output)


def _export_in_parts(
    engine: Engine, collections: tuple[str, ...], output: Path, resume: bool, advance: Any
) -> None:
    """Export records to a file that is complete or not there at all; what there is of it can be gone on from.

    Beside the part stands how far it is, so that a part of a line, or a page that was not yet written down,
    is cut off again.
    """
    partial, note = _beside(output, "partial"), _beside(output, "place")
    place, size = transfer.BEGINNING, 0
    if resume and partial.exists() and note.exists():
        noted = json.loads(note.read_text())
        if noted["collections"] != list(collections):
            raise typer.BadParameter(f"{partial} is of other collections: {noted['collections']}")
        place, size = (noted["place"][0], noted["place"][1]), noted["size"]
    incomplete: transfer.Incomplete | None = None
    with partial.open("r+b" if size else "wb") as file:
        file.truncate(size)
        file.seek(size)
        try:
            for lines, behind in transfer.pages(engine, collections, place):
                file.writelines(lines)
                file.flush()
                told = {"collections": collections, "place": behind, "size": file.tell()}
                fresh = _beside(note, "new")
                fresh.write_text(json.dumps(told))
                fresh.replace(note)
                advance(len(lines))
        except transfer.Incomplete as error:
            incomplete = error
    partial.replace(output)
    note.unlink(missing_ok=True)
    if incomplete is not None:
        raise incomplete


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


def _copy(lines: Iterable[bytes], file: BinaryIO, advance: Any) -> None:
    for line in lines:
        file.write(line)
        advance()


@app.command("import")
def import_(
    url: Url,
    file: Annotated[Path, typer.Argument(help="The file; - for standard input")],
    reject: Reject = None,
) -> None:
    """Read what `export` wrote. What is there already is left alone, so it can be run again.

    The file may be packed by gzip, bzip2, xz or zstd.

    \b
    orcodm import sqlite:///copy.db backup.jsonl
    orcodm import sqlite:///copy.db backup.jsonl.gz --reject bad.jsonl
    """
    with _input(file) as source, _Rejected(reject) as rejected:
        lines = transfer.entries(source)  # what is no export is refused before a file is made
        size = file.stat().st_size if file.is_file() else None
        with _opened(url, create=True) as engine, _progress("importing", size, DownloadColumn()) as advance:
            remedy = "; run the same command again to go on: what is stored is left alone"
            loaded = transfer.store(engine, lines)
            _take(loaded, rejected, remedy, lambda: advance(completed=source.tell()) if size else None)


def _take(
    loaded: Iterable[transfer.Loaded], rejected: _Rejected, remedy: str, advance: Callable[[], None]
) -> None:
    """Let lines be stored, and tell what became of them. Exits with 1 where some failed."""
    counts = {"written": 0, "there already": 0}
    last = 0
    try:
        for number, one in enumerate(loaded):
            last = max(last, one.line)
            if one.error is None:
                counts["written" if one.written else "there already"] += 1
            elif isinstance(one.error, InvalidFile):
                rejected(str(one.error), one.text)
            else:
                rejected(f"line {one.line}: {one.error}", one.text)
            if number % 100 == 0:
                advance()
        advance()
    except (OrcodmError, KeyboardInterrupt):
        _tell(counts, rejected.count)
        print(f"orcodm: stopped after line {last}{remedy}", file=sys.stderr)
        raise
    rejected.close()
    _tell(counts, rejected.count)
    if rejected.count:
        raise typer.Exit(1)


def _tell(counts: dict[str, int], failed: int) -> None:
    print(
        ", ".join(f"{count} {what}" for what, count in (counts | {"failed": failed}).items()), file=sys.stderr
    )


@contextmanager
def _input(file: Path) -> Iterator[BinaryIO]:
    """The file that a command reads, or standard input."""
    if str(file) != "-":
        try:
            opened = file.open("rb")
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from error
        with opened:
            yield opened
    elif sys.stdin is None:
        raise UsageError("- is standard input, which is closed; name a file")
    else:
        yield sys.stdin.buffer


class _Rejected:
    """The lines that failed: the first are told, all are kept in a new file where one is named."""

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._closed = False
        self._path = path
        try:
            self._file = None if path is None else path.open("xb")
        except FileExistsError as error:
            raise UsageError(f"{path} exists already; name another file for the lines that fail") from error

    def __call__(self, reason: str, text: bytes) -> None:
        self.count += 1
        if self.count <= ERRORS_SHOWN:
            print("orcodm: " + " ".join(reason.split()), file=sys.stderr)
        if self._file is not None and text:
            self._file.write(text.rstrip(b"\r\n") + b"\n")

    def __enter__(self) -> _Rejected:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Tell how many more failed; a file that got no line is taken away again."""
        if self._closed:
            return
        self._closed = True
        if self._file is not None and self._path is not None:
            self._file.close()
            if not self._path.stat().st_size:
                self._path.unlink()
        if self.count > ERRORS_SHOWN:
            kept = "--reject FILE keeps them" if self._path is None else f"{self._path} has all of them"
            print(f"orcodm: and {self.count - ERRORS_SHOWN} more lines failed; {kept}", file=sys.stderr)


ERRORS_SHOWN: Final = 10
"""How many lines that failed are told one by one."""


@app.command()
def reindex(url: Url) -> None:
    """Make the search index anew from the data.

    \b
    orcodm reindex sqlite:///app.db
    """
    with _opened(url) as engine:
        anew = getattr(engine, "reindex", None)
        if anew is None:
            raise UsageError(f"{engine!r} keeps its index by itself; ask where the data is")
        anew()


@app.command()
def verify(url: Url, collections: Collections = None) -> None:
    """Walk every ref chain, and see that search agrees with the data.

    \b
    orcodm verify sqlite:///app.db
    """
    items = flaws = 0
    with _opened(url) as engine, _progress("verifying", None) as advance:
        for found in transfer.verify(engine, collections or ()):
            if isinstance(found, transfer.Flaw):
                flaws += 1
                print(f"{found.collection}/{found.key}: {found.reason}")
            else:
                items += 1
                advance()
    print(f"{items} items verified, {flaws} flaws", file=sys.stderr)
    if flaws:
        raise typer.Exit(3)


# -- keys ------------------------------------------------------------------------------------------


@keys_app.command("create")
def create_key(
    keys: KeysFile,
    application: Annotated[
        str, typer.Option(help="Whose collections the key sees; empty: the whole database")
    ] = "default",
) -> None:
    """Make a key, and show it this once.

    \b
    orcodm keys create --keys keys.json --application shop
    """
    from .server.keys import Keys

    key, entry = Keys(path=keys).create(application)
    _out.print(key)
    _err.print(f"id {entry.id}, application {application or 'the whole database'}", style="dim")


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise UsageError(f"no such file: {file.absolute()}")
    return file


@keys_app.command("list")
def list_keys(keys: KeysFile) -> None:
    """Show the keys that are known, not the keys themselves."""
    from .server.keys import Keys

    entries = list(Keys(path=_existing(keys)))
    if not _out.is_terminal:
        for entry in entries:
            _write({"id": entry.id, "application": entry.application, "created": entry.created})
        return
    table = Table("id", "application", box=None)
    for entry in entries:
        table.add_row(entry.id, entry.application or "(the whole database)")
    _out.print(table)


@keys_app.command("revoke")
def revoke_key(identifier: Annotated[str, typer.Argument(metavar="ID")], keys: KeysFile) -> None:
    """Make a key useless. A running server knows within a second."""
    from .server.keys import Keys

    entry = Keys(path=_existing(keys)).revoke(identifier)
    _err.print(f"revoked {entry.id}", style="dim")


if __name__ == "__main__":
    main()
