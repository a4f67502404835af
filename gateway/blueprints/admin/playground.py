"""The playground: an admin asks a model as one of the clients would, without its key.

A call goes the way of all others, with its client's limits, budget and fallback; in the log its
door is DOOR. Who sent it stands in the audit log.
"""

from decimal import Decimal

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from gateway.blueprints import access
from gateway.blueprints.admin import acting
from gateway.blueprints.admin.connection_api import client_of
from gateway.blueprints.admin.query import whole_number
from gateway.blueprints.replies import Reply, failure, reply
from gateway.catalogue import models_of, named_models
from gateway.chat import ChatRequest
from gateway.context import current_gateway
from gateway.dialects import openai
from gateway.errors import GatewayError
from gateway.exchange import Exchange, new_request_id
from gateway.store import audit
from gateway.store.client_book import HIGHEST_ID, ClientBook
from gateway.store.client_list import client_names, state_of
from gateway.store.clients import Client
from gateway.store.log_pages import find_request

DOOR = "playground"
CLIENTS_OFFERED = 1000
TOLD = (
    *("status", "finish_reason", "input_tokens", "output_tokens", "estimated"),
    *("first_byte_ms", "total_ms", "tool_rounds"),
)
"""Of a call that has ended, beside its cost."""
_LONGEST_REASON = 200

bp = Blueprint("playground", __name__, url_prefix="/playground")
calls = Blueprint("calls", __name__)


@bp.get("")
def show() -> ResponseReturnValue:
    chosen = whole_number("client", default=0, lowest=0, highest=HIGHEST_ID)
    clients = client_names(current_gateway.engine, CLIENTS_OFFERED)
    if chosen and chosen not in dict(clients):
        clients.append((chosen, ClientBook.of(current_gateway).get(chosen).name))
    return render_template(
        "admin/playground.html",
        clients=clients,
        chosen=chosen or (clients[0][0] if clients else 0),
        address=request.host_url.rstrip("/"),  # as this browser reaches it
    )


@calls.get("/clients/<int:client_id>")
def facts(client_id: int) -> ResponseReturnValue:
    """What the page has to know of a client; its provider may be asked for its models."""
    gateway = current_gateway
    row, client = ClientBook.of(gateway).get(client_id), client_of(client_id)
    models, problem = _models(client)
    known = named_models(client, gateway.ways)
    runs_tools = client.tool_mode == "gateway"
    return {
        "name": client.name,
        "state": state_of(row),
        "default_model": client.default_model,
        "model_to_try": known[0] if known else None,
        "models": models,
        "models_problem": problem,
        "has_system_prompt": bool(client.system_prompt),
        "tools": gateway.toolbox.chosen(client.server_tools) if runs_tools else [],
    }


@calls.post("/clients/<int:client_id>")
def ask(client_id: int) -> Reply:
    """The body is a question in OpenAI's dialect, and so is the answer."""
    client = client_of(client_id)

    def admitted(exchange: Exchange) -> ChatRequest:
        _note(client, exchange.request_id)
        return openai.read_request(access.admitted_body_of(client, exchange, request.environ))

    return reply("openai", admitted, name=DOOR)


@calls.get("/requests/<request_id>")
def receipt(request_id: str) -> ResponseReturnValue:
    """What a call came to; no content while it is not in the log, which is soon after its end."""
    row = find_request(current_gateway.engine, request_id)
    if row is None:
        return "", 204
    return {name: row[name] for name in TOLD} | {"cost_usd": _dollars(row["cost_usd"])}


@calls.errorhandler(GatewayError)
def tell_failure(error: GatewayError) -> Reply:
    """As a door would: the page reads it."""
    return failure(error, "openai", new_request_id())


bp.register_blueprint(calls)


def _dollars(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _models(client: Client) -> tuple[list[str], str | None]:
    """Names that it may ask for; and why its provider's own are not among them, if so."""
    gateway = current_gateway
    try:
        found = models_of(client, gateway.ways, gateway.model_lists)
        return [str(one["id"]) for one in found], None
    except GatewayError as error:
        aliases = (alias for alias in client.model_aliases if not alias.endswith("*"))
        default = [client.default_model] if client.default_model else []
        return list(dict.fromkeys([*default, *client.allowed_models, *aliases])), error.message[
            :_LONGEST_REASON
        ]


def _note(client: Client, request_id: str) -> None:
    changes: audit.Changes = {"request": [None, request_id]}
    engine = current_gateway.engine
    audit.note(engine, acting(), "playground.ask", client.name, client.id, changes)
