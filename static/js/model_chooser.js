// Models as the provider lists them, to be chosen for the fields of the form: a tick is a line in
// `allowed_models`, and the default model's field offers them all.
import { searchFor } from "./words.js";

const chooser = document.querySelector("[data-chooser]");
const form = document.getElementById("client-form");
const allowed = form.elements.allowed_models;
const part = (name) => chooser.querySelector(`[data-${name}]`);
const search = document.getElementById("model-search");
const list = chooser.querySelector(".models");
const STILL = part("fetch-said").textContent;

const lines = () => allowed.value.split("\n").map((line) => line.trim()).filter(Boolean);

function write(names) {
  allowed.value = [...new Set(names)].join("\n");
  allowed.dispatchEvent(new Event("input", { bubbles: true }));
}

// The stored key goes to the stored address alone, so what is not saved yet cannot be asked.
function isSaved() {
  const { provider, provider_base_url, provider_api_key, without_provider_api_key } = form.elements;
  return (
    provider.value === chooser.dataset.provider &&
    provider_base_url.value.trim() === chooser.dataset.baseUrl &&
    !provider_api_key.value &&
    !form.elements.sealed_provider_api_key &&
    !without_provider_api_key?.checked
  );
}

function offer() {
  const saved = isSaved();
  part("fetch").disabled = !saved;
  part("fetch-said").textContent = saved ? STILL : "Save the provider first: it is asked as it is stored.";
}

function complain(words) {
  part("fetch-problem").textContent = words;
  part("fetch-problem").hidden = !words;
}

function item({ id, context_window }, number) {
  const row = document.createElement("li");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", id: `model-${number}`, value: id });
  const label = Object.assign(document.createElement("label"), { htmlFor: box.id });
  const name = Object.assign(document.createElement("bdi"), { textContent: id });
  box.className = "form-check-input";
  row.className = "form-check";
  label.className = "form-check-label fw-normal";
  label.append(name);
  if (context_window) {
    const size = document.createElement("span");
    size.className = "quiet";
    size.textContent = ` ${context_window.toLocaleString("en")} tokens`;
    label.append(size);
  }
  row.append(box, label);
  return row;
}

const boxes = () => [...list.querySelectorAll("input")];

function count() {
  const all = boxes();
  const shown = all.filter((box) => !box.parentElement.hidden).length;
  const chosen = all.filter((box) => box.checked).length;
  part("counts").textContent =
    `${shown.toLocaleString("en")} of ${all.length.toLocaleString("en")} shown, ` +
    (chosen ? `${chosen.toLocaleString("en")} allowed` : "none allowed by name: all may be used unless others are named");
}

function tick() {
  const names = new Set(lines());
  for (const box of boxes()) box.checked = names.has(box.value);
  count();
}

function sift() {
  const fits = searchFor(search.value);
  for (const box of boxes()) box.parentElement.hidden = !fits(box.value);
  count();
}

function show(models) {
  list.replaceChildren(...models.map(item));
  const options = models.map(({ id }) => Object.assign(document.createElement("option"), { value: id }));
  document.getElementById("provider-models").replaceChildren(...options);
  form.elements.default_model.setAttribute("list", "provider-models");
  part("fetched").hidden = false;
  search.value = "";
  tick();
}

async function fetchModels() {
  part("fetch").disabled = true;
  part("fetch-said").textContent = "Asking the provider …";
  complain("");
  try {
    const answer = await fetch(chooser.dataset.chooser, { method: "POST" });
    const told = await answer.json();
    if (answer.ok) {
      show(told.models);
      part("fetch-said").textContent = told.listed
        ? `${told.models.length.toLocaleString("en")} models.`
        : "This provider has no list; these are models of it that the gateway knows.";
    } else {
      complain(told.error.message);
      part("fetch-said").textContent = STILL;
    }
  } catch {
    complain("The gateway does not answer.");
    part("fetch-said").textContent = STILL;
  }
  part("fetch").disabled = !isSaved();
}

part("fetch").addEventListener("click", fetchModels);
part("all").addEventListener("click", () => {
  write([...lines(), ...boxes().filter((box) => !box.parentElement.hidden).map((box) => box.value)]);
  tick();
});
part("none").addEventListener("click", () => {
  const listed = new Set(boxes().map((box) => box.value));
  write(lines().filter((name) => !listed.has(name)));
  tick();
});
list.addEventListener("change", ({ target }) => {
  const others = lines().filter((name) => name !== target.value);
  write(target.checked ? [...others, target.value] : others);
  count();
});
list.addEventListener("input", (event) => event.stopPropagation());
allowed.addEventListener("input", tick);
search.addEventListener("input", (event) => {
  event.stopPropagation();
  sift();
});
// Enter would save the whole form.
chooser.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
});
for (const name of ["provider", "provider_base_url", "provider_api_key", "without_provider_api_key"]) {
  form.elements[name]?.addEventListener("input", offer);
  form.elements[name]?.addEventListener("change", offer);
}
offer();
