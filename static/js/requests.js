// Moments in the filters: chosen in the reader's own zone, asked for in UTC.
const form = document.querySelector("[data-filters]");
const fields = [...form.querySelectorAll("[data-moment]")];

// What a datetime-local field takes: the time of the wall clock, without a zone.
function wall(moment) {
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

for (const field of fields) {
  const moment = new Date(field.value);
  field.value = "";
  field.type = "datetime-local";
  field.step = 1;
  field.value = Number.isNaN(moment.getTime()) ? "" : wall(moment);
}

form.addEventListener("formdata", ({ formData }) => {
  for (const { name, value } of fields) {
    if (value) formData.set(name, new Date(value).toISOString());
  }
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});
