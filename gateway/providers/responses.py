"""A question in OpenAI's Responses, for vendors that speak it: relayed but for the due edits."""

from gateway.chat import ChatRequest
from gateway.providers.quirks import Draft


def edited(
    request: ChatRequest, model: str, system_prompt: str | None, max_tokens: int | None
) -> bytes:
    """The body with the target's model, the client's cap and system prompt."""
    body, draft = request.body, Draft(request)
    if request.model != model:
        draft.set("model", model)
    asked = body.get("max_output_tokens")
    if max_tokens is not None and (asked is None or asked > max_tokens):
        draft.set("max_output_tokens", max_tokens)
    if system_prompt is not None:
        given = body.get("instructions")
        draft.set("instructions", f"{system_prompt}\n\n{given}" if given else system_prompt)
    return draft.text()
