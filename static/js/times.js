// Shows each moment in the reader's own zone, also of what comes later; the page itself gives UTC,
// which becomes the hint. [data-zone] names the zone, too.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const show = (element) => {
  if (element.title) return;
  element.title = element.textContent;
  const format = "zone" in element.dataset ? zoned : local;
  element.textContent = format.format(new Date(element.dateTime));
};

const showAll = () => document.querySelectorAll("time[datetime]").forEach(show);

showAll();
new MutationObserver(showAll).observe(document.body, { childList: true, subtree: true });
