"""The guarded fetcher: which addresses it refuses, and what it bears from those that it asks."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Fetch
from gateway.fetcher import Fetcher, NotFetched, destination, is_public
from tests.failure.forwarder import Forwarder
from tests.failure.test_tls import issued
from tests.running import ROOT
from tests.upstream import Json, Raw, Upstream, failure, redirect

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 10
INSIDE = "10.1.2.3"


def image(body: bytes = PNG, content_type: str = "image/png") -> Json:
    return Json(body, headers={"content-type": content_type})


class Names:
    """A resolver that gives each look-up its next answer, and counts them."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def media() -> Iterator[Upstream]:
    with Upstream() as running:
        running.always(image())
        yield running


def fetcher(media: Upstream, resolve: Any = None, **fields: Any) -> Fetcher:
    """One that may ask the media server alone."""
    given = {"allow": ["127.0.0.1/32"], "ports": [media.port], **fields}
    return Fetcher(Fetch.model_validate(given), resolve=resolve)


def reason(asking: Fetcher, url: str) -> str:
    with pytest.raises(NotFetched) as caught:
        asking.fetch(url)
    assert caught.value.url == url
    return caught.value.reason


# Addresses.

HOSTILE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0X7F.0.0.0x1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://0/",
    "http://0.0.0.0/",
    "http://127.0.0.1./",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://a.localhost/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.0.0.192/",
    "http://192.168.1.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:c0a8:101::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:db8::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_it_refuses_what_is_not_public_in_any_notation(url: str) -> None:
    names = Names([])
    refused = reason(Fetcher(Fetch(), resolve=names), url)
    assert refused in (
        "its host is unknown, or its address is not a public one",
        "it is no proper http:// or https:// address",
    )
    assert names.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//example.org/",
        "example.org",
        "http:///cat.png",
        "http://",
        "https://:443/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "data:image/png;base64,AAAA",
        "http://user@example.org/",
        "http://user:word@example.org/",
        "http://127.0.0.1@example.org/",
        "http://example.org@127.0.0.1/",
        "http://example.org:22/",
        "http://example.org:6379/",
        "http://example.org:99999/",
        "http://example.org:-1/",
        "http://example.org:0/",
        "http://example.org:port/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\r\nHost: inside",
        "http://exa mple.org/",
        "http://exa\tmple.org/",
        " http://example.org/",
        "http://example..org/",
        "http://.example.org/",
        "http://example.org../",
        "http://exam%70le.org/",
        "http://[example.org]/",
        "http://[::1/",
        "http://example.1/",
        "http://example.0x1/",
        "http://" + "a" * 64 + ".org/",
        "http://example.org/" + "a" * 9000,
    ],
)
def test_it_refuses_what_is_no_plain_address_of_the_web(url: str) -> None:
    names = Names(["8.8.8.8"])
    assert reason(Fetcher(Fetch(), resolve=names), url)
    assert names.asked == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org", (False, "example.org", 80, "/", "example.org")),
        ("HTTPS://Example.ORG./a?b=c#d", (True, "example.org", 443, "/a?b=c", "example.org")),
        ("https://example.org:80/", (True, "example.org", 80, "/", "example.org:80")),
        ("http://bücher.example/", (False, "xn--bcher-kva.example", 80, "/", None)),
        ("http://a.org/ä?ö=%20", (False, "a.org", 80, "/%C3%A4?%C3%B6=%20", "a.org")),
        ("http://8.8.8.8/", (False, "8.8.8.8", 80, "/", "8.8.8.8")),
        ("http://[2606:4700::1]/", (False, "2606:4700::1", 80, "/", "[2606:4700::1]")),
    ],
)
def test_an_address_is_taken_apart(url: str, expected: tuple[Any, ...]) -> None:
    found = destination(url, [80, 443])
    assert (found.tls, found.host, found.port, found.path) == expected[:4]
    assert found.host_header == (expected[4] or found.host)


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses())
def test_no_address_is_public_that_python_knows_as_private(address: Any) -> None:
    odd = address.is_private or address.is_multicast or address.is_reserved
    if odd or address.is_link_local or address.is_loopback or address.is_unspecified:
        carried = address.version == 6 and int(address) >> 32 in (0xFFFF, 0x64FF9B << 64)
        assert carried or not is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_as_public_as_the_one_it_carries(address: Any) -> None:
    for prefix in ("::ffff:", "64:ff9b::"):
        assert is_public(ip_address(f"{prefix}{address}")) == is_public(address)
    assert not is_public(ip_address(f"::{address}"))


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://{text}/", f"http://example.org/{text}"):
        try:
            found = destination(url, [80, 443])
        except NotFetched:
            continue
        assert found.path.isascii() and found.host == found.host.strip().lower()


