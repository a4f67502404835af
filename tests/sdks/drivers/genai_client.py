"""Google's SDK asks each case once: where, as whom and what on stdin, what it read on stdout."""

import base64
import json
import sys

from google import genai
from google.genai import errors, types

ASKED = json.load(sys.stdin)
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name=name,
            description=f"The {name}",
            parameters_json_schema={"type": "object", "properties": {key: {"type": "string"}}},
        )
        for name, key in ASKED["tools"]
    ]
)
MANUAL = types.AutomaticFunctionCallingConfig(disable=True)


def made(key):
    options = types.HttpOptions(base_url=ASKED["origin"])
    return genai.Client(api_key=key, http_options=options)


client = made(ASKED["key"])


def question(case, *parts):
    return types.Content(role="user", parts=[types.Part(text=f"case {case}"), *parts])


def create(case, contents=None, **more):
    config = types.GenerateContentConfig(**more)
    return client.models.generate_content(
        model=ASKED["model"], contents=contents or [question(case)], config=config
    )


def told(answers):
    answers = list(answers)
    parts = [p for answer in answers for p in (answer.candidates[0].content.parts or ())]
    calls = [[p.function_call.name, p.function_call.args] for p in parts if p.function_call]
    finish = answers[-1].candidates[0].finish_reason
    usage = answers[-1].usage_metadata
    return {
        "text": "".join(part.text or "" for part in parts),
        "calls": calls,
        "finish": ("tool_calls" if calls else "stop") if finish.value == "STOP" else finish.value,
        "tokens": [usage.prompt_token_count, usage.candidates_token_count],
    }


def streamed(case, **more):
    return told(
        client.models.generate_content_stream(
            model=ASKED["model"],
            contents=[question(case)],
            config=types.GenerateContentConfig(**more),
        )
    )


def tool_result():
    asked = create("tools", tools=[TOOL], automatic_function_calling=MANUAL)
    content = asked.candidates[0].content
    calls = [part.function_call for part in content.parts if part.function_call]
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"output": result}
            )
        )
        for call, result in zip(calls, ASKED["results"], strict=True)
    ]
    turn = [question("tool_result"), content, types.Content(role="user", parts=results)]
    return told([create("tool_result", turn, tools=[TOOL], automatic_function_calling=MANUAL)])


def image():
    part = types.Part.from_bytes(data=base64.b64decode(ASKED["pixel"]), mime_type="image/png")
    return told([create("image", [question("image", part)])])


def structured():
    answer = create(
        "structured",
        response_mime_type="application/json",
        response_json_schema=ASKED["schema"],
    )
    return json.loads(answer.text)


def error(case, who=client):
    try:
        who.models.generate_content(model=ASKED["model"], contents=[question(case)])
    except errors.APIError as caught:
        return [type(caught).__name__, caught.code]
    return None


def mid_stream():
    text = ""
    try:
        for answer in client.models.generate_content_stream(
            model=ASKED["model"], contents=[question("mid_stream")]
        ):
            text += answer.text or ""
    except errors.APIError:
        return [text, True]
    return [text, None]


print(
    json.dumps(
        {
            "plain": told([create("plain")]),
            "stream": streamed("stream"),
            "tools": told([create("tools", tools=[TOOL], automatic_function_calling=MANUAL)]),
            "tools_stream": streamed("tools_stream", tools=[TOOL]),
            "tool_result": tool_result(),
            "image": image(),
            "structured": structured(),
            "errors": {
                **{status: error(f"error_{status}") for status in ASKED["statuses"]},
                "key": error("plain", made("gm_nobody")),
            },
            "mid_stream": mid_stream(),
            "models": [model.name.removeprefix("models/") for model in client.models.list()],
            "count": client.models.count_tokens(
                model=ASKED["model"], contents=[question("count")]
            ).total_tokens,
        }
    )
)
