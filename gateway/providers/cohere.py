"""Cohere's endpoint that is compatible with OpenAI's; its list of models is the native one."""

from typing import Any

from gateway.dialects.openai_chat import Accepts
from gateway.providers.base import Provider
from gateway.providers.choices import narrowed
from gateway.providers.quirks import Quirks


def _body(body: dict[str, Any]) -> dict[str, Any]:
    """Cohere knows the words alone: a choice that names tools becomes fewer tools."""
    members = narrowed(body)
    return {"tools": members["tools"]} if members.get("tool_choice") == "auto" else members


COHERE = Provider(
    id="cohere",
    title="Cohere",
    model_hint="For example command-a-03-2025.",
    base_url="https://api.cohere.ai/compatibility/v1",
    # Its compatible surface documents no list.
    models_path=None,
    native_models_path="/v1/models?endpoint=chat&page_size=1000",
    native_root="/compatibility/v1",
    next_page=("next_page_token", "page_token"),
    stream_usage="given",
    statuses={498: 401},  # an invalid token
    accepts=Accepts(cap_field="max_tokens", thoughts=None, allowed_tools=False, one_call=False),
    quirks=Quirks(
        rename={"max_completion_tokens": "max_tokens"},
        drop=frozenset(
            {
                *("logit_bias", "metadata", "prediction", "service_tier", "store"),
                *("stream_options", "top_logprobs", "user"),
            }
        ),
        only={
            "audio": (),
            "modalities": (["text"],),
            "n": (1,),
            "parallel_tool_calls": (True,),
        },
        words={
            "reasoning_effort": {
                "minimal": "none",
                "low": "high",
                "medium": "high",
                "xhigh": "high",
                "max": "high",
            },
            "tool_choice": {"auto": None},
        },
        body=_body,
    ),
)
