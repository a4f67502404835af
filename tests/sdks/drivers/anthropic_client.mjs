// Anthropic's SDK asks each case once: where, as whom and what on stdin, what it read on stdout.
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const asked = JSON.parse(readFileSync(0, "utf8"));
const tools = asked.tools.map(([name, key]) => ({
  name,
  description: `The ${name}`,
  input_schema: { type: "object", properties: { [key]: { type: "string" } } },
}));
const finishes = { end_turn: "stop", tool_use: "tool_calls" };
const made = (apiKey) => new Anthropic({ baseURL: asked.origin, apiKey, maxRetries: 0 });
const client = made(asked.key);

const question = (name, ...parts) => ({
  role: "user",
  content: parts.length ? [{ type: "text", text: `case ${name}` }, ...parts] : `case ${name}`,
});

const body = (name, messages, more = {}) => ({
  model: asked.model,
  max_tokens: 99,
  messages: messages ?? [question(name)],
  ...more,
});

const create = (...what) => client.messages.create(body(...what));

const uses = (message) => message.content.filter((block) => block.type === "tool_use");

function whole(message) {
  const texts = message.content.filter((block) => block.type === "text");
  return {
    text: texts.map((block) => block.text).join(""),
    calls: uses(message).map((block) => [block.name, block.input]),
    finish: finishes[message.stop_reason] ?? message.stop_reason,
    tokens: [message.usage.input_tokens, message.usage.output_tokens],
  };
}

const streamed = async (...what) =>
  whole(await client.messages.stream(body(...what)).finalMessage());

async function toolResult() {
  const message = await create("tools", null, { tools });
  const results = uses(message).map((call, at) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: asked.results[at],
  }));
  const turn = [
    question("tool_result"),
    { role: "assistant", content: message.content },
    { role: "user", content: results },
  ];
  return whole(await create("tool_result", turn, { tools }));
}

async function image() {
  const source = { type: "base64", media_type: "image/png", data: asked.pixel };
  return whole(await create("image", [question("image", { type: "image", source })]));
}

async function structured() {
  const format = { type: "json_schema", schema: asked.schema };
  return JSON.parse(whole(await create("structured", null, { output_config: { format } })).text);
}

async function error(name, who = client) {
  try {
    await who.messages.create(body(name));
    return null;
  } catch (caught) {
    return [caught.constructor.name, caught.status];
  }
}

async function midStream() {
  let text = "";
  try {
    for await (const event of await create("mid_stream", null, { stream: true })) {
      if (event.type === "content_block_delta") text += event.delta.text;
    }
    return [text, null];
  } catch (caught) {
    return [text, caught instanceof Anthropic.APIError];
  }
}

const errors = { key: await error("plain", made("gm_nobody")) };
for (const status of asked.statuses) errors[status] = await error(`error_${status}`);
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const counted = await client.messages.countTokens({
  model: asked.model,
  messages: [question("count")],
});
console.log(
  JSON.stringify({
    plain: whole(await create("plain")),
    stream: await streamed("stream"),
    tools: whole(await create("tools", null, { tools })),
    tools_stream: await streamed("tools_stream", null, { tools }),
    tool_result: await toolResult(),
    image: await image(),
    structured: await structured(),
    errors,
    mid_stream: await midStream(),
    models,
    count: counted.input_tokens,
  }),
);
