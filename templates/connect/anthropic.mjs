import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({
  baseURL: {{ origin | tojson }},
  apiKey: {{ key | tojson }},
});
const message = await client.messages.create({
  model: {{ model | tojson }},
  max_tokens: 1024,
  messages: [{ role: "user", content: "Hello" }],
});
console.log(message.content.filter((block) => block.type === "text").map((block) => block.text).join(""));
