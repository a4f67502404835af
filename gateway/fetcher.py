"""The guarded fetcher: what stands at an address that a caller named, if it is a public one.

An address is judged anew at every redirect: the URL as it is written (`destination`), then all
addresses that its host resolves to (`is_public`). The socket goes to one of these very addresses,
so that a second look-up cannot lead elsewhere. Proxy variables, cookies and `.netrc` are not read.
"""

import base64
import http.client
import io
import re
import socket
import ssl
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit

import certifi
import gevent
import gevent.socket
import gevent.ssl
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

from gateway import sniffing
from gateway.config import Fetch as FetchSettings

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], list[str]]
T = TypeVar("T", "Fetched", "Page")

UNKNOWN = "application/octet-stream"
_REDIRECTS = 4
_TRIED_ADDRESSES = 3
_LONGEST_URL = 8192
_BLOCK = 64 * 1024
_MOST_BYTES = 2 << 30  # more than any setting lets through
_HEADERS = {
    "User-Agent": "ai-gateway",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
# One text for a name that nobody knows and for one that leads inside: names inside are not told.
_NOT_PUBLIC = "its host is unknown, or its address is not a public one"

# IANA's registries of special-purpose addresses, and the addresses at which clouds serve their
# own machines that lie outside of these (Azure's 168.63.129.16).
_SPECIAL = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
]
_UNICAST = ip_network("2000::/3")
# Their last four bytes are an IPv4 address, which is where they lead.
_CARRYING = [ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")]

_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class NotFetched(Exception):
    """`reason` is fit for the caller: it tells nothing of the network that the gateway is in."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(reason)
        self.url = url
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fetched:
    """`media_type`: what the first bytes say, else what the host says of them."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of any status; `url` is where the redirects led, `charset` what the host says.

    `whole`: whether the body is all there was.
    """

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL that may be asked, taken apart; `host` is a name, or an address as text."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Fetcher:
    """`resolve` gives the addresses of a name, in the order in which they are to be tried."""

    def __init__(
        self,
        settings: FetchSettings,
        *,
        proxy: str | None = None,
        ca_bundle: Path | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._settings = settings
        self._names, self._networks = _allowed(settings.allow)
        self._proxy = urlsplit(proxy) if proxy else None
        self._ca_bundle = ca_bundle
        self._resolve = resolve or _Resolver()
        self._context: Any = None

    def fetch(self, url: str) -> Fetched:
        """What stands at the address. Raises NotFetched."""
        return self.fetch_all([url])[url]

    def fetch_all(self, urls: Collection[str]) -> dict[str, Fetched]:
        """What stands at these addresses, fetched at the same time. Raises NotFetched."""
        urls = list(dict.fromkeys(urls))
        self.check(urls)
        room = _Room(self._settings.max_mb)
        jobs = [gevent.spawn(self._tried, url, room) for url in urls]
        try:
            found = {}
            for job in gevent.iwait(jobs):
                url, result = job.get()
                if isinstance(result, NotFetched):
                    raise result
                found[url] = result
            return found
        finally:
            gevent.killall(jobs, block=False)

    def page(self, url: str, most: int, accept: str = "*/*") -> Page:
        """What an address answers, the first `most` bytes of it. Raises NotFetched."""
        seconds = self._settings.timeout
        try:
            with gevent.Timeout(seconds):
                return self._followed(url, lambda where, answer: _page(where, answer, most), accept)
        except NotFetched as error:
            raise NotFetched(url, error.reason) from None
        except gevent.Timeout:
            raise NotFetched(url, _too_slow(seconds)) from None

    def addresses(self, name: str) -> list[str]:
        """The public addresses of a host. Raises NotFetched."""
        try:
            return [str(address) for address in self._addresses(name, _plain(name))]
        except ValueError:
            raise NotFetched(name, "it is not the name of a host") from None

    def check(self, urls: Sequence[str]) -> None:
        """Raises NotFetched for what can be refused as it is written, without asking anybody."""
        if urls and not self._settings.enabled:
            raise NotFetched(urls[0], "this gateway fetches nothing (its setting `fetch.enabled`)")
        if len(urls) > self._settings.max_files:
            most = f"more than {self._settings.max_files} addresses in one question"
            raise NotFetched(urls[self._settings.max_files], most)
        for url in urls:
            host = destination(url, self._settings.ports).host
            if host not in self._names and (_literal(host) or _is_local(host)):
                self._addresses(url, host)

    def _tried(self, url: str, room: "_Room") -> tuple[str, Fetched | NotFetched]:
        seconds = self._settings.timeout
        try:
            with gevent.Timeout(seconds):
                return url, self._followed(url, lambda where, answer: _read(where, answer, room))
        except NotFetched as error:
            return url, NotFetched(url, error.reason)
        except gevent.Timeout:
            return url, NotFetched(url, _too_slow(seconds))

    def _followed(self, url: str, read: "Read[T]", accept: str = "*/*") -> T:
        for _ in range(_REDIRECTS + 1):
            found = self._asked(url, read, accept)
            if not isinstance(found, str):
                return found
            url = found
        raise NotFetched(url, f"it redirects more than {_REDIRECTS} times")

    def _asked(self, url: str, read: "Read[T]", accept: str) -> T | str:
        """The content, or the address to which it redirects."""
        where = destination(url, self._settings.ports)
        try:
            connection = self._connected(url, where)
            try:
                headers = {**_HEADERS, "Accept": accept, "Host": where.host_header}
                connection.request("GET", where.path, headers=headers)
                with connection.getresponse() as answer:
                    return _redirect(url, answer) or read(url, answer)
            finally:
                connection.close()
        except ssl.SSLCertVerificationError:
            raise NotFetched(url, "its host shows a bad certificate") from None
        except (OSError, http.client.HTTPException, ValueError, zlib.error):
            raise NotFetched(url, "its host cannot be reached, or broke off its answer") from None

    def _connected(self, url: str, where: Destination) -> http.client.HTTPConnection:
        """A connection to one of the addresses that were judged. Raises OSError, NotFetched."""
        failure: OSError | None = None
        for address in self._addresses(url, where.host)[:_TRIED_ADDRESSES]:
            connection = self._unopened(address, where.port)
            try:
                connection.connect()
                connection.sock.settimeout(None)
                if where.tls:
                    sock, name = connection.sock, where.host
                    # It is the connection's before the handshake, which may be given up.
                    connection.sock = self._tls().wrap_socket(
                        sock, server_hostname=name, do_handshake_on_connect=False
                    )
                    connection.sock.do_handshake()
                return connection
            except OSError as error:
                failure = error
                connection.close()
            except BaseException:  # it took too long, or nobody waits for it any more
                connection.close()
                raise
        raise failure or NotFetched(url, _NOT_PUBLIC)

    def _addresses(self, url: str, host: str) -> list[Address]:
        """All that the host resolves to. Raises NotFetched unless every one may be asked."""
        named = host in self._names
        if not named and _is_local(host):
            raise NotFetched(url, _NOT_PUBLIC)
        literal = _literal(host)
        found = [literal] if literal else [ip_address(text) for text in self._resolve(host)]
        if not found or not all(named or self._may_be_asked(address) for address in found):
            raise NotFetched(url, _NOT_PUBLIC)
        return found

    def _may_be_asked(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self._networks)

    def _unopened(self, address: Address, port: int) -> http.client.HTTPConnection:
        """Where an outbound proxy is configured, it is told the address that was judged."""
        patience = self._settings.timeout / _TRIED_ADDRESSES
        if self._proxy is None:
            return _Connection(str(address), port, patience)
        connection = _Connection(self._proxy.hostname or "", self._proxy.port or 80, patience)
        host = f"[{address}]" if address.version == 6 else str(address)
        connection.set_tunnel(host, port, _proxy_headers(self._proxy))
        return connection

    def _tls(self) -> Any:
        if self._context is None:
            authorities = str(self._ca_bundle or certifi.where())
            self._context = gevent.ssl.create_default_context(cafile=authorities)
        return self._context


def destination(url: str, ports: Collection[int]) -> Destination:
    """Takes a URL apart, in one way only. Raises NotFetched for what has more than one reading."""
    if len(url) > _LONGEST_URL or _UNFIT.search(url):
        raise NotFetched(url, "it is no proper http:// or https:// address")
    try:
        parts = urlsplit(url)
        host, port = _plain(parts.hostname or ""), parts.port
    except ValueError:
        raise NotFetched(url, "it is no proper http:// or https:// address") from None
    if parts.scheme not in ("http", "https"):
        raise NotFetched(url, "only http:// and https:// addresses are fetched")
    if "@" in parts.netloc:
        raise NotFetched(url, "an address with a user or a password is not fetched")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if port not in ports:
        raise NotFetched(url, f"port {port} is not among those that may be asked")
    path = parts.path or "/"
    written = f"{path}?{parts.query}" if parts.query else path
    return Destination(parts.scheme == "https", host, port, quote(written, safe=_SAFE))


_SAFE = "/?%:@!$&'()*+,;=~-._[]|"


def _plain(host: str) -> str:
    """The host in lower-case ASCII. Raises ValueError for what some would take for an address."""
    if ":" in host:
        return str(IPv6Address(host)) if "%" not in host else _refused(host)
    plain = host.encode("idna").decode().lower().removesuffix(".")
    if not _NAME.fullmatch(plain):
        return _refused(host)
    if _NUMBER.fullmatch(plain.rpartition(".")[2]):
        # `127.1`, `0x7f000001`, `017700000001`: only the usual four decimals are an address.
        return str(IPv4Address(plain))
    return plain


def _refused(host: str) -> str:
    raise ValueError(f"{host} is not the name of a host")


def _is_local(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address is one of the whole Internet's, in whatever notation it is carried."""
    if isinstance(address, IPv6Address):
        if any(address in network for network in _CARRYING):
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    return not any(address in network for network in _SPECIAL)


def _allowed(entries: Collection[str]) -> tuple[frozenset[str], list[Any]]:
    """The names of hosts, and the networks."""
    names, networks = set(), []
    for entry in entries:
        try:
            networks.append(ip_network(entry))
        except ValueError:
            names.add(entry.lower())
    return frozenset(names), networks


class _Resolver:
    """Looks names up in threads of its own, so that slow ones keep nobody else waiting."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, host: str) -> list[str]:
        if self._pool is None:
            self._pool = ThreadPool(8)
        found: list[str] = self._pool.apply(_looked_up, (host,))
        return found


def _looked_up(host: str) -> list[str]:
    """In a thread: what is raised there would be printed."""
    try:
        found = get_original("socket", "getaddrinfo")(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    # A zone belongs to a link-local address, which is refused with and without it.
    return [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found]


class _Measured(io.RawIOBase):
    """What a socket gives, which lets others have their turn although it always has more.

    Heads without end (interim answers, trailers) are none of the body's bytes: all are counted.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._came = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._raw.readinto(buffer)
        before, self._came = self._came, self._came + (count or 0)
        if before >> 20 != self._came >> 20:
            gevent.sleep(0)
        if self._came > _MOST_BYTES:
            raise OSError("an answer without end")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_Measured(self.fp.detach()), _BLOCK)


