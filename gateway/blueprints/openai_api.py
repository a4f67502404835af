"""The OpenAI door: chat completions, Responses and embeddings."""

from flask import Blueprint, request

from gateway.blueprints import access
from gateway.blueprints.replies import Reply, reply
from gateway.chat import ChatRequest
from gateway.dialects import openai, responses
from gateway.exchange import Exchange

bp = Blueprint("openai_api", __name__)


@bp.post("/v1/chat/completions")
@bp.post("/chat/completions")
def chat_completions() -> Reply:
    return reply("openai", _ask)


@bp.post("/v1/responses")
def create_response() -> Reply:
    return reply("responses", _ask_response)


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
