"""The tools that ask the network: what they give, and the hostile addresses that they refuse."""

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.config import Fetch, Tools
from gateway.config import Upstream as UpstreamSettings
from gateway.fetcher import Fetcher
from gateway.tools.result import ToolRun
from gateway.tools.toolbox import Toolbox
from gateway.upstream import Upstream as WayOut
from tests.test_fetcher import HOSTILE, INSIDE, Names
from tests.upstream import Html, Json, Upstream, redirect

WEB = ("http_get", "fetch_page_text")
PAGE = """<!doctype html><html><head><title>The  cat</title><style>p {}</style></head><body>
<nav><a href="/">Menu</a></nav><main><h1>Cats</h1><p>A cat is <b>an animal</b>.</p>
<ul><li>Tom<li>Felix</ul><table><tr><th>Name<th>Age<tr><td>Tom<td>3</table></main>
<script>alert("no")</script><footer>Imprint</footer></body></html>"""


@pytest.fixture
def site() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def toolbox(site: Upstream, resolve: Any = None, **fields: Any) -> Toolbox:
    """One whose tools may ask the site, and public addresses."""
    given = {"allow": ["127.0.0.1/32"], "ports": [80, 443, site.port], "timeout": 5, **fields}
    fetcher = Fetcher(Fetch.model_validate(given), resolve=resolve or Names([]))
    settings = Tools.model_validate({"timeout": 10, "max_result_kb": 1024})
    return Toolbox(settings, fetcher, WayOut(UpstreamSettings()), lambda: None)


def run(box: Toolbox, tool: str, **arguments: Any) -> ToolRun:
    return box.run(tool, json.dumps(arguments))


def refusal(box: Toolbox, tool: str, url: str) -> str:
    result = run(box, tool, url=url)
    assert result.is_error, result.text[:200]
    return result.text


# What is refused: with those of the fetcher's test, whose list holds every notation of an address,
# more than sixty.

ODD = [
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "ftp://example.org/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stat",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "http://user:password@example.org/",
    "http://user@example.org/",
    "http://example.org@127.0.0.1/",
    "http://127.0.0.1\\@example.org/",
    "http://example.org\t/",
    "http://example.org/\r\nHost: inside",
    "http://example.org:22/",
    "http://example.org:6379/",
    "http://example.org:0/",
    "http://example.org:99999/",
    "http:/example.org",
    "//example.org/",
    "example.org",
    "",
    "http://",
    "http://[::1",
    "http://exa mple.org/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://" + "a" * 9000 + ".org/",
]


def test_the_list_is_long_enough() -> None:
    assert len(set(HOSTILE + ODD)) >= 60


@pytest.mark.parametrize("tool", WEB)
@pytest.mark.parametrize("url", HOSTILE + ODD, ids=lambda url: url[:60])
def test_hostile_addresses_are_refused(url: str, tool: str) -> None:
    """Nothing here leads anywhere: a name that might is one that nobody knows."""
    names = Names([])
    box = Toolbox(
        Tools(), Fetcher(Fetch(), resolve=names), WayOut(UpstreamSettings()), lambda: None
    )
    told = refusal(box, tool, url)
    assert told.startswith("It was not fetched: ")
    assert names.asked in ([], ["metadata.google.internal"])


@pytest.mark.parametrize("tool", WEB)
@pytest.mark.parametrize(
    "location",
    [
        f"http://{INSIDE}/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "//[::1]/",
        "file:///etc/passwd",
        "http://u:p@example.org/",
        "http://inside.example/",
    ],
)
def test_redirects_to_them_are_refused(site: Upstream, tool: str, location: str) -> None:
    site.always(redirect(location))
    told = refusal(toolbox(site, Names([INSIDE])), tool, f"http://127.0.0.1:{site.port}/")
    assert INSIDE not in told and "inside.example" not in told
    assert len(site.requests) == 1


