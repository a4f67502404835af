// Shows each moment in the reader's own zone, also of what comes later; the page itself gives UTC,
// which becomes the hint.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const show = (element) => {
  if (element.title) return;
  element.title = element.textContent;
  element.textContent = local.format(new Date(element.dateTime));
};

const showAll = () => document.querySelectorAll("time[datetime]").forEach(show);

showAll();
new MutationObserver(showAll).observe(document.body, { childList: true, subtree: true });
