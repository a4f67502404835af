// Before a form is sent, its session has to stand: else the sign-in would come in its place, and
// what was typed be lost.
import { tokenOfSession } from "./session.js";

const asking = new WeakSet();
const checked = new WeakSet();

async function check(form, button) {
  form.querySelector("[data-unsent]")?.remove();
  asking.add(form);
  try {
    const token = await tokenOfSession();
    if (token) return send(form, button, token);
    if (!form.querySelector("input:not([type=hidden]), textarea, select")) return location.reload();
    tell(form, button, signIn(), ` in another tab, then press “${button?.textContent.trim()}” again.`);
  } catch {
    tell(form, button, "The gateway does not answer. Nothing was sent.");
  } finally {
    asking.delete(form);
  }
}

function send(form, button, token) {
  form.elements.csrf_token.value = token;
  checked.add(form);
  form.requestSubmit(button);
}

function tell(form, button, ...words) {
  const note = document.createElement("p");
  note.className = "problem unsent";
  note.dataset.unsent = "";
  note.role = "alert";
  note.append(...words);
  if (form.contains(button)) button.before(note);
  else form.append(note);
}

function signIn() {
  const words = document.createElement("span");
  const link = document.createElement("a");
  link.href = document.querySelector("[data-session]").dataset.signIn;
  link.target = "_blank";
  link.textContent = "Sign in";
  words.append("You are signed out. Nothing was sent. ", link);
  return words;
}

addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.method !== "post" || checked.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!asking.has(form)) check(form, event.submitter);
  },
  { capture: true },
);
