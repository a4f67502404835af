"""Anthropic's SDK asks each case once: where, as whom and what on stdin, what it read on stdout."""

import json
import sys

import anthropic

ASKED = json.load(sys.stdin)
TOOLS = [
    {
        "name": name,
        "description": f"The {name}",
        "input_schema": {"type": "object", "properties": {key: {"type": "string"}}},
    }
    for name, key in ASKED["tools"]
]
FINISHES = {"end_turn": "stop", "tool_use": "tool_calls"}
client = anthropic.Anthropic(base_url=ASKED["origin"], api_key=ASKED["key"], max_retries=0)


def question(case, *parts):
    text = {"type": "text", "text": f"case {case}"}
    return {"role": "user", "content": [text, *parts] if parts else text["text"]}


def create(case, messages=None, **more):
    said = messages or [question(case)]
    return client.messages.create(model=ASKED["model"], max_tokens=99, messages=said, **more)


def whole(message):
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "calls": [[b.name, b.input] for b in message.content if b.type == "tool_use"],
        "finish": FINISHES.get(message.stop_reason, message.stop_reason),
        "tokens": [message.usage.input_tokens, message.usage.output_tokens],
    }


def streamed(case, **more):
    with client.messages.stream(
        model=ASKED["model"], max_tokens=99, messages=[question(case)], **more
    ) as events:
        return whole(events.get_final_message())


def tool_result():
    message = create("tools", tools=TOOLS)
    calls = [block for block in message.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": result}
        for call, result in zip(calls, ASKED["results"], strict=True)
    ]
    turn = [
        question("tool_result"),
        {"role": "assistant", "content": [block.to_dict() for block in message.content]},
        {"role": "user", "content": results},
    ]
    return whole(create("tool_result", turn, tools=TOOLS))


def image():
    source = {"type": "base64", "media_type": "image/png", "data": ASKED["pixel"]}
    return whole(create("image", [question("image", {"type": "image", "source": source})]))


def structured():
    wanted = {"format": {"type": "json_schema", "schema": ASKED["schema"]}}
    # The older majors do not know the field.
    answer = create("structured", extra_body={"output_config": wanted})
    return json.loads(whole(answer)["text"])


def error(case, who=client):
    try:
        who.messages.create(model=ASKED["model"], max_tokens=99, messages=[question(case)])
    except anthropic.APIStatusError as caught:
        return [type(caught).__name__, caught.status_code]
    return None


def mid_stream():
    text = ""
    try:
        with client.messages.stream(
            model=ASKED["model"], max_tokens=99, messages=[question("mid_stream")]
        ) as events:
            for piece in events.text_stream:
                text += piece
    except anthropic.APIError:
        return [text, True]
    return [text, None]


def count():
    asked = client.messages.count_tokens(model=ASKED["model"], messages=[question("count")])
    return asked.input_tokens


print(
    json.dumps(
        {
            "plain": whole(create("plain")),
            "stream": streamed("stream"),
            "tools": whole(create("tools", tools=TOOLS)),
            "tools_stream": streamed("tools_stream", tools=TOOLS),
            "tool_result": tool_result(),
            "image": image(),
            "structured": structured(),
            "errors": {
                **{status: error(f"error_{status}") for status in ASKED["statuses"]},
                "key": error("plain", client.with_options(api_key="gm_nobody")),
            },
            "mid_stream": mid_stream(),
            "models": [model.id for model in client.models.list()],
            "count": count(),
        }
    )
)
