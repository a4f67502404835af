"""The models that a client may use: those it is allowed, else its vendor's own list."""

from gateway.providers import Ways
from gateway.providers.model_lists import Model, ModelLists, model
from gateway.routing import credentials, own_provider
from gateway.store.clients import Client


def models_of(client: Client, ways: Ways, lists: ModelLists) -> list[Model]:
    """The client's models in OpenAI's shape, its aliases among them. Raises GatewayError."""
    aliases = [alias for alias in client.model_aliases if not alias.endswith("*")]
    if client.allowed_models:
        names = dict.fromkeys((*client.allowed_models, *aliases))
        return [model(name, client.provider) for name in names]
    provider = own_provider(client, ways)
    listed = lists.of(provider, credentials(client, provider, ways))
    known = {one["id"] for one in listed}
    own = [client.default_model] if client.default_model else []
    added = (name for name in dict.fromkeys((*own, *aliases)) if name not in known)
    return [*listed, *(model(name, provider.id) for name in added)]
