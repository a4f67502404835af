// Shows each moment in the reader's own zone; the page itself gives UTC, which becomes the hint.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

for (const element of document.querySelectorAll("time[datetime]")) {
  element.title = element.textContent;
  element.textContent = local.format(new Date(element.dateTime));
}
