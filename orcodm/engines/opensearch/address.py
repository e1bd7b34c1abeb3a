"""The address of a cluster: an engine URL, taken apart."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import field, frozen

from ...errors import InvalidURL

PREFIX: Final = "orcodm"
FIELDS: Final = 4_000
"""How many fields the index may have: OpenSearch's own default is 1,000. Each takes memory of every node."""
SECONDS: Final = 30.0

_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,99}")
_FORM: Final = "opensearch[s]://[user:password@]host[:9200][,host...][/prefix][?option=...]"


@frozen(kw_only=True)
class Address:
    """Where the cluster is, how to be let in, and how its index is to be made where there is none yet.

    `replicas` and `shards` None are chosen by the number of nodes. `fresh` has each search see everything
    that was committed before it, also by other engines.
    """

    hosts: tuple[str, ...]
    prefix: str
    client: dict[str, Any] = field(repr=False)
    shards: int | None = None
    replicas: int | None = None
    fields: int = FIELDS
    fresh: bool = False
    timeout: float = SECONDS

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return f"opensearch://{','.join(self.hosts)}/{self.prefix}"


_NUMBERS: Final = {"shards": (1, 1024), "replicas": (0, 64), "fields": (100, 100_000)}
_FILES: Final = {"ca": "ca_certs", "cert": "client_cert", "key": "client_key"}
_WORDS: Final = {"true": True, "false": False}


def read_address(url: str, **options: Any) -> Address:
    """The address that a URL is. Options of the URL and keyword arguments mean the same.

    They are `shards`, `replicas`, `fields` (at most so many in the index), `fresh` (true or false), `timeout`
    (seconds), and with TLS `ca`, `cert`, `key` (files) and `verify` (false to trust any certificate). Raises
    `InvalidURL`.
    """
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise InvalidURL(f"the engine URL cannot be read ({error}); it has the form {_FORM}") from None
    credentials, _, places = parts.netloc.rpartition("@")
    hosts = tuple(_host(place) for place in places.split(","))
    prefix = unquote(parts.path.strip("/")) or PREFIX
    if not _PREFIX.fullmatch(prefix):
        raise _wrong(
            "the prefix",
            prefix,
            "lower-case letters, digits, _ . + and -, beginning with one of the first two",
        )
    if parts.fragment:
        raise _wrong("what follows #", parts.fragment, "nothing")
    given |= {
        name: str(value).lower() if type(value) is bool else str(value) for name, value in options.items()
    }
    client: dict[str, Any] = {
        "hosts": [{"host": host.strip("[]"), "port": port} for host, port in hosts],
    }
    if credentials:
        user, _, password = credentials.partition(":")
        client["http_auth"] = (unquote(user), unquote(password))
    if parts.scheme == "opensearchs":
        client |= {"use_ssl": True, "verify_certs": _flag("verify", given), "ssl_show_warn": False}
        client |= {name: given.pop(option) for option, name in _FILES.items() if option in given}
    address = Address(
        hosts=tuple(f"{host}:{port}" for host, port in hosts),
        prefix=prefix,
        client=client,
        fresh=_flag("fresh", given, "false"),
        timeout=_seconds(given.pop("timeout", str(SECONDS))),
        **{name: _number(name, given.pop(name)) for name in _NUMBERS if name in given},
    )
    if given:
        raise _wrong(
            "the option",
            ", ".join(given),
            f"one of {', '.join((*_NUMBERS, 'fresh', 'timeout'))}"
            " or, with opensearchs, ca, cert, key, verify",
        )
    return address


def _host(place: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port or 9200
    except ValueError:
        raise _wrong("the host", place, "a name or an address, and perhaps a port") from None
    if not parts.hostname:
        raise _wrong("the host", place, "a name or an address, and perhaps a port")
    return (f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname), port


def _number(name: str, text: str) -> int:
    least, most = _NUMBERS[name]
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
        raise _wrong(name, text, f"a number from {least} to {most}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise _wrong("timeout", text, "a number of seconds")
    return seconds


def _flag(name: str, given: dict[str, str], default: str = "true") -> bool:
    text = given.pop(name, default)
    if text not in _WORDS:
        raise _wrong(name, text, "true or false")
    return _WORDS[text]


def _wrong(what: str, value: str, expected: str) -> InvalidURL:
    # Never the whole URL, which may have a password in it.
    return InvalidURL(f"{what} of the engine URL is {value!r}: it should be {expected}. The form is {_FORM}")
