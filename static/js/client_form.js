// Each provider's own hints beside its fields, and a word before what was typed is left behind.
const form = document.getElementById("client-form");
const provider = form.elements.provider;

const tell = () => {
  const chosen = provider.selectedOptions[0].dataset;
  for (const hint of form.querySelectorAll("[data-hint]")) {
    hint.textContent = chosen[hint.dataset.hint];
  }
  form.elements.provider_base_url.placeholder = chosen.placeholder;
};

// A stored key stays where it is: as soon as the form leads elsewhere, it is asked for.
const key = form.querySelector("[data-key-of]");
const tellKey = () => {
  const { keyOf, keyAt } = key.dataset;
  const stays = provider.value === keyOf && form.elements.provider_base_url.value.trim() === keyAt;
  key.querySelector("[data-key-stays]").hidden = !stays;
  key.querySelector("[data-key-asked]").hidden = stays;
  // What was typed before a mistake elsewhere is kept wherever the form leads.
  if (!form.elements.sealed_provider_api_key) {
    form.elements.provider_api_key.placeholder = stays ? "as stored" : "";
  }
};
if (key) form.addEventListener("input", tellKey);

let touched = false;
form.addEventListener("input", () => (touched = true));
form.addEventListener("submit", () => (touched = false));
addEventListener("beforeunload", (event) => touched && event.preventDefault());

provider.addEventListener("change", tell);
document.querySelector(".problem")?.focus();
