"""Clients as calls see them, made without a database."""

from typing import Any

from gateway.store.client_fields import ClientFields
from gateway.store.clients import Client


def client(**fields: Any) -> Client:
    """A client with these fields; every other one has its default."""
    defaults = ClientFields.model_validate({"name": "shop"}).model_dump()
    lists = {name: tuple(value) for name, value in defaults.items() if isinstance(value, list)}
    return Client(**{"id": 1, **defaults, **lists, **fields})
