// The playground: a conversation with a model, asked as one of the clients would ask.
import { NEXT, PLACES } from "./next_step.js";
import { Picture } from "./picture.js";
import { tokenOfSession } from "./session.js";
import { asCurl, asPython } from "./snippets.js";
import { eventsOf } from "./sse.js";
import { Answer, Question, element, follow } from "./talk.js";

const RECEIPT_TRIES = 40;
const RECEIPT_EVERY = 250;
const SIGNED_OUT = { code: "signed_out", message: "You are signed out." };
const EXAMPLE = [{
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of now in a city",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", description: "Such as Oslo" },
        unit: { type: "string", enum: ["celsius", "fahrenheit"] },
      },
      required: ["city"],
    },
  },
}];
const root = document.getElementById("playground");
const { playground: base, clients, requests, address } = root.dataset;
const [client, model, system, temperature, mostTokens, tools, compose, message, talk, problem] = [
  "client", "model", "system", "temperature", "max_tokens", "tools", "compose", "message", "talk",
  "problem",
].map((id) => document.getElementById(id));
const [send, stop, clear, results, told, toolsProblem] = [
  "send", "stop", "clear", "results", "told", "tools-problem",
].map((id) => document.getElementById(id));

const nothing = talk.firstElementChild;
const picture = new Picture(document.getElementById("compose"), (wrong) => {
  if (wrong) tell({ message: wrong }, {});
  preview();
});

let facts = {};
let suggested = ""; // the model that the page has filled in
let spoken = []; // messages of the conversation so far
let calls = []; // that wait for their results
let running = null; // the AbortController of the call that runs

// What the page knows of a client.

async function learn() {
  const number = client.value;
  const help = document.getElementById("model-help");
  document.querySelector("[data-client-page]").href = `${clients}/${number}`;
  history.replaceState(null, "", `${base}?client=${number}`);
  help.textContent = "Looking for its models …";
  facts = {};
  try {
    const answer = await fetch(`${base}/clients/${number}`);
    if (answer.redirected) throw new Error("you are signed out. Sign in in another tab, then load this page again.");
    const found = await answer.json();
    if (client.value !== number) return;
    if (!answer.ok) throw new Error(found.error.message);
    facts = found;
    help.textContent = modelHelp();
    suggest();
  } catch (error) {
    help.textContent = `Its models are not known: ${error.message}`;
  }
  show();
}

function modelHelp() {
  const usual = facts.default_model ? `Empty means ${facts.default_model}.` : "It has no default model.";
  if (facts.models_problem) return `${usual} The provider's list cannot be read: ${facts.models_problem}`;
  return `${usual} ${facts.models.length} to choose from, or write any name.`;
}

// Where empty means nothing, the model to try first stands there, unless somebody wrote another.
function suggest() {
  if (model.value !== suggested) return;
  suggested = facts.default_model ? "" : (facts.model_to_try ?? "");
  model.value = suggested;
}

function show() {
  const options = (facts.models ?? []).map((name) => {
    const option = element("option");
    option.value = name;
    return option;
  });
  document.getElementById("models").replaceChildren(...options);
  model.placeholder = facts.default_model ?? "";
  const odd = facts.state && facts.state !== "active";
  document.querySelector("[data-state]").textContent = odd ? `It is ${facts.state}: its calls are refused.` : "";
  document.getElementById("system-help").hidden = !facts.has_system_prompt;
  const own = document.getElementById("own-tools");
  own.hidden = !facts.tools?.length;
  own.textContent = `The gateway runs these for it: ${(facts.tools ?? []).join(", ")}.`;
  preview();
}

// The question.

function readTools() {
  const text = tools.value.trim();
  try {
    const list = text ? JSON.parse(text) : [];
    if (Array.isArray(list)) return { list };
    return { list: [], wrong: "This is JSON, but no list: it should begin with [." };
  } catch (error) {
    return { list: [], wrong: `This is not JSON: ${error.message}.` };
  }
}