# Names.


def test_a_name_that_leads_inside_is_refused_as_one_that_nobody_knows(media: Upstream) -> None:
    inside = reason(fetcher(media, Names([INSIDE])), f"http://db.example:{media.port}/")
    unknown = reason(fetcher(media, Names([])), f"http://db.example:{media.port}/")
    assert inside == unknown
    assert INSIDE not in inside


@pytest.mark.parametrize("also", [INSIDE, "::1", "169.254.169.254"])
def test_a_name_is_refused_if_one_of_its_addresses_leads_inside(media: Upstream, also: str) -> None:
    names = Names(["127.0.0.1", also])
    assert "not a public" in reason(fetcher(media, names), f"http://cat.example:{media.port}/")
    assert media.requests == []


def test_a_name_is_looked_up_once_and_its_address_kept(media: Upstream) -> None:
    """What it leads to a moment later does not matter any more (DNS rebinding)."""
    names = Names(["127.0.0.1"], [INSIDE])
    found = fetcher(media, names).fetch(f"http://cat.example:{media.port}/cat?n=1")
    assert (found.body, found.media_type) == (PNG, "image/png")
    assert names.asked == ["cat.example"]
    (received,) = media.requests
    assert received.headers["host"] == f"cat.example:{media.port}"
    assert (received.method, received.path, received.query) == ("GET", "/cat", "n=1")


def test_a_redirect_to_the_same_name_is_looked_up_anew(media: Upstream) -> None:
    media.always(redirect(f"http://cat.example:{media.port}/again"))
    names = Names(["127.0.0.1"], [INSIDE])
    assert "not a public" in reason(fetcher(media, names), f"http://cat.example:{media.port}/")
    assert len(media.requests) == 1


def test_the_next_address_is_tried_where_one_refuses(media: Upstream) -> None:
    names = Names(["127.0.0.2", "127.0.0.1"])
    asking = fetcher(media, names, allow=["127.0.0.0/8"])
    assert asking.fetch(f"http://cat.example:{media.port}/").body == PNG


def test_a_name_on_the_list_may_lead_inside_and_no_other(media: Upstream) -> None:
    asking = fetcher(media, Names(["127.0.0.1"]), allow=["Cat.example"])
    assert asking.fetch(f"http://cat.example.:{media.port}/").body == PNG
    assert reason(asking, f"http://dog.example:{media.port}/")
    assert reason(asking, f"http://127.0.0.1:{media.port}/")


def test_the_systems_own_resolver(media: Upstream) -> None:
    asking = fetcher(media, allow=["localhost"])
    assert asking.fetch(f"http://localhost:{media.port}/").body == PNG
    assert "not a public" in reason(fetcher(media), f"http://no.such.name.invalid:{media.port}/")


# Redirects.


@pytest.mark.parametrize(
    "location",
    [
        f"http://{INSIDE}/",
        "http://[::1]/",
        "http://localhost/",
        "//169.254.169.254/latest",
        "file:///etc/passwd",
        "http://0x7f000001/",
        "http://127.0.0.1:22/",
    ],
)
def test_a_redirect_is_judged_like_the_first_address(media: Upstream, location: str) -> None:
    media.always(redirect(location))
    asking = fetcher(media, ports=[media.port, 80])
    refused = reason(asking, f"http://127.0.0.1:{media.port}/")
    assert INSIDE not in refused and "169.254" not in refused
    assert len(media.requests) == 1


def test_a_redirect_within_what_is_allowed_is_followed(media: Upstream) -> None:
    media.script("/old", redirect("new?a=b"))
    found = fetcher(media).fetch(f"http://127.0.0.1:{media.port}/there/old")
    assert found.body == PNG
    assert [one.path for one in media.requests] == ["/there/old", "/there/new"]


