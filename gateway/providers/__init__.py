"""The vendors: PROVIDERS is the one list of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.config import ProviderCredentials, Settings
from gateway.providers.anthropic import ANTHROPIC
from gateway.providers.azure import AZURE
from gateway.providers.base import Provider
from gateway.providers.gemini import GEMINI
from gateway.providers.offline import DEMO
from gateway.providers.openai_compatible import OPENAI_COMPATIBLE

PROVIDERS: Mapping[str, Provider] = {
    provider.id: provider for provider in (*OPENAI_COMPATIBLE, AZURE, ANTHROPIC, GEMINI, DEMO)
}


@dataclass(frozen=True, slots=True)
class Ways:
    """Where this gateway can go at all: its vendors, and config.yaml's credentials for them."""

    providers: Mapping[str, Provider]
    credentials: Mapping[str, ProviderCredentials]


def ways(settings: Settings) -> Ways:
    """The vendors as the settings want them."""
    demo = replace(DEMO, tokens_per_second=settings.demo.tokens_per_second)
    return Ways({**PROVIDERS, demo.id: demo}, settings.providers)