@pytest.mark.parametrize("tool", WEB)
def test_a_name_that_leads_elsewhere_a_moment_later(site: Upstream, tool: str) -> None:
    site.always(Json("public", headers={"content-type": "text/plain"}))
    box = toolbox(site, Names(["127.0.0.1"], [INSIDE]))
    assert "public" in run(box, tool, url=f"http://cat.example:{site.port}/").text
    assert refusal(box, tool, f"http://cat.example:{site.port}/")
    assert len(site.requests) == 1


def test_redirects_come_to_an_end(site: Upstream) -> None:
    site.always(redirect("/again"))
    assert "redirects" in refusal(toolbox(site), "http_get", f"http://127.0.0.1:{site.port}/")
    assert len(site.requests) == 5


# What has no end.


def bomb(encoding: str) -> bytes:
    """100 MB of blanks in a few bytes."""
    if encoding == "gzip":
        return gzip.compress(b" " * (100 << 20), 9)
    return zlib.compress(b" " * (100 << 20), 9)


@pytest.mark.parametrize("tool", WEB)
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_capped(site: Upstream, tool: str, encoding: str) -> None:
    headers = {"content-type": "text/plain", "content-encoding": encoding}
    site.always(Json(bomb(encoding), headers=headers))
    result = run(toolbox(site), tool, url=f"http://127.0.0.1:{site.port}/")
    assert not result.is_error
    assert "only its first 1 MB was read" in result.text
    assert result.size < (1 << 20) + 200


def test_what_is_compressed_although_nobody_asked(site: Upstream) -> None:
    headers = {"content-type": "text/plain", "content-encoding": "gzip"}
    site.always(Json(gzip.compress(b"Hello"), headers=headers))
    box, url = toolbox(site), f"http://127.0.0.1:{site.port}/"
    assert run(box, "http_get", url=url).text.endswith("\n\nHello")
    for body in (gzip.compress(b"Hello" * 100)[:-9], b"\x1f\x8bnonsense", b"Hello"):
        site.always(Json(body, headers=headers))
        assert "broke off" in refusal(box, "http_get", url)
    site.always(Json(b"Hello", headers={**headers, "content-encoding": "br"}))
    assert "broke off" in refusal(box, "http_get", url)


ENDLESS = {
    "body": (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"x" * 65536),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + b"x" * 65536 + b"\r\n",
    ),
    "gzip without content": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n"
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"\x00\x00\x00\xff\xff" * 10_000,
    ),
    "head": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 5000),
    "line": (b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65536),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3000),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X-A: b\r\n" * 5000,
    ),
}


@contextmanager
def endless(start: bytes, more: bytes) -> Iterator[int]:
    """A host that sends as fast as it can, until nobody reads any more."""

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                peer.recv(65536)
                peer.sendall(start)
                while True:
                    peer.sendall(more)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_without_end_is_capped_or_given_up(site: Upstream, kind: str) -> None:
    with endless(*ENDLESS[kind]) as port:
        box = toolbox(site, ports=[port], timeout=2)
        result = run(box, "http_get", url=f"http://127.0.0.1:{port}/")
    assert result.is_error or "only its first 1 MB was read" in result.text
    assert result.size < (1 << 20) + 200


@pytest.mark.parametrize("how", [{"head_delay": 20}, {"body_delay": 20}, {"hang": [0.5]}])
def test_what_is_slow_is_given_up(site: Upstream, how: dict[str, Any]) -> None:
    site.always(Html("<p>slow").but(**how))
    box = toolbox(site, timeout=0.3)
    assert "0.3 s" in refusal(box, "http_get", f"http://127.0.0.1:{site.port}/")


# What is given.