def test_redirects_come_to_an_end(media: Upstream) -> None:
    media.always(redirect("/again"))
    assert "redirects" in reason(fetcher(media), f"http://127.0.0.1:{media.port}/")
    assert len(media.requests) == 5


# What comes back.


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_more_than_allowed_is_not_read(media: Upstream, framing: Any) -> None:
    media.always(image(PNG + bytes(2 << 20)).but(framing=framing))
    refused = reason(fetcher(media, max_mb=1), f"http://127.0.0.1:{media.port}/")
    assert "1 MB" in refused


@pytest.mark.parametrize("how", [{"head_delay": 20}, {"body_delay": 20}, {"hang": [0.5]}])
def test_what_is_slow_is_given_up(media: Upstream, how: dict[str, Any]) -> None:
    media.always(image().but(**how))
    refused = reason(fetcher(media, timeout=0.3), f"http://127.0.0.1:{media.port}/")
    assert "0.3 s" in refused
    assert media.requests[0].hung_up.wait(10)


def test_what_trickles_is_given_up_too(media: Upstream) -> None:
    media.always(image().but(chop="bytes", pause=0.05))
    assert "0.3 s" in reason(fetcher(media, timeout=0.3), f"http://127.0.0.1:{media.port}/")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (failure(404), "status 404"),
        (failure(500), "status 500"),
        (image().but(gzip=True, headers={"content-encoding": "gzip"}), "compresses"),
        (image().but(close=0.5), "broke off"),
        (image().but(reset=0), "broke off"),
        (image().but(length_error=5), "broke off"),
        (image().but(framing="chunked", close="before-end"), "broke off"),
        (Raw(b"220 smtp.example ESMTP\r\n"), "broke off"),
        (Raw(b""), "broke off"),
    ],
)
def test_other_answers_are_none(media: Upstream, answer: Any, told: str) -> None:
    media.always(answer)
    assert told in reason(fetcher(media), f"http://127.0.0.1:{media.port}/")


