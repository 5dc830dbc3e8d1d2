"""`hub.wire.urls`: which URLs are accepted, and which addresses are public."""

from __future__ import annotations

import pytest

from hub.wire.urls import Endpoint, check_url, is_public, read_allow

ALLOW = ["localhost:9000", "10.1.2.3:80", "[::1]:8080", "Models:443", "host_a.lan:22"]


@pytest.mark.parametrize(
    "url",
    [
        "https://bot.example",
        "https://bot.example/",
        "https://bot.example/hook?a=b&c=%20",
        "https://BOT.example:443/",
        "https://bot.example:/",
        "https://bot.example.:8443/",
        "https://xn--bcher-kva.example/",
        "https://1.2.3.4.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:1024/",
        "https://bot.example/" + "x" * 2028,
    ],
)
def test_these_urls_are_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "printable ASCII"),
        ("https://bot.example/" + "x" * 2029, "at most 2048 characters, was 2049"),
        ("https://bot.example/a b", "without spaces"),
        ("https://bot.example/\n", "printable ASCII"),
        ("https://bot.exam\tple/", "printable ASCII"),
        ("https://bot.example\\@127.0.0.1/", "backslashes"),
        ("https://bücher.example/", "xn-- form"),
        ("https://１２７.0.0.1/", "xn-- form"),
        ("bot.example/hook", "must begin with https://"),
        ("//bot.example/hook", "must begin with https://"),
        ("https:bot.example", "must begin with https://"),
        ("ftp://bot.example/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("http://bot.example/", "can put bot.example:80 into HUB_OUTBOUND_ALLOW"),
        ("http://[2606:4700::1]/", r"can put \[2606:4700::1\]:80 into"),
        ("https://alice@bot.example/", "user name or password"),
        ("https://alice:secret@bot.example/", "user name or password"),
        ("https://:@bot.example/", "user name or password"),
        ("https://bot.example/#here", "fragment"),
        ("https://bot.example:0/", "port between 1 and 65535"),
        ("https://bot.example:65536/", "port between 1 and 65535"),
        ("https://bot.example:http/", "port between 1 and 65535"),
        ("https://bot.example:25/", "port 443 or one from 1024"),
        ("https://:443/", "valid host name"),
        ("https://[::1/", "an IPv6 one in"),
        ("https://[v1.x]/", "an IPv6 one in"),
        ("https://[vF.bot.example]:8443/hook", "an IPv6 one in"),
        ("https://[bot.example]/", "an IPv6 one in|valid host name"),
        ("https://bot..example/", "valid host name"),
        ("https://-bot.example/", "valid host name"),
        ("https://bot%2eexample/", "valid host name"),
        ("https://bot,example.org/", "valid host name"),
        (f"https://{'x' * 64}.example/", "valid host name"),
        (f"https://{'x.' * 130}example/", "valid host name"),
        ("https://localhost/", "must lead to a public address"),
        ("https://127.0.0.1/", "must lead to a public address"),
        ("https://[::ffff:10.0.0.1]/", "must lead to a public address"),
        ("https://[fe80::1%25eth0]/", "must lead to a public address|valid host"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://0x7F000001/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://127.1/", "four decimal numbers"),
        ("https://127.0.0.1./", "four decimal numbers"),
    ],
)
def test_these_are_refused_with_what_would_be_right(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9000/hook",
        "https://LOCALHOST:9000/hook",
        "http://10.1.2.3/",
        "http://[0:0:0:0:0:0:0:1]:8080/",
        "https://models/v1",
        "https://host_a.lan:22/",
    ],
)
def test_the_operator_allows_a_host_with_its_port(url: str) -> None:
    check_url(url, ALLOW)
    with pytest.raises(ValueError, match="HUB_OUTBOUND_ALLOW"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:9001/", "http://localhost/", "http://127.0.0.1:9000/"]
)
def test_and_nothing_beside_it(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with https://"):
        check_url(url, ALLOW)


@pytest.mark.parametrize("url", ["http://a@localhost:9000/", "ftp://localhost:9000/"])
def test_not_every_form_of_a_url_can_be_allowed(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_url(url, ALLOW)


def test_the_list_is_read_in_one_spelling() -> None:
    assert read_allow([" Bot.Example:443 ", "[0::1]:80", "10.0.0.1:8080"]) == {
        Endpoint("bot.example", 443),
        Endpoint("::1", 80),
        Endpoint("10.0.0.1", 8080),
    }


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "localhost",
        ":80",
        "localhost:",
        "localhost:0",
        "localhost:99999",
        "localhost:http",
        "http://localhost:80",
        "localhost:80/path",
        "a@localhost:80",
        "::1",
        "[::1]",
        "a:80,b:80",
    ],
)
def test_a_wrong_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is a list of host:port, not"):
        read_allow([entry])


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1",
        "2001:200::1",
        "::ffff:8.8.8.8",
    ],
)
def test_these_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2130706433",
        "localhost",
        "",
    ],
)
def test_these_are_not(address: str) -> None:
    assert not is_public(address)
