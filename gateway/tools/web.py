"""Tools that ask the network, by the guarded fetcher alone: public addresses, and those that
`fetch.allow` names.
"""

from typing import Any

from gateway.fetcher import Fetcher, NotFetched, Page
from gateway.tools.function import ToolFailed
from gateway.tools.threads import apart

_LARGEST = 1 << 20
_TEXTS = ("json", "xml", "javascript", "yaml", "csv", "x-www-form-urlencoded")
_NOT_READ = ("script", "style", "noscript", "template", "nav", "aside", "footer", "svg", "iframe")


def http_get(fetcher: Fetcher, url: str) -> str:
    """Gets what stands at an http:// or https:// address, as it is: JSON, XML, HTML or other text.

    url: the whole address
    """
    page = fetcher.page(url, _LARGEST)
    return f"{_head(page)}\n\n{_text(page)}"


def fetch_page_text(fetcher: Fetcher, url: str) -> str:
    """Gets a web page and gives its readable text, without markup, menus and scripts.

    url: the whole address
    """
    page = fetcher.page(url, _LARGEST, "text/html, text/plain;q=0.9, */*;q=0.5")
    if page.media_type not in ("text/html", "application/xhtml+xml"):
        return f"{_head(page)}\n\n{_text(page)}"
    return f"{_head(page)}\n\n{apart(_readable, page.body, page.charset)}"


def dns_lookup(fetcher: Fetcher, name: str) -> list[str]:
    """The public IP addresses (IPv4 and IPv6) of a host's name.

    name: such as example.org
    """
    try:
        return list(dict.fromkeys(fetcher.addresses(name)))
    except NotFetched as error:
        raise ToolFailed(f"{name[:200]} has no addresses to tell: {error.reason}.") from None


def _head(page: Page) -> str:
    cut = "" if page.whole else f", only its first {_LARGEST >> 20} MB was read"
    return f"{page.url}: status {page.status}, {page.media_type}{cut}"


def _text(page: Page) -> str:
    kind = page.media_type
    if not (kind.startswith("text/") or kind.endswith(_TEXTS) or b"\0" not in page.body[:4096]):
        raise ToolFailed(f"It is no text, but {len(page.body)} bytes of {kind}.")
    try:
        return page.body.decode(page.charset or "utf-8", errors="replace")
    except LookupError:
        return page.body.decode(errors="replace")


def _readable(body: bytes, charset: str | None) -> str:
    from inscriptis import Inscriptis
    from inscriptis.model.config import ParserConfig
    from lxml import etree, html

    try:
        tree = html.document_fromstring(body, parser=_parser(html, charset))
    except (etree.LxmlError, ValueError, AssertionError):
        return ""
    etree.strip_elements(tree, *_NOT_READ, with_tail=False)
    lines = Inscriptis(tree, ParserConfig()).get_text().splitlines()
    title = (tree.findtext(".//title") or "").strip()
    return f"{title}\n\n{_without_gaps(lines)}".strip()


def _parser(html: Any, charset: str | None) -> Any:
    try:
        return html.HTMLParser(encoding=charset)
    except LookupError:
        return html.HTMLParser()


def _without_gaps(lines: list[str]) -> str:
    """With one blank line where there are several."""
    kept = [
        line.rstrip()
        for line, before in zip(lines, ["", *lines], strict=False)
        if line.strip() or before.strip()
    ]
    return "\n".join(kept)