class _Connection(http.client.HTTPConnection):
    """Its socket yields to others, whether or not the process is patched."""

    response_class = _Answer

    def __init__(self, host: str, port: int, timeout: float) -> None:
        super().__init__(host, port, timeout)
        self._create_connection = gevent.socket.create_connection


def _proxy_headers(proxy: Any) -> dict[str, str]:
    if proxy.username is None:
        return {}
    known = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(known).decode()}


class _Room:
    """How much the media of one question may still hold."""

    def __init__(self, megabytes: int) -> None:
        self._megabytes = megabytes
        self._left = megabytes << 20

    def check(self, size: int, url: str) -> None:
        if size > self._left:
            raise NotFetched(url, f"it is too large: {self._megabytes} MB are fetched at most")

    def take(self, size: int, url: str) -> None:
        self.check(size, url)
        self._left -= size


def _too_slow(seconds: float) -> str:
    return f"its host did not answer in full within {seconds:g} s"


Read = Callable[[str, http.client.HTTPResponse], T]


def _redirect(url: str, answer: http.client.HTTPResponse) -> str | None:
    location = answer.headers.get("location")
    if answer.status in (301, 302, 303, 307, 308) and location:
        return urljoin(url, location)
    return None


def _page(url: str, answer: http.client.HTTPResponse, most: int) -> Page:
    body, whole = _beginning(answer, most)
    headers = answer.headers
    said = headers.get_content_type() if "content-type" in headers else UNKNOWN
    return Page(url, answer.status, said, headers.get_content_charset(), body, whole)