def test_http_get_gives_what_is_there(site: Upstream) -> None:
    site.script("/data", Json({"a": 1}))
    site.script("/missing", Json(b"gone", status=404, headers={"content-type": "text/plain"}))
    site.script("/old", redirect("/data"))
    box, origin = toolbox(site), f"http://127.0.0.1:{site.port}"
    got = run(box, "http_get", url=f"{origin}/data")
    assert got.text == f'{origin}/data: status 200, application/json\n\n{{"a":1}}'
    assert (got.is_error, got.size) == (False, len(got.text))
    missing = run(box, "http_get", url=f"{origin}/missing")
    assert missing.text == f"{origin}/missing: status 404, text/plain\n\ngone"
    assert run(box, "http_get", url=f"{origin}/old").text == got.text


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("grün".encode(), "text/plain; charset=utf-8", "grün"),
        ("grün".encode("latin-1"), "text/plain; charset=iso-8859-1", "grün"),
        ("grün".encode("latin-1"), "text/plain", "gr\ufffdn"),
        (b"a", "text/plain; charset=nonsense", "a"),
        (b"a,b", "application/octet-stream", "a,b"),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
    ],
)
def test_texts_in_what_they_are_written_in(
    site: Upstream, body: bytes, content_type: str, text: str
) -> None:
    site.always(Json(body, headers={"content-type": content_type}))
    got = run(toolbox(site), "http_get", url=f"http://127.0.0.1:{site.port}/")
    assert got.text.partition("\n\n")[2] == text


@pytest.mark.parametrize("tool", WEB)
def test_what_is_no_text_is_told(site: Upstream, tool: str) -> None:
    site.always(Json(b"\x89PNG\r\n\x1a\n\0\0", headers={"content-type": "image/png"}))
    told = refusal(toolbox(site), tool, f"http://127.0.0.1:{site.port}/")
    assert told == "It is no text, but 10 bytes of image/png."


def test_a_page_is_read_without_its_markup(site: Upstream) -> None:
    site.always(Html(PAGE))
    got = run(toolbox(site), "fetch_page_text", url=f"http://127.0.0.1:{site.port}/cat")
    head, _, text = got.text.partition("\n\n")
    assert head == f"http://127.0.0.1:{site.port}/cat: status 200, text/html"
    assert [line.split() for line in text.splitlines() if line] == [
        ["The", "cat"],
        ["Cats"],
        ["A", "cat", "is", "an", "animal."],
        ["*", "Tom"],
        ["*", "Felix"],
        ["Name", "Age"],
        ["Tom", "3"],
    ]


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b" ",
        b"\0\0\0",
        b"<",
        b"<!-- only -->",
        b"<div>" * 100_000 + b"x",
        b"<b>" * 5000 + b"x",
        b"<a><b>" * 20_000 + b"x",
        b"<table><tr><td>" * 5000 + b"x",
        b"<p>" * 50_000 + b"x",
        b"<ul><li>" * 20_000,
        b"<pre>" + b"\n" * 100_000,
        b"&" * 100_000,
        b"<table><tr><td colspan=999999999>x",
        b"<?xml version='1.0' encoding='utf-16'?><html>x",
        b"\xff\xfe<\0p\0>\0x\0",
        b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]><html>&c;',
    ],
    ids=range(17),
)
def test_any_page_is_read_or_has_nothing_to_read(site: Upstream, page: bytes) -> None:
    site.always(Json(page, headers={"content-type": "text/html"}))
    got = run(toolbox(site), "fetch_page_text", url=f"http://127.0.0.1:{site.port}/")
    assert not got.is_error, got.text


# Names.


def test_the_addresses_of_a_name(site: Upstream) -> None:
    box = toolbox(site, Names(["93.184.215.14", "2606:2800:21f:cb07::1", "93.184.215.14"]))
    assert run(box, "dns_lookup", name="Example.ORG.").text == (
        '["93.184.215.14", "2606:2800:21f:cb07::1"]'
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("inside.example", [INSIDE]),
        ("both.example", ["93.184.215.14", INSIDE]),
        ("unknown.example", []),
        ("localhost", ["127.0.0.1"]),
        ("a.localhost", ["127.0.0.1"]),
        ("127.0.0.2", []),
        ("0x7f000001", ["93.184.215.14"]),
        ("a b", ["93.184.215.14"]),
        ("", ["93.184.215.14"]),
        ("a" * 300, ["93.184.215.14"]),
        ("fe80::1%eth0", ["93.184.215.14"]),
    ],
)
def test_names_that_lead_inside_are_not_told(site: Upstream, name: str, found: list[str]) -> None:
    got = run(toolbox(site, Names(found)), "dns_lookup", name=name)
    assert got.is_error
    assert INSIDE not in got.text and "93." not in got.text
