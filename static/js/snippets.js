// A question in OpenAI's dialect as a program would ask it, with a place for the key.
const LONGEST_DATA = 100;

// Media are shortened: nobody pastes a megabyte.
function shortened(name, value) {
  return typeof value === "string" && value.startsWith("data:") && value.length > LONGEST_DATA
    ? `${value.slice(0, value.indexOf(",") + 1)}…`
    : value;
}

const json = (value, indent) => JSON.stringify(value, shortened, indent);

export function asCurl(address, question) {
  const body = json(question, 2).replaceAll("'", "'\\''");
  return `curl -N ${address}/v1/chat/completions \\
  -H "Authorization: Bearer $GATEWAY_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${body}'`;
}

// JSON's texts and numbers are Python's, too; its words are not.
function literal(value, indent) {
  const deeper = `${indent}    `;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return json(shortened("", value));
  const isList = Array.isArray(value);
  const items = isList
    ? value.map((one) => literal(one, deeper))
    : Object.entries(value).map(([name, one]) => `${json(name)}: ${literal(one, deeper)}`);
  const [begin, end] = isList ? "[]" : "{}";
  if (!items.length) return begin + end;
  return `${begin}\n${items.map((one) => `${deeper}${one},\n`).join("")}${indent}${end}`;
}

export function asPython(address, question) {
  const given = Object.entries(question)
    .map(([name, value]) => `    ${name}=${literal(value, "    ")},\n`)
    .join("");
  return `import os

from openai import OpenAI

client = OpenAI(base_url=${json(`${address}/v1`)}, api_key=os.environ["GATEWAY_KEY"])
stream = client.chat.completions.create(
${given})
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)`;
}