// Whether the tools can be sent as they are.
function checkTools() {
  const { wrong = "" } = readTools();
  toolsProblem.textContent = wrong;
  toolsProblem.hidden = !wrong;
  tools.classList.toggle("is-invalid", Boolean(wrong));
  tools.ariaInvalid = String(Boolean(wrong));
  return !wrong;
}

function said() {
  const answers = [...results.querySelectorAll("textarea")].map((field) => ({
    role: "tool", tool_call_id: field.dataset.call, content: field.value,
  }));
  const text = message.value;
  if (!picture.data) return text.trim() ? [...answers, { role: "user", content: text }] : answers;
  const parts = [{ type: "image_url", image_url: { url: picture.data } }];
  if (text.trim()) parts.unshift({ type: "text", text });
  return [...answers, { role: "user", content: parts }];
}

function question(fresh) {
  const { list } = readTools();
  const prompt = system.value.trim() ? [{ role: "system", content: system.value }] : [];
  return {
    model: model.value.trim() || facts.default_model || "",
    messages: [...prompt, ...spoken, ...fresh],
    ...(temperature.value && { temperature: Number(temperature.value) }),
    ...(mostTokens.value && { max_tokens: Number(mostTokens.value) }),
    ...(list.length && { tools: list }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

// The same call, for a program.
function preview() {
  const fresh = said();
  const shown = fresh.length || spoken.length ? fresh : [{ role: "user", content: "Hello" }];
  const asked = question(shown);
  document.getElementById("as-curl").textContent = asCurl(address, asked);
  document.getElementById("as-python").textContent = asPython(address, asked);
}

// The call.

async function ask() {
  const fresh = said();
  if (running || !send) return;
  if (!checkTools()) {
    document.getElementById("tools-part").open = true;
    return tools.focus();
  }
  if (!fresh.length) return message.focus();
  problem.hidden = true;
  const body = JSON.stringify(question(fresh));
  const asked = new Question(talk, fresh, new Map(calls.map(({ id, name }) => [id, name.data])));
  const answer = new Answer(talk);
  const kept = { text: message.value, data: picture.data, fields: [...results.childNodes], waiting: calls };
  empty();
  busy(true);
  const call = { begun: performance.now(), first: null, requestId: null };
  let failure = null;
  try {
    await read(body, answer, call);
  } catch (error) {
    failure = error;
  }
  const stopped = running.signal.aborted;
  busy(false);
  if (failure) answer.dropCalls();
  if (failure && answer.isEmpty) {
    asked.remove();
    answer.remove();
    restore(kept);
    tell(stopped ? { message: "Stopped before anything was said.", code: "stopped" } : failure, call);
  } else {
    spoken.push(...fresh, answer.message);
    finish(answer, call, stopped, failure);
  }
  preview();
}

// Raises what the page tells; whoever is signed out by now keeps what was typed.
async function read(body, answer, call) {
  const token = await tokenOfSession();
  if (!token) throw SIGNED_OUT;
  call.begun = performance.now();
  const reply = await fetch(`${base}/clients/${client.value}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrftoken": token },
    body,
    signal: running.signal,
  });
  if (reply.redirected) throw SIGNED_OUT;
  call.requestId = reply.headers.get("x-request-id");
  if (!reply.ok) throw await refusal(reply);
  for await (const data of eventsOf(reply)) {
    if (data === "[DONE]") continue;
    const chunk = JSON.parse(data);
    if (chunk.error) throw chunk.error;
    answer.take(chunk);
    if (!answer.waiting) call.first ??= performance.now() - call.begun;
  }
}

// An error as the gateway words it; what is no JSON is none of its calls' answers.
async function refusal(reply) {
  try {
    return (await reply.json()).error;
  } catch {
    const outdated = "This page was open for too long. Load it again.";
    return { message: reply.status === 400 ? outdated : `The answer has the status ${reply.status}.` };
  }
}

function finish(answer, call, stopped, failure) {
  const address = call.requestId && `${requests}/${call.requestId}`;
  const shown = { ...call, address, total: performance.now() - call.begun };
  if (stopped) answer.note("Stopped.");
  answer.begun();
  answer.figures(shown);
  calls = answer.calls;
  results.replaceChildren(...calls.map(resultField));
  if (failure && !stopped) tell(failure, call);
  else told.textContent = `${stopped ? "Stopped" : "The answer is complete"}. ${answer.text}`;
  results.querySelector("textarea")?.focus();
  receipt(call.requestId).then((found) => found && answer.figures(shown, found));
}

// The log has it a moment after the end, and only then has it a page.
async function receipt(requestId) {
  for (let tries = 0; requestId && tries < RECEIPT_TRIES; tries += 1) {
    const answer = await fetch(`${base}/requests/${requestId}`);
    if (answer.redirected) return null;
    if (answer.status === 200) return answer.json();
    await new Promise((resolve) => setTimeout(resolve, RECEIPT_EVERY));
  }
  return null;
}

function resultField({ id, name }) {
  const place = element("div");
  const label = element("label", `Result of ${name.data}`, "form-label");
  const field = element("textarea", "", "form-control");
  field.id = label.htmlFor = `result-${id}`;
  field.dataset.call = id;
  field.rows = 2;
  field.spellcheck = false;
  place.append(label, field);
  return place;
}

// What the page shows.

function tell(error, { requestId }) {
  const unreachable = error instanceof TypeError; // what fetch says of a network
  const words = unreachable ? "The gateway cannot be reached, or broke off" : error.message;
  const [next, place] = NEXT[error.code] ?? (requestId ? ["", "request"] : ["Try again.", null]);
  problem.replaceChildren();
  if (error.code) problem.append(element("strong", error.code), " ");
  problem.append(element("bdi", words.replace(/[^.!?]$/, "$&.")), ` ${next} `);
  if (place && place !== "request") problem.append(link(place), " ");
  const logged = link("request", requestId);
  logged.hidden = true;
  receipt(requestId).then((found) => (logged.hidden = !found));
  problem.append(logged);
  problem.hidden = false;
}

function link(name, requestId) {
  const page = `${clients}/${client.value}`;
  const shown = element("a", PLACES[name]);
  shown.href = { page, settings: `${page}/edit`, request: `${requests}/${requestId}` }[name];
  return shown;
}

// Who stands on a button that goes away is put where to go on.
function busy(is) {
  const at = document.activeElement;
  running = is ? new AbortController() : null;
  stop.hidden = !is;
  if (at === send) stop.focus();
  if (at === stop) message.focus();
  send.disabled = client.disabled = clear.disabled = is;
  talk.ariaBusy = String(is);
}

function empty() {
  message.value = "";
  results.replaceChildren();
  picture.take(null);
}

// What was sent in vain comes back, before what was written meanwhile.
function restore({ text, data, fields, waiting }) {
  message.value = [text, message.value].filter(Boolean).join("\n");
  results.replaceChildren(...fields);
  calls = waiting;
  picture.take(picture.data ?? data);
}

function forget() {
  spoken = [];
  calls = [];
  talk.replaceChildren(nothing);
  results.replaceChildren();
  problem.hidden = true;
  told.textContent = "The conversation is cleared.";
  preview();
  message.focus();
}

client.addEventListener("change", learn);
root.addEventListener("input", preview);
tools.addEventListener("change", checkTools);
compose.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
document.getElementById("settings").addEventListener("submit", (event) => event.preventDefault());
root.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask();
  if (event.key === "Escape") running?.abort();
});
stop?.addEventListener("click", () => running?.abort());
clear.addEventListener("click", forget);
document.getElementById("example").addEventListener("click", () => {
  tools.value = JSON.stringify(EXAMPLE, null, 2);
  checkTools();
  preview();
});
addEventListener("pagehide", () => running?.abort());
follow(talk);
learn();
