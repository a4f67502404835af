// Shows each moment in the reader's own zone, also in parts of a page that come later; the page
// itself gives UTC, which becomes the hint.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
    element.title = element.textContent.trim();
    element.textContent = local.format(new Date(element.dateTime));
  }
}

localise(document);
document.addEventListener("part", (event) => localise(event.target));
