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

let touched = false;
form.addEventListener("input", () => (touched = true));
form.addEventListener("submit", () => (touched = false));
addEventListener("beforeunload", (event) => touched && event.preventDefault());

provider.addEventListener("change", tell);
document.querySelector(".problem")?.focus();
