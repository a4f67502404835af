// The calls under way, with their age and a way to cancel them, and the newest of the list below.
import { renew } from "./renew.js";

const section = document.querySelector("[data-calls]");
const page = section.closest("[data-live]");
const template = section.querySelector("[data-call]");
const table = section.querySelector("table");
const body = table.tBodies[0];
const words = section.querySelector("[data-cancel-words]");
const numbers = new Intl.NumberFormat("en");
const ahead = Date.now() - Number(section.dataset.now); // this clock, before the gateway's
const SURE_FOR = 4_000;
const rows = new Map();

function age(started) {
  const seconds = Math.max(0, Math.floor((Date.now() - ahead - started) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${numbers.format(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

function write(row, name, text) {
  const cell = row.querySelector(`[data-cell="${name}"]`);
  if (cell.textContent !== text) cell.textContent = text;
}

function made(call) {
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.request = call.request_id;
  const button = row.querySelector("button");
  row.dataset.of = `the call of ${call.client_name ?? "nobody known"}`;
  if (button) label(row, "Cancel");
  button?.addEventListener("click", () => pressed(row, button));
  return row;
}

function label(row, text) {
  const button = row.querySelector("button");
  button.textContent = text;
  button.setAttribute("aria-label", `${text} ${row.dataset.of}`);
}

function fill(row, call) {
  const target = [call.provider, call.model].filter(Boolean).join("/");
  write(row, "client", call.client_name ?? "–");
  write(row, "model", target || "–");
  write(row, "door", call.streamed ? `${call.door}, stream` : call.door);
  write(row, "age", age(call.started_at));
  write(row, "tokens", numbers.format(call.output_tokens));
  write(row, "tries", numbers.format(call.attempts));
  row.querySelector("[data-about]").hidden = !call.estimated;
  if (call.cancelled) end(row);
}

// Calls keep their order, so a row is only put in or taken out.
function show({ calls, total, alone }) {
  const wanted = new Set(calls.map((call) => call.request_id));
  for (const [id, { row }] of rows) {
    if (!wanted.has(id)) {
      leave(row);
      row.remove();
      rows.delete(id);
    }
  }
  let next = body.firstElementChild;
  for (const call of calls) {
    const row = rows.get(call.request_id)?.row ?? made(call);
    rows.set(call.request_id, { row, call });
    fill(row, call);
    if (row === next) next = row.nextElementSibling;
    else body.insertBefore(row, next);
  }
  section.querySelector("[data-figure]").textContent = numbers.format(total);
  section.querySelector("[data-alone]").hidden = !alone;
  section.querySelector("[data-no-calls]").hidden = total > 0;
  table.hidden = total === 0;
  const more = section.querySelector("[data-more]");
  more.hidden = total <= calls.length;
  more.textContent = `and ${numbers.format(total - calls.length)} younger ones`;
}

// Who stands on a button that goes stays where it was.
function leave(row) {
  if (row.contains(document.activeElement)) table.parentElement.focus({ preventScroll: true });
}

// Rows may move while somebody aims, so one press does not do.
function pressed(row, button) {
  if (button.dataset.sure) return cancel(row, button);
  button.dataset.sure = "yes";
  label(row, "Sure?");
  words.textContent = "Press again to cancel the call.";
  setTimeout(() => {
    if (button.disabled) return;
    delete button.dataset.sure;
    label(row, "Cancel");
    words.textContent = "";
  }, SURE_FOR);
}

async function cancel(row, button) {
  const id = row.dataset.request;
  end(row);
  words.textContent = "Cancelling …";
  try {
    const address = section.dataset.cancel.replace("ID", id);
    const answer = await fetch(address, { method: "POST" });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    words.textContent = "Cancelled.";
  } catch (error) {
    words.textContent = `Not cancelled: ${error.message}`;
    button.disabled = false;
    delete button.dataset.sure;
    label(row, "Cancel");
  }
}

function end(row) {
  const button = row.querySelector("button");
  if (!button || button.disabled) return;
  leave(row);
  button.disabled = true;
  label(row, "Ending …");
}

function showNewest({ rows, following }) {
  renew(page.querySelector("[data-newest]"), rows);
  const older = page.querySelector("a[rel=next]");
  older.hidden = following === null;
  if (following) older.setAttribute("href", following);
}

show(JSON.parse(section.dataset.calls));
setInterval(() => {
  for (const { row, call } of rows.values()) write(row, "age", age(call.started_at));
}, 1_000);
document.addEventListener("part", ({ detail: { name, value } }) => {
  if (name === "calls") show(value);
  if (name === "newest") showNewest(value);
});
