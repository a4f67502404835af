"""Calls under TLS: to hosts that prove who they are, and to no others."""

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import SECRET, STREAM, WHOLE, ask, both, good_for, written
from tests.failure.forwarder import Forwarder
from tests.running import Running
from tests.upstream import Upstream


@dataclass(frozen=True)
class Certificate:
    """A host's own certificate and key, in one file each."""

    file: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def issued(folder: Path, name: str, days: int = 1) -> Certificate:
    """A certificate for an address or a host, good until as many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_named(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = Certificate(folder / f"{name}.{days}.pem", folder / f"{name}.{days}.key")
    certificate.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    certificate.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "good": issued(folder, "127.0.0.1"),
        "expired": issued(folder, "127.0.0.1", days=-1),
        "another's": issued(folder, "example.org"),
    }


@pytest.fixture(scope="module")
def trusting(
    tmp_path_factory: pytest.TempPathFactory, certificates: dict[str, Certificate]
) -> Iterator[Running]:
    """A gateway that trusts whoever issued the certificates."""
    folder = tmp_path_factory.mktemp("trusting")
    bundle = folder / "bundle.pem"
    bundle.write_bytes(b"".join(one.file.read_bytes() for one in certificates.values()))
    settings = {"upstream": {"ca_bundle": str(bundle), "max_retries": 1}}
    with Running(folder, settings) as running:
        yield running


@pytest.fixture
def safe(certificates: dict[str, Certificate], upstream: Upstream) -> Iterator[Forwarder]:
    with Forwarder(certificates["good"].context) as safe:
        safe.target = upstream.port
        yield safe


def client_of(gateway: Running, host: Forwarder) -> str:
    return gateway.client(
        provider="openai-compatible",
        provider_base_url=f"https://127.0.0.1:{host.port}/v1",
        provider_api_key=SECRET,
    )


@both
def test_a_host_that_is_trusted_answers(
    trusting: Running, upstream: Upstream, safe: Forwarder, question: Any
) -> None:
    upstream.always(good_for(question))
    key = client_of(trusting, safe)
    for _ in range(2):
        assert ask(trusting, key, question).body == written(good_for(question))
    assert safe.first_lines == ["POST /v1/chat/completions HTTP/1.1"]  # the connection is kept
    assert upstream.requests[0].keys == {SECRET}


def test_events_leave_the_moment_they_arrive(
    trusting: Running, upstream: Upstream, safe: Forwarder
) -> None:
    parts = STREAM.parts()
    upstream.always(STREAM.but(hang=range(1, len(parts) + 1)))
    with Caller(trusting) as caller:
        caller.send(request(client_of(trusting, safe), STREAMED))
        _, headers = caller.head()
        arriving = caller.blocks(headers)
        for part in parts:
            assert next(arriving) == part
            upstream.requests[0].release()
        assert not list(arriving)


@pytest.mark.parametrize("place", ["before-head", 2])
def test_a_hang_up_closes_the_connection(
    trusting: Running, upstream: Upstream, safe: Forwarder, place: Any
) -> None:
    upstream.always(STREAM.but(hang=place))
    with Caller(trusting) as caller:
        caller.send(request(client_of(trusting, safe), STREAMED))
        (received,) = upstream.wait()
    assert received.hung_up.wait(1.0)


@pytest.mark.parametrize("which", ["expired", "another's"])
def test_a_host_with_a_bad_certificate_is_told_nothing(
    trusting: Running, upstream: Upstream, certificates: dict[str, Certificate], which: str
) -> None:
    upstream.always(WHOLE)
    with Forwarder(certificates[which].context) as bad:
        bad.target = upstream.port
        answer = ask(trusting, client_of(trusting, bad), QUESTION)
        assert not bad.first_lines
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    assert "certificate" in answer.error["message"]
    assert answer.headers["x-gateway-attempts"] == "1"
    assert not upstream.requests


def test_a_host_that_nobody_vouches_for_is_told_nothing(
    gateway: Running, upstream: Upstream, safe: Forwarder
) -> None:
    answer = ask(gateway, client_of(gateway, safe), QUESTION)
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    assert "certificate" in answer.error["message"]
    assert not safe.first_lines and not upstream.requests


def test_a_host_that_speaks_no_tls_is_told_nothing(gateway: Running) -> None:
    with Upstream() as gone:
        pass
    with Forwarder() as plain:
        plain.target = gone.port
        answer = ask(gateway, client_of(gateway, plain), QUESTION)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
        assert not [line for line in plain.first_lines if "POST" in line]
