"""Addresses of clusters: what an engine URL may say, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from orcodm.engines.connect import connect
from orcodm.engines.opensearch.address import FIELDS, PREFIX, read_address
from orcodm.errors import InvalidURL


@pytest.mark.parametrize(
    ("url", "hosts", "prefix"),
    [
        ("opensearch://h1:9200,h2:9201,h3", ("h1:9200", "h2:9201", "h3:9200"), PREFIX),
        ("opensearch://h1/films", ("h1:9200",), "films"),
        ("opensearch://h1/", ("h1:9200",), PREFIX),
        ("opensearch://[::1]:9300,10.0.0.1", ("[::1]:9300", "10.0.0.1:9200"), PREFIX),
    ],
)
def test_hosts_and_prefix(url: str, hosts: tuple[str, ...], prefix: str) -> None:
    address = read_address(url)
    assert (address.hosts, address.prefix, address.fields, address.fresh) == (hosts, prefix, FIELDS, False)


def test_options_of_the_url_and_arguments_mean_the_same() -> None:
    said = read_address("opensearch://h/p?shards=3&replicas=0&fields=200&fresh=true&timeout=2.5")
    assert said == read_address("opensearch://h/p", shards=3, replicas=0, fields=200, fresh=True, timeout=2.5)
    assert (said.shards, said.replicas, said.fields, said.fresh, said.timeout) == (3, 0, 200, True, 2.5)


def test_credentials_and_certificates_are_for_the_client_alone() -> None:
    url = "opensearchs://ada:p%40ss%3Aword@h:9200/p?ca=/ca.pem&cert=/me.pem&key=/me.key&verify=true"
    address = read_address(url)
    assert address.client["http_auth"] == ("ada", "p@ss:word")
    assert address.client["use_ssl"]
    assert address.client["verify_certs"]
    named = {name: address.client[name] for name in ("ca_certs", "client_cert", "client_key")}
    assert named == {"ca_certs": "/ca.pem", "client_cert": "/me.pem", "client_key": "/me.key"}
    engine = connect(url)
    for shown in (repr(address), repr(engine), address.shown):
        assert "p@ss" not in shown
        assert "ada" not in shown


@pytest.mark.parametrize(
    ("url", "options", "word"),
    [
        ("opensearch://", {}, "host"),
        ("opensearch://h1,,h2", {}, "host"),
        ("opensearch://h:port", {}, "host"),
        ("opensearch://h:99999", {}, "host"),
        ("opensearch://h/Upper", {}, "prefix"),
        ("opensearch://h/a/b", {}, "prefix"),
        ("opensearch://h/_x", {}, "prefix"),
        ("opensearch://h?shards=0", {}, "shards"),
        ("opensearch://h?shards=many", {}, "shards"),
        ("opensearch://h?replicas=-1", {}, "replicas"),
        ("opensearch://h?fields=5", {}, "fields"),
        ("opensearch://h?timeout=0", {}, "timeout"),
        ("opensearch://h?timeout=nan", {}, "timeout"),
        ("opensearch://h?fresh=maybe", {}, "fresh"),
        ("opensearch://h?huh=1", {}, "huh"),
        ("opensearch://h", {"huh": 1}, "huh"),
        ("opensearch://h?ca=/ca.pem", {}, "ca"),
        ("opensearch://h#x", {}, "#"),
    ],
)
def test_what_is_no_address_is_refused(url: str, options: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        connect(url, **options)
    assert word in str(caught.value)
    assert "opensearch[s]://" in str(caught.value)


def test_a_refusal_does_not_tell_the_password() -> None:
    with pytest.raises(InvalidURL) as caught:
        connect("opensearch://ada:secret@h/Upper")
    assert "secret" not in str(caught.value)
