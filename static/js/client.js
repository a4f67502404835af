// What the button of a client offers, also once somebody else has switched it or deleted it.
const button = document.querySelector("button[name=active]");
const state = document.querySelector("[data-part=state]");

document.addEventListener("part", ({ detail: { name } }) => {
  if (name !== "state" || !button) return;
  const word = state.textContent.trim();
  button.value = word === "disabled" ? "yes" : "no";
  button.textContent = word === "disabled" ? "Enable" : "Disable";
  button.disabled = word === "deleted";
});
