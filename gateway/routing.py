"""Where a question goes: client and model → targets in order."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config import ProviderCredentials
from gateway.errors import BadRequest, GatewayError, ModelNotFound
from gateway.providers import Ways
from gateway.providers.base import Credentials, Provider, Target
from gateway.store.clients import Client
from gateway.store.models import ClientRow

_LONGEST_NAME = 255
"""Of a model: it goes into headers, metrics and a column of the log."""


@dataclass(frozen=True, slots=True)
class Route:
    """The targets to try in order, and for each one that was skipped, why."""

    targets: tuple[Target, ...]
    skipped: tuple[str, ...] = ()


class NoCredentials(GatewayError):
    """Nobody has told the gateway how to reach the provider."""

    status = 502
    code = "no_credentials"


def route(client: Client, model: str | None, ways: Ways) -> Route:
    """The targets for a client's question.

    Raises BadRequest when no model is named, ModelNotFound when the client may not use it,
    NoCredentials when no target can be reached.
    """
    first = chosen(client, model, ways)
    targets, skipped = [], []
    for name in (first, *client.fallback_models):
        try:
            targets.append(target_of(client, name, ways))
        except NoCredentials as error:
            skipped.append(error.message)
    if not targets:
        raise NoCredentials(skipped[0])
    return Route(tuple(targets), tuple(skipped))


def chosen(client: Client | ClientRow, model: str | None, ways: Ways) -> str:
    """The target that a client's model stands for, after aliases and the list of allowed ones."""
    if model is None:
        if client.default_model is None:
            raise BadRequest(
                "`model` is missing, and this client has no default model",
                param="model",
                code="missing_required_parameter",
            )
        return client.default_model
    if len(model) > _LONGEST_NAME:
        raise ModelNotFound(
            f"No model has a name of more than {_LONGEST_NAME} characters", param="model"
        )
    target = alias_target(client.model_aliases, model) or model
    if not _is_allowed(client, target, ways):
        raise ModelNotFound(
            f"The model `{model}` does not exist or this client may not use it", param="model"
        )
    return target


def alias_target(aliases: Mapping[str, str], model: str) -> str | None:
    """What an alias stands for: the very name, else the longest one that ends in `*`."""
    if not aliases:
        return None
    if model in aliases:
        return aliases[model]
    fitting = [a for a in aliases if a.endswith("*") and model.startswith(a[:-1])]
    return aliases[max(fitting, key=len)] if fitting else None


def target_of(client: Client, name: str, ways: Ways) -> Target:
    """The target that `model` or `provider/model` names. Raises NoCredentials."""
    named, model = _place(client, name, ways)
    provider = own_provider(client, ways) if named == client.provider else ways.providers[named]
    return Target(provider, model, credentials(client, provider, ways))


def own_provider(client: Client, ways: Ways) -> Provider:
    """The client's own vendor. Raises NoCredentials for one that has no adapter yet."""
    provider = ways.providers.get(client.provider)
    if provider is None:
        raise NoCredentials(f"The provider `{client.provider}` is not available in this version")
    return provider


def credentials(client: Client, provider: Provider, ways: Ways) -> Credentials:
    """The address and key for one provider; a key only ever goes to the address it came with.

    The client's own serve its own provider alone; else those of config.yaml do. Raises
    NoCredentials that says what to set.
    """
    own = provider.id == client.provider
    if own and (client.provider_api_key is not None or client.provider_base_url is not None):
        found = _credentials(
            provider,
            client.provider_base_url,
            client.provider_api_key,
            client.provider_api_version,
        )
    elif (given := ways.credentials.get(provider.id)) is not None:
        key = given.api_key.get_secret_value() if given.api_key else None
        found = _credentials(provider, given.base_url, key, given.api_version)
    elif own or provider.id == "demo":
        found = _credentials(provider, None, None, client.provider_api_version)
    else:
        found = None
    if found is None:
        raise NoCredentials(
            f"No credentials for {provider.title}: set the client's provider_api_key, or "
            f"providers.{provider.id} in config.yaml"
        )
    return found


def own_credentials(provider: Provider, ways: Ways) -> Credentials | None:
    """Those that the gateway itself has for a provider; None where it has not all it takes."""
    given = ways.credentials.get(provider.id) or ProviderCredentials()
    key = given.api_key.get_secret_value() if given.api_key else None
    return _credentials(provider, given.base_url, key, given.api_version)


def _credentials(
    provider: Provider, base_url: str | None, key: str | None, version: str | None
) -> Credentials | None:
    address = provider.clean_base_url(base_url) if base_url else provider.base_url
    if address is None or (key is None and provider.key == "required"):
        return None
    return Credentials(address, key, version)


def _is_allowed(client: Client | ClientRow, target: str, ways: Ways) -> bool:
    allowed = client.allowed_models
    if not allowed or target in allowed:
        return True
    return _place(client, target, ways) in {_place(client, one, ways) for one in allowed}


def _place(client: Client | ClientRow, target: str, ways: Ways) -> tuple[str, str]:
    """The provider that a target names, else the client's own, and the model's name there."""
    head, slash, rest = target.partition("/")
    if slash and rest and (head in ways.providers or head == client.provider):
        return head, rest
    return client.provider, target
