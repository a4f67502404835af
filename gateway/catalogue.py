"""The models that a client may use: those it is allowed, else its vendor's own list."""

from gateway.errors import ModelNotFound
from gateway.providers import Ways
from gateway.providers.model_lists import Model, ModelLists, model
from gateway.routing import chosen, credentials, own_provider
from gateway.store.clients import Client
from gateway.store.models import ClientRow


def models_of(client: Client, ways: Ways, lists: ModelLists) -> list[Model]:
    """The client's models in OpenAI's shape, its aliases among them. Raises GatewayError."""
    aliases = [alias for alias in client.model_aliases if _is_model(client, alias, ways)]
    if client.allowed_models:
        names = dict.fromkeys((*client.allowed_models, *aliases))
        return [model(name, client.provider) for name in names]
    provider = own_provider(client, ways)
    listed = lists.of(provider, credentials(client, provider, ways))
    listed = [_as_asked(one, provider.id, ways) for one in listed]
    known = {one["id"] for one in listed}
    own = [client.default_model] if client.default_model else []
    added = (name for name in dict.fromkeys((*own, *aliases)) if name not in known)
    return [*listed, *(model(name, provider.id) for name in added)]


def listed_now(client: Client, ways: Ways, lists: ModelLists) -> list[Model] | None:
    """What the client's vendor lists for its key at this moment, by the names that a client asks
    for; None where it has no list. Raises GatewayError.
    """
    provider = own_provider(client, ways)
    listed = lists.now(provider, credentials(client, provider, ways))
    return None if listed is None else [_as_asked(one, provider.id, ways) for one in listed]


def named_models(client: Client | ClientRow, ways: Ways) -> list[str]:
    """The models that are known without asking anybody, the one to try first in front."""
    default = [client.default_model] if client.default_model else []
    aliases = [alias for alias in client.model_aliases if _is_model(client, alias, ways)]
    own = ways.providers.get(client.provider)
    usual = own.models if own is not None and not client.allowed_models else ()
    return list(dict.fromkeys((*default, *client.allowed_models, *aliases, *usual)))


def _as_asked(listed: Model, provider: str, ways: Ways) -> Model:
    """A vendor of others' models names them as we name targets at those others."""
    return listed | {"id": _askable(listed["id"], provider, ways)}


def _askable(name: str, provider: str, ways: Ways) -> str:
    head, slash, _ = name.partition("/")
    return f"{provider}/{name}" if slash and head in ways.providers else name


def _is_model(client: Client | ClientRow, alias: str, ways: Ways) -> bool:
    """Whether an alias is a name, not a pattern, and stands for what the client may use."""
    if alias.endswith("*"):
        return False
    try:
        chosen(client, alias, ways)
    except ModelNotFound:
        return False
    return True
