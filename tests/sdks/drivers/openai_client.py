"""OpenAI's SDK asks each case once: where, as whom and what on stdin, what it read on stdout."""

import json
import sys

import openai

ASKED = json.load(sys.stdin)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {name}",
            "parameters": {"type": "object", "properties": {key: {"type": "string"}}},
        },
    }
    for name, key in ASKED["tools"]
]
client = openai.OpenAI(base_url=ASKED["origin"] + "/v1", api_key=ASKED["key"], max_retries=0)


def question(case, *parts):
    text = {"type": "text", "text": f"case {case}"}
    return {"role": "user", "content": [text, *parts] if parts else text["text"]}


def create(case, messages=None, **more):
    said = messages or [question(case)]
    return client.chat.completions.create(model=ASKED["model"], messages=said, **more)


def whole(answer):
    choice = answer.choices[0]
    calls = [
        [call.function.name, json.loads(call.function.arguments)]
        for call in choice.message.tool_calls or ()
    ]
    return {
        "text": choice.message.content or "",
        "calls": calls,
        "finish": choice.finish_reason,
        "tokens": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
    }


def streamed(case, **more):
    with client.chat.completions.stream(
        model=ASKED["model"],
        messages=[question(case)],
        stream_options={"include_usage": True},
        **more,
    ) as events:
        return whole(events.get_final_completion())


def tool_result():
    answer = create("tools", tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    turn = [question("tool_result"), answer.choices[0].message.to_dict()]
    for call, result in zip(calls, ASKED["results"], strict=True):
        turn.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return whole(create("tool_result", turn, tools=TOOLS))


def image():
    url = f"data:image/png;base64,{ASKED['pixel']}"
    part = {"type": "image_url", "image_url": {"url": url}}
    return whole(create("image", [question("image", part)]))


def structured():
    schema = {"name": "city", "strict": True, "schema": ASKED["schema"]}
    wanted = {"type": "json_schema", "json_schema": schema}
    return json.loads(whole(create("structured", response_format=wanted))["text"])


def error(case, who=client):
    try:
        who.chat.completions.create(model=ASKED["model"], messages=[question(case)])
    except openai.APIStatusError as caught:
        return [type(caught).__name__, caught.status_code]
    return None


def mid_stream():
    text = ""
    try:
        for chunk in create("mid_stream", stream=True):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    except openai.APIError:
        return [text, True]
    return [text, None]


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
            "count": None,
        }
    )
)
