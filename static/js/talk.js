// What is said in a conversation, drawn as it comes.
const numbers = new Intl.NumberFormat("en");
const money = new Intl.NumberFormat("en", {
  style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", maximumSignificantDigits: 4,
});

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

// Keeps the end of a list in view while it grows, unless its reader has scrolled away from there.
export function follow(list) {
  let atEnd = true;
  let due = false;
  const scroll = () => {
    due = false;
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  list.addEventListener("scroll", () => {
    atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  });
  new MutationObserver(() => {
    if (!due) requestAnimationFrame(scroll);
    due = true;
  }).observe(list, { childList: true, characterData: true, subtree: true });
}

class Turn {
  constructor(list, who, className) {
    this.item = element("li", "", `turn ${className}`);
    this.add(element("h3", who));
    list.append(this.item);
  }

  add(part) {
    this.item.append(part);
  }

  remove() {
    this.item.remove();
  }
}

// What the client says: a message, and results of the calls with these names, by their ids.
export class Question extends Turn {
  constructor(list, messages, names) {
    super(list, "You", "asked");
    for (const { role, tool_call_id: id, content } of messages) {
      if (role === "tool") this.add(element("p", `Result of ${names.get(id)}`, "quiet"));
      const parts = typeof content === "string" ? [{ type: "text", text: content }] : content;
      for (const part of parts) this.add(drawn(part));
    }
  }
}

function drawn(part) {
  if (part.type === "text") return element("p", part.text, "said");
  const image = element("img", "", "shown");
  image.src = part.image_url.url;
  image.alt = "The image that was sent";
  return image;
}

// An answer in OpenAI's stream of chunks.
export class Answer extends Turn {
  constructor(list) {
    super(list, "Answer", "answered");
    this.texts = {};
    this.calls = [];
    this.finish = null;
    this.usage = null;
    this.waiting = element("p", "Waiting for the first token …", "quiet");
    this.add(this.waiting);
  }

  get text() {
    return this.texts.said?.data ?? "";
  }

  // Whether nothing was said that can be gone on from.
  get isEmpty() {
    return !this.text && !this.calls.length;
  }

  get message() {
    const calls = this.calls.map(({ id, name, code }) => ({
      id, type: "function", function: { name: name.data, arguments: code.data || "{}" },
    }));
    return { role: "assistant", content: this.text || (calls.length ? null : ""), ...(calls.length && { tool_calls: calls }) };
  }

  take(chunk) {
    this.usage = chunk.usage ?? this.usage;
    const [choice] = chunk.choices ?? [];
    const delta = choice?.delta ?? {};
    this.say("reasoning", delta.reasoning_content ?? delta.reasoning);
    this.say("said", delta.content);
    this.say("refusal", delta.refusal);
    for (const call of delta.tool_calls ?? []) this.call(call);
    this.finish = choice?.finish_reason ?? this.finish;
  }

  say(kind, text) {
    if (typeof text !== "string" || !text) return;
    this.begun();
    this.texts[kind] ??= this.begin(kind);
    this.texts[kind].appendData(text);
  }

  begin(kind) {
    const place = element("p", "", "said");
    const text = new Text();
    place.append(text);
    if (kind === "reasoning") {
      const folded = element("details");
      folded.append(element("summary", "Reasoning"), place);
      this.add(folded);
    } else {
      this.add(place);
    }
    return text;
  }

  call({ index = 0, id, function: said = {} }) {
    this.begun();
    this.calls[index] ??= this.beginCall();
    const call = this.calls[index];
    call.id ||= id;
    call.name.appendData(said.name ?? "");
    call.code.appendData(said.arguments ?? "");
  }

  beginCall() {
    const [name, code] = [new Text(), new Text()];
    const head = element("p", "Calls the tool ", "quiet");
    const body = element("pre");
    body.tabIndex = 0;
    body.ariaLabel = "Arguments of the call";
    head.append(element("strong"));
    head.lastChild.append(name);
    body.append(element("code"));
    body.firstChild.append(code);
    this.add(head);
    this.add(body);
    return { id: "", name, code };
  }

  begun() {
    this.waiting?.remove();
    this.waiting = null;
  }

  // What cannot be gone on from: calls whose arguments may have been cut.
  dropCalls() {
    this.calls = [];
  }

  note(text) {
    this.begun();
    this.add(element("p", text, "quiet"));
  }

  // What is known when it ends, and then what the log says of it.
  figures({ first, total, requestId, address }, receipt = null) {
    this.facts?.remove();
    const usage = this.usage ?? {};
    const counts = receipt ?? { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens };
    const about = receipt?.estimated ? "≈ " : "";
    const count = (value) => (value == null ? "–" : about + numbers.format(value));
    const facts = [
      ["Tokens in", count(counts.input_tokens), "input"],
      ["Tokens out", count(counts.output_tokens), "output"],
      ["First token", spell(receipt?.first_byte_ms ?? first), "first"],
      ["Total", spell(receipt?.total_ms ?? total), "total"],
      ["Cost", receipt ? cost(receipt.cost_usd) : "…", "cost"],
      ["Finish", receipt?.finish_reason ?? this.finish ?? "–", "finish"],
    ];
    this.facts = element("dl", "", "facts");
    for (const [words, value, name] of facts) this.fact(words, value, name);
    if (requestId) this.fact("Request", requestId, "request", receipt && address);
    for (const { name, ms, error } of receipt?.tool_rounds?.runs ?? []) {
      this.fact("The gateway ran", `${name}, ${duration(ms)}${error ? `: ${error}` : ""}`, "ran");
    }
    this.add(this.facts);
  }

  fact(words, value, name, address) {
    const pair = element("div");
    const told = element("dd");
    told.dataset.told = name;
    const text = element(address ? "a" : "span", value);
    if (address) text.href = address;
    told.append(text);
    pair.append(element("dt", words), told);
    this.facts.append(pair);
  }
}

function spell(ms) {
  return ms == null ? "–" : duration(ms);
}

function cost(dollars) {
  return dollars == null ? "not known" : money.format(dollars);
}
