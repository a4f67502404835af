import OpenAI from "openai";

const client = new OpenAI({
  baseURL: {{ (origin ~ "/v1") | tojson }},
  apiKey: {{ key | tojson }},
});
const completion = await client.chat.completions.create({
  model: {{ model | tojson }},
  messages: [{ role: "user", content: "Hello" }],
});
console.log(completion.choices[0].message.content);
