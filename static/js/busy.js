// A form with data-busy says so while its answer is awaited, and is not sent twice.
for (const form of document.querySelectorAll("form[data-busy]")) {
  const button = form.querySelector("button");
  const words = button.textContent;
  let waiting = false;

  form.addEventListener("submit", (event) => {
    if (waiting) return event.preventDefault();
    waiting = true;
    button.setAttribute("aria-busy", "true");
    button.textContent = form.dataset.busy;
  });

  // A page that comes back by the Back button is as it was left.
  addEventListener("pageshow", () => {
    waiting = false;
    button.removeAttribute("aria-busy");
    button.textContent = words;
  });
}
