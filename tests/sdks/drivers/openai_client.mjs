// OpenAI's SDK asks each case once: where, as whom and what on stdin, what it read on stdout.
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const asked = JSON.parse(readFileSync(0, "utf8"));
const tools = asked.tools.map(([name, key]) => ({
  type: "function",
  function: {
    name,
    description: `The ${name}`,
    parameters: { type: "object", properties: { [key]: { type: "string" } } },
  },
}));
const made = (apiKey) => new OpenAI({ baseURL: asked.origin + "/v1", apiKey, maxRetries: 0 });
const client = made(asked.key);

const question = (name, ...parts) => ({
  role: "user",
  content: parts.length ? [{ type: "text", text: `case ${name}` }, ...parts] : `case ${name}`,
});

const create = (name, messages, more = {}) =>
  client.chat.completions.create({
    model: asked.model,
    messages: messages ?? [question(name)],
    ...more,
  });

function whole(answer) {
  const [choice] = answer.choices;
  return {
    text: choice.message.content ?? "",
    calls: (choice.message.tool_calls ?? []).map((call) => [
      call.function.name,
      JSON.parse(call.function.arguments),
    ]),
    finish: choice.finish_reason,
    tokens: [answer.usage.prompt_tokens, answer.usage.completion_tokens],
  };
}

async function streamed(name, more = {}) {
  const stream = client.chat.completions.stream({
    model: asked.model,
    messages: [question(name)],
    stream_options: { include_usage: true },
    ...more,
  });
  return whole(await stream.finalChatCompletion());
}

async function toolResult() {
  const { message } = (await create("tools", null, { tools })).choices[0];
  const results = message.tool_calls.map((call, at) => ({
    role: "tool",
    tool_call_id: call.id,
    content: asked.results[at],
  }));
  return whole(await create("tool_result", [question("tool_result"), message, ...results], { tools }));
}

async function image() {
  const url = `data:image/png;base64,${asked.pixel}`;
  return whole(await create("image", [question("image", { type: "image_url", image_url: { url } })]));
}

async function structured() {
  const json_schema = { name: "city", strict: true, schema: asked.schema };
  const answer = await create("structured", null, {
    response_format: { type: "json_schema", json_schema },
  });
  return JSON.parse(whole(answer).text);
}

async function error(name, who = client) {
  try {
    await who.chat.completions.create({ model: asked.model, messages: [question(name)] });
    return null;
  } catch (caught) {
    return [caught.constructor.name, caught.status];
  }
}

async function midStream() {
  let text = "";
  try {
    for await (const chunk of await create("mid_stream", null, { stream: true })) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
    return [text, null];
  } catch (caught) {
    return [text, caught instanceof OpenAI.APIError];
  }
}

const errors = { key: await error("plain", made("gm_nobody")) };
for (const status of asked.statuses) errors[status] = await error(`error_${status}`);
const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log(
  JSON.stringify({
    plain: whole(await create("plain")),
    stream: await streamed("stream"),
    tools: whole(await create("tools", null, { tools })),
    tools_stream: await streamed("tools_stream", { tools }),
    tool_result: await toolResult(),
    image: await image(),
    structured: await structured(),
    errors,
    mid_stream: await midStream(),
    models,
    count: null,
  }),
);