@pytest.mark.parametrize(
    ("body", "said", "media_type"),
    [
        (PNG, "application/octet-stream", "image/png"),
        (PNG, "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/png", "image/jpeg"),
        (b"GIF89a" + bytes(20), "image/gif", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp", "image/webp"),
        (b"\0\0\0\x1cftypavif" + bytes(20), "image/avif", "image/avif"),
        (b"%PDF-1.7\n", "application/pdf", "application/pdf"),
        (b"<html>", "image/png", "application/octet-stream"),
        (b"<svg>", "image/svg+xml", "application/octet-stream"),
        (b"<html>", "application/pdf", "application/octet-stream"),
        (b"Hello", "text/plain; charset=utf-8", "text/plain"),
        (b"", "image/png", "application/octet-stream"),
    ],
)
def test_what_it_is_its_first_bytes_say(
    media: Upstream, body: bytes, said: str, media_type: str
) -> None:
    media.always(image(body, said))
    found = fetcher(media).fetch(f"http://127.0.0.1:{media.port}/")
    assert (found.body, found.media_type) == (body, media_type)


def test_what_says_nothing_of_itself_is_unknown(media: Upstream) -> None:
    media.always(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello"))
    found = fetcher(media).fetch(f"http://127.0.0.1:{media.port}/")
    assert (found.body, found.media_type) == (b"Hello", "application/octet-stream")


# Several.


def test_several_are_fetched_at_the_same_time_each_once(media: Upstream) -> None:
    media.always(image().but(hang="before-head"))
    urls = [f"http://127.0.0.1:{media.port}/{name}" for name in "abca"]

    def free() -> None:
        media.wait(3)
        media.release()

    freeing = threading.Thread(target=free)
    freeing.start()
    found = fetcher(media).fetch_all(urls)
    freeing.join()
    assert {url: one.body for url, one in found.items()} == dict.fromkeys(urls, PNG)
    assert sorted(one.path for one in media.requests) == ["/a", "/b", "/c"]


def test_the_first_failure_ends_the_others(media: Upstream) -> None:
    media.always(image().but(hang="before-head"))
    media.script("/b", failure(404))
    urls = [f"http://127.0.0.1:{media.port}/{name}" for name in "ab"]
    with pytest.raises(NotFetched) as caught:
        fetcher(media).fetch_all(urls)
    assert (caught.value.url, caught.value.reason) == (urls[1], "its host answers with status 404")


def test_too_many_are_not_begun(media: Upstream) -> None:
    urls = [f"http://127.0.0.1:{media.port}/{at}" for at in range(3)]
    with pytest.raises(NotFetched, match="more than 2 addresses"):
        fetcher(media, max_files=2).fetch_all(urls)
    assert media.requests == []


def test_all_of_them_share_the_room(media: Upstream) -> None:
    media.always(image(PNG + bytes(700 << 10)))
    asking = fetcher(media, max_mb=1)
    assert asking.fetch(f"http://127.0.0.1:{media.port}/a")
    with pytest.raises(NotFetched, match="too large"):
        asking.fetch_all([f"http://127.0.0.1:{media.port}/{name}" for name in "ab"])


def test_it_can_be_switched_off(media: Upstream) -> None:
    asking = fetcher(media, enabled=False)
    assert "fetch.enabled" in reason(asking, f"http://127.0.0.1:{media.port}/")
    assert media.requests == []


# The way there.


def test_proxy_variables_are_not_read(media: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetcher(media).fetch(f"http://127.0.0.1:{media.port}/").body == PNG


def test_a_configured_proxy_is_told_the_address_that_was_judged(media: Upstream) -> None:
    names = Names(["127.0.0.1"], [INSIDE])
    with Tunnel() as proxy:
        asking = Fetcher(
            Fetch(allow=["127.0.0.1/32"], ports=[media.port]),
            proxy=f"http://user:word@127.0.0.1:{proxy.port}",
            resolve=names,
        )
        assert asking.fetch(f"http://cat.example:{media.port}/").body == PNG
        assert reason(asking, f"http://cat.example:{media.port}/")
    assert proxy.heads == [
        f"CONNECT 127.0.0.1:{media.port} HTTP/1.0\r\nProxy-Authorization: Basic dXNlcjp3b3Jk"
    ]


@pytest.mark.parametrize(
    ("name", "trusted", "days"),
    [
        ("cat.example", True, 1),
        ("cat.example", False, 1),
        ("cat.example", True, -1),
        ("dog.example", True, 1),
        ("127.0.0.1", True, 1),
    ],
)
def test_a_host_proves_its_name_under_tls(
    media: Upstream, tmp_path: Path, name: str, trusted: bool, days: int
) -> None:
    certificate = issued(tmp_path, name, days)
    with Forwarder(certificate.context) as safe:
        safe.target = media.port
        asking = Fetcher(
            Fetch(allow=["127.0.0.1/32"], ports=[safe.port]),
            ca_bundle=certificate.file if trusted else None,
            resolve=Names(["127.0.0.1"]),
        )
        url = f"https://cat.example:{safe.port}/"
        if (name, trusted, days) == ("cat.example", True, 1):
            assert asking.fetch(url).body == PNG
            assert media.requests[0].headers["host"] == f"cat.example:{safe.port}"
        else:
            assert reason(asking, url) == "its host shows a bad certificate"
            assert media.requests == []


PATCHED = """
from gevent import monkey
monkey.patch_all()
import socket
from gateway.config import Fetch
from gateway.fetcher import Fetcher, NotFetched

mute = socket.create_server(("127.0.0.1", 0))
port = mute.getsockname()[1]
try:
    asking = Fetcher(Fetch(allow=["127.0.0.1/32"], ports=[port], timeout=0.5))
    asking.page(f"https://127.0.0.1:{port}/", 100)
except NotFetched as error:
    kept = error  # and what its traceback holds
near, _ = mute.accept()
near.settimeout(10)
while near.recv(65536):  # the beginning of a handshake
    pass
print(kept.reason)
"""


def test_a_host_that_never_proves_its_name_is_hung_up_on() -> None:
    ran = subprocess.run([sys.executable, "-c", PATCHED], cwd=ROOT, capture_output=True, text=True)
    assert "0.5 s" in ran.stdout, ran.stderr


class Tunnel:
    """A forward proxy that knows CONNECT alone."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "Tunnel":
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        with near:
            head = near.recv(65536).decode()
            self.heads.append(head.strip())
            host, port = head.split()[1].split(":")
            with socket.create_connection((host, int(port))) as far:
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                far.sendall(near.recv(65536))
                while data := far.recv(65536):
                    near.sendall(data)
