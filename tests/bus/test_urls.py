"""`hub.bus.urls`: URLs that name many servers."""

from __future__ import annotations

from redis.asyncio.connection import SSLConnection

from hub.bus.urls import read_many


def test_a_url_names_hosts_a_path_and_options() -> None:
    hosts = "a.example,10.0.0.2:5000,[::1]:5001,[::2]"
    said = read_many(f"redis+cluster://hub:p%40ss@{hosts}/x?ssl_ca_certs=ca.pem", 7)
    assert (("a.example", 7), ("10.0.0.2", 5000), ("::1", 5001), ("::2", 7)) == said.addresses
    assert ("x", False) == (said.path, said.secure)
    assert {"username": "hub", "password": "p@ss", "ssl_ca_certs": "ca.pem"} == said.options


def test_a_url_that_begins_with_rediss_is_of_tls() -> None:
    said = read_many("rediss+cluster://a", 7)
    assert said.secure
    assert {"connection_class": SSLConnection} == said.options
