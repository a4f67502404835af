"""What the form of a client says of each provider, from the one list of them."""

from dataclasses import dataclass

from gateway.providers import Ways
from gateway.providers.base import Provider


@dataclass(frozen=True, slots=True)
class Hint:
    """A sentence for the fields that depend on the provider, and what may stand in them."""

    id: str
    title: str
    base_url: str
    address: str
    key: str
    model: str


def provider_hints(ways: Ways) -> list[Hint]:
    return [_hint(provider, ways) for provider in ways.providers.values()]


def _hint(provider: Provider, ways: Ways) -> Hint:
    own = ways.credentials.get(provider.id)
    address = (own.base_url if own else None) or provider.base_url or ""
    return Hint(
        provider.id,
        provider.title,
        "" if provider.id == "demo" else address or provider.address_format or "",
        _address(provider, address),
        _key(provider, has_own=bool(own and own.api_key)),
        _model(provider),
    )


def _address(provider: Provider, address: str) -> str:
    said = f"Empty means {address}." if address else "Required: there is no usual address."
    if provider.address_format:
        said += f" It looks like {provider.address_format}."
    if provider.id == "demo":
        return "Not needed: it answers inside the gateway."
    return f"{said} {provider.hint}" if provider.hint else said


def _key(provider: Provider, *, has_own: bool) -> str:
    if provider.id == "demo":
        return "Not needed."
    bearer = " Bearer" if provider.key_header == "Authorization" else ""
    looks = f"looks like {provider.key_format} and " if provider.key_format else ""
    sent = f"It {looks}goes there as {provider.key_header}:{bearer} …"
    if has_own:
        return f"Empty means the gateway's own key. {sent}"
    return f"{'Optional' if provider.key == 'optional' else 'Required'}. {sent}"


def _model(provider: Provider) -> str:
    if provider.model_hint:
        return provider.model_hint
    if provider.models:
        return f"For example {', '.join(provider.models)}."
    return "A name from the server's own list of models."
