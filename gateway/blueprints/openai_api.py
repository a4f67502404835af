"""The OpenAI door: chat completions, Responses and embeddings."""

from flask import Blueprint, request

from gateway import memory
from gateway.blueprints import access
from gateway.blueprints.replies import Reply, reply, said
from gateway.chat import ChatRequest
from gateway.context import current_gateway
from gateway.dialects import openai, responses
from gateway.errors import NotFound
from gateway.exchange import Exchange

bp = Blueprint("openai_api", __name__)


@bp.post("/v1/chat/completions")
@bp.post("/chat/completions")
def chat_completions() -> Reply:
    return reply("openai", _ask)


@bp.post("/v1/responses")
def create_response() -> Reply:
    return reply("responses", _ask_response)


@bp.get("/v1/responses/<response_id>")
def stored_response(response_id: str) -> Reply:
    """One that the gateway keeps; those of vendors that keep their own are not known here."""
    client = access.known_client(current_gateway, request.environ)
    found = memory.stored_response(current_gateway.states, client.id, response_id)
    if found is None:
        raise _not_kept(response_id)
    return said(found)


@bp.delete("/v1/responses/<response_id>")
def forget_response(response_id: str) -> Reply:
    client = access.known_client(current_gateway, request.environ)
    if not memory.forget_response(current_gateway.states, client.id, response_id):
        raise _not_kept(response_id)
    return said({"id": response_id, "object": "response", "deleted": True})


def _not_kept(response_id: str) -> NotFound:
    return NotFound(f"Response with id {response_id!r} not found.", param="response_id")


def _ask_response(exchange: Exchange) -> ChatRequest:
    return responses.read_request(access.admitted_body(exchange, request.environ))


@bp.post("/v1/embeddings")
def embeddings() -> Reply:
    return reply("openai", _ask_embeddings)


def _ask_embeddings(exchange: Exchange) -> ChatRequest:
    return openai.read_embeddings_request(access.admitted_body(exchange, request.environ))


def _ask(exchange: Exchange) -> ChatRequest:
    """Lets the caller in and reads the question."""
    return openai.read_request(access.admitted_body(exchange, request.environ))
