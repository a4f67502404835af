"""The settings: config.yaml and the environment over it, read once, checked, frozen.

Each setting has its one home in `sections`: name, type, bounds, default and meaning. config.yaml
and docs/configuration.md repeat them for people; tests hold both to it.
"""

from gateway.config.accepted import accepted, is_open
from gateway.config.origins import Origin, Origins
from gateway.config.reading import ConfigError, load
from gateway.config.root import ROOT
from gateway.config.sections import (
    ENVIRONMENT,
    MOST_BUDGET,
    PROVIDER_IDS,
    Breaker,
    Defaults,
    Fetch,
    Logging,
    McpServer,
    Metrics,
    PriceOverride,
    ProviderCredentials,
    Section,
    Settings,
    State,
    Tools,
    Upstream,
)

__all__ = [
    "ENVIRONMENT",
    "MOST_BUDGET",
    "PROVIDER_IDS",
    "ROOT",
    "Breaker",
    "ConfigError",
    "Defaults",
    "Fetch",
    "Logging",
    "McpServer",
    "Metrics",
    "Origin",
    "Origins",
    "PriceOverride",
    "ProviderCredentials",
    "Section",
    "Settings",
    "State",
    "Tools",
    "Upstream",
    "accepted",
    "is_open",
    "load",
]
