// Google's SDK asks each case once: where, as whom and what on stdin, what it read on stdout.
import { readFileSync } from "node:fs";
import { ApiError, GoogleGenAI } from "@google/genai";

const asked = JSON.parse(readFileSync(0, "utf8"));
const functionDeclarations = asked.tools.map(([name, key]) => ({
  name,
  description: `The ${name}`,
  parametersJsonSchema: { type: "object", properties: { [key]: { type: "string" } } },
}));
const tools = [{ functionDeclarations }];
const made = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: asked.origin } });
const client = made(asked.key);

const question = (name, ...parts) => ({ role: "user", parts: [{ text: `case ${name}` }, ...parts] });

const body = (name, contents, config = {}) => ({
  model: asked.model,
  contents: contents ?? [question(name)],
  config,
});

const create = (...what) => client.models.generateContent(body(...what));

function told(answers) {
  const parts = answers.flatMap((answer) => answer.candidates[0].content?.parts ?? []);
  const calls = parts.filter((part) => part.functionCall);
  const last = answers.at(-1);
  const finish = last.candidates[0].finishReason;
  return {
    text: parts.map((part) => part.text ?? "").join(""),
    calls: calls.map(({ functionCall }) => [functionCall.name, functionCall.args]),
    finish: finish === "STOP" ? (calls.length ? "tool_calls" : "stop") : finish,
    tokens: [last.usageMetadata.promptTokenCount, last.usageMetadata.candidatesTokenCount],
  };
}

async function streamed(...what) {
  const answers = [];
  for await (const answer of await client.models.generateContentStream(body(...what))) {
    answers.push(answer);
  }
  return told(answers);
}

async function toolResult() {
  const { content } = (await create("tools", null, { tools })).candidates[0];
  const results = content.parts
    .filter((part) => part.functionCall)
    .map(({ functionCall: { id, name } }, at) => ({
      functionResponse: { id, name, response: { output: asked.results[at] } },
    }));
  const turn = [question("tool_result"), content, { role: "user", parts: results }];
  return told([await create("tool_result", turn, { tools })]);
}

async function image() {
  const inlineData = { mimeType: "image/png", data: asked.pixel };
  return told([await create("image", [question("image", { inlineData })])]);
}

async function structured() {
  const config = { responseMimeType: "application/json", responseJsonSchema: asked.schema };
  return JSON.parse((await create("structured", null, config)).text);
}

async function error(name, who = client) {
  try {
    await who.models.generateContent(body(name));
    return null;
  } catch (caught) {
    return [caught.constructor.name, caught.status];
  }
}

async function midStream() {
  let text = "";
  try {
    for await (const answer of await client.models.generateContentStream(body("mid_stream"))) {
      text += answer.text ?? "";
    }
    return [text, null];
  } catch (caught) {
    return [text, caught instanceof ApiError];
  }
}

const errors = { key: await error("plain", made("gm_nobody")) };
for (const status of asked.statuses) errors[status] = await error(`error_${status}`);
const models = [];
for await (const model of await client.models.list()) {
  models.push(model.name.replace("models/", ""));
}
const counted = await client.models.countTokens({
  model: asked.model,
  contents: [question("count")],
});
console.log(
  JSON.stringify({
    plain: told([await create("plain")]),
    stream: await streamed("stream"),
    tools: told([await create("tools", null, { tools })]),
    tools_stream: await streamed("tools_stream", null, { tools }),
    tool_result: await toolResult(),
    image: await image(),
    structured: await structured(),
    errors,
    mid_stream: await midStream(),
    models,
    count: counted.totalTokens,
  }),
);