def _beginning(answer: http.client.HTTPResponse, most: int) -> tuple[bytes, bool]:
    """The body's first `most` bytes, and whether that is all. Some compress although nobody asked;
    of what they send, too, no more than `most` bytes are read.
    """
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise ValueError(f"an encoding that was not asked for: {encoding}")
    decoder = None if encoding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
    blocks, size, came = [], 0, 0
    while size <= most and came <= most and (block := answer.read1(_BLOCK)):
        came += len(block)
        if decoder is not None:
            block = decoder.decompress(block, most + 1 - size)
        blocks.append(block)
        size += len(block)
    whole = size <= most and came <= most
    if whole and (answer.length or (decoder is not None and came and not decoder.eof)):
        raise http.client.IncompleteRead(b"")
    return b"".join(blocks)[:most], whole


def _read(url: str, answer: http.client.HTTPResponse, room: _Room) -> Fetched:
    if answer.status != 200:
        raise NotFetched(url, f"its host answers with status {answer.status}")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise NotFetched(url, "its host compresses what should come as it is")
    body = b"".join(_blocks(url, answer, room))
    if answer.length:
        raise http.client.IncompleteRead(body)
    said = answer.headers.get_content_type() if "content-type" in answer.headers else UNKNOWN
    return Fetched(body, _type_of(body, said))


def _type_of(body: bytes, said: str) -> str:
    """What says of itself that it is an image, or a PDF, has to begin like one."""
    if found := sniffing.media_type_of(body):
        return found
    return UNKNOWN if said.startswith("image/") or said == "application/pdf" else said


def _blocks(url: str, answer: http.client.HTTPResponse, room: _Room) -> Iterator[bytes]:
    room.check(answer.length or 0, url)
    while block := answer.read1(_BLOCK):
        room.take(len(block), url)
        yield block
