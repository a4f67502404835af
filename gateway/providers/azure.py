"""Azure OpenAI on both of its surfaces: deployment URLs with an api-version, and /openai/v1."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from gateway.chat import ChatRequest
from gateway.dialects.openai_chat import Accepts
from gateway.providers.base import Credentials, Provider, Target
from gateway.providers.openai_compatible import CAP_OF_REASONING

# What may stand behind the host in an address as Azure's own pages show it.
_SURFACE = re.compile(
    r"(?<!/)(?:/openai)?(?:/v1|/deployments(?:/[^/]+)?)?(?:/chat/completions)?/*$", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Azure(Provider):
    """With an `api_version` the URL names the deployment; without one, `model` in the body does."""

    key_header: str = "api-key"

    def url(self, target: Target, request: ChatRequest) -> str:
        host, version = target.credentials.base_url, target.credentials.api_version
        if version is None:
            return f"{host}/openai/v1{self._path(request)}"
        deployment = quote(target.model, safe="")
        return (
            f"{host}/openai/deployments/{deployment}{self._path(request)}"
            f"?api-version={quote(version)}"
        )

    def models_url(self, credentials: Credentials) -> str:
        version = credentials.api_version
        if version is None:
            return f"{credentials.base_url}/openai/v1/models"
        return f"{credentials.base_url}/openai/models?api-version={quote(version)}"

    def clean_base_url(self, base_url: str) -> str:
        return _SURFACE.sub("", base_url, count=1)


AZURE = Azure(
    id="azure-openai",
    title="Azure OpenAI",
    address_format="https://<resource>.openai.azure.com",
    model_hint="The name of a deployment of yours, whatever model it has.",
    cap_field="max_completion_tokens",
    model_quirks=CAP_OF_REASONING,
    accepts=Accepts(thoughts=None, custom_tools=True),
)
