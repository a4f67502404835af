"""Azure OpenAI's two surfaces: which one, and where."""

import pytest

from gateway.dialects.openai import read_request
from gateway.providers.azure import AZURE
from gateway.providers.base import Credentials, Target

HOST = "https://r.openai.azure.com"
HELLO = read_request(b'{"messages":[{"role":"user","content":"Hello"}]}')


def chat_url(model: str, version: str | None) -> str:
    return AZURE.url(Target(AZURE, model, Credentials(HOST, "k", version)), HELLO)


def test_the_newer_surface_without_a_version() -> None:
    assert chat_url("gpt-4o", None) == f"{HOST}/openai/v1/chat/completions"
    assert AZURE.models_url(Credentials(HOST, "k")) == f"{HOST}/openai/v1/models"


@pytest.mark.parametrize(
    ("model", "version", "rest"),
    [
        ("gpt-4o", "2024-10-21", "gpt-4o/chat/completions?api-version=2024-10-21"),
        ("a/b c?d", "2024-10-21", "a%2Fb%20c%3Fd/chat/completions?api-version=2024-10-21"),
        ("m", "x&y=z#", "m/chat/completions?api-version=x%26y%3Dz%23"),
    ],
)
def test_a_deployments_url_with_one(model: str, version: str, rest: str) -> None:
    assert chat_url(model, version) == f"{HOST}/openai/deployments/{rest}"


def test_the_list_of_models_with_one() -> None:
    url = AZURE.models_url(Credentials(HOST, "k", "2024-10-21"))
    assert url == f"{HOST}/openai/models?api-version=2024-10-21"


def test_the_key_has_a_header_of_its_own() -> None:
    headers = AZURE.headers(Credentials(HOST, "the-key"))
    assert headers["api-key"] == "the-key"
    assert "Authorization" not in headers


@pytest.mark.parametrize("host", [HOST, "https://r.services.ai.azure.com", "https://apim/azure"])
@pytest.mark.parametrize(
    "ending",
    [
        "",
        "/",
        "//",
        "/v1",
        "/openai",
        "/openai/",
        "/openai/v1",
        "/openai/v1/",
        "/openai/v1/chat/completions",
        "/openai/deployments",
        "/openai/deployments/gpt-4o",
        "/openai/deployments/gpt-4o/chat/completions",
    ],
)
def test_an_address_as_azures_pages_show_it(host: str, ending: str) -> None:
    assert AZURE.clean_base_url(host + ending) == host


@pytest.mark.parametrize("host", ["https://openai", "https://h/openai/x", "https://h/v1/x"])
def test_an_address_that_is_the_hosts_own(host: str) -> None:
    assert AZURE.clean_base_url(host) == host


def test_a_cap_goes_where_newer_models_want_it() -> None:
    question = AZURE.write(HELLO, "gpt-4o", None, 9)
    assert b'"max_completion_tokens":9' in question.body
