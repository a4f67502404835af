// A button with data-copy="id" puts that element's text into the clipboard.
const copy = async (button) => {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Without TLS a browser has no clipboard for scripts: the text is selected instead.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl+C";
  }
};

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
