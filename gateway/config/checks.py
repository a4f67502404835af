"""What single values have to be: each check gives the value, or raises ValueError with what is
accepted.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path

from pydantic import SecretStr

from gateway.config.root import ROOT


def http_url(value: str | None) -> str | None:
    if value is not None and not _HTTP_URL.fullmatch(value):
        raise ValueError("an http:// or https:// address without a query")
    return value


def database_url(value: str | None) -> str | None:
    if value is not None and not value.startswith(_DATABASES):
        raise ValueError("a postgresql:// or sqlite:/// address")
    return value


def redis_url(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"(rediss?|unix)://\S+", value):
        raise ValueError("a redis:// or rediss:// address")
    return value


def header_text(value: SecretStr | None) -> SecretStr | None:
    """A key with a stray line end would otherwise fail only when it is first sent."""
    if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("ASCII text without blanks")
    return value


def admin_token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not re.fullmatch(r"[!-~]{32,}", value.get_secret_value()):
        raise ValueError("ASCII text of 32 or more characters without blanks")
    return value


def below_root(value: Path | None) -> Path | None:
    if value is not None and "\0" in str(value):
        raise ValueError("a path")
    return None if value is None else ROOT / value


def existing_file(value: Path | None) -> Path | None:
    if value is not None and not os.path.isfile(value):
        raise ValueError("the path of an existing file")
    return value


def ports(values: list[int]) -> list[int]:
    if not all(1 <= value <= 65535 for value in values):
        raise ValueError("a list of whole numbers from 1 to 65535")
    return values


def hosts_and_networks(values: list[str]) -> list[str]:
    for value in values:
        if not _HOST.fullmatch(value) and not _is_network(value):
            raise ValueError("a list of names of hosts, addresses and networks such as 10.0.0.0/8")
    return values


def _is_network(value: str) -> bool:
    try:
        ip_network(value)
    except ValueError:
        return False
    return True


_HOST = re.compile(r"(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.I)
_HTTP_URL = re.compile(
    r"https?://([^\s/?#@]+@)?(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(:\d{1,5})?(/[^\s?#]*)?", re.I
)
_DATABASES = ("postgres://", "postgresql://", "postgresql+psycopg://", "sqlite:///")


def mcp_url(value: str) -> str:
    if not _HTTP_URL.fullmatch(value.partition("?")[0]) or re.search(r"[@#\s]", value):
        raise ValueError("an http:// or https:// address without a user")
    return value


def server_name(value: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9-]{1,30}", value):
        raise ValueError("1 to 30 letters, digits and -")
    return value


def headers(values: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in values.items():
        plain = re.fullmatch(r"[ -~]*", value.get_secret_value())
        if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name) or not plain:
            raise ValueError("names of letters, digits and -, with values in ASCII,")
    return values


def existing_files(values: list[str]) -> list[str]:
    for value in values:
        if "\0" in value or not os.path.isfile(ROOT / value):
            raise ValueError("a list of paths of existing files")
    return values


def issuer(value: str | None) -> str | None:
    """Who can change what comes from there can sign in as anybody."""
    if value is None:
        return None
    plain = _HTTP_URL.fullmatch(value) and "@" not in value
    if not plain or not (value.startswith("https://") or _LOOPBACK_URL.match(value)):
        raise ValueError("an https:// address (http:// on this machine alone)")
    return value


def origin(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+/?", value):
        raise ValueError("an http:// or https:// address without a path")
    return value and value.rstrip("/")


def is_email(value: str) -> bool:
    return _EMAIL.fullmatch(value) is not None


def emails(values: list[str]) -> list[str]:
    for value in values:
        if not is_email(value):
            raise ValueError("a list of e-mail addresses")
    return [value.lower() for value in values]


def domains(values: list[str]) -> list[str]:
    for value in values:
        if not _DOMAIN.fullmatch(value):
            raise ValueError("a list of domains such as example.com")
    return [value.lower() for value in values]


_LOOPBACK_URL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$)", re.I)
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.I | re.A)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\U0010ffff]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*", re.I | re.A)
