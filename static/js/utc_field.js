// Beside a field whose time is UTC's: the same moment in the reader's own zone.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

for (const place of document.querySelectorAll("[data-local-of]")) {
  const field = document.getElementById(place.dataset.localOf);
  const tell = () => {
    const at = new Date(`${field.value}Z`);
    place.textContent = Number.isNaN(at.getTime()) ? "" : `In your zone: ${format.format(at)}.`;
  };
  field.addEventListener("input", tell);
  tell();
}
