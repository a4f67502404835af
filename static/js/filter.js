// Shows the rows that have all of the words typed, of a list that is named by data-filter. A group
// without such a row goes with its heading; a tick narrows to rows that have data-<its name>.
import { searchFor } from "./words.js";

function setUp(bar) {
  const list = document.getElementById(bar.dataset.filter);
  const words = bar.querySelector("[data-filter-words]");
  const only = bar.querySelector("[data-filter-only]");
  const count = bar.querySelector("[data-filter-count]");
  const none = bar.querySelector("[data-filter-none]");

  function narrow() {
    const fits = searchFor(words.value);
    const rows = [...list.querySelectorAll("[data-filter-row]")];
    let shown = 0;
    for (const row of rows) {
      const ticked = !only?.checked || only.dataset.filterOnly in row.dataset;
      row.hidden = !(ticked && fits(row.textContent));
      shown += !row.hidden;
    }
    for (const group of list.querySelectorAll("[data-filter-group]")) {
      group.hidden = !group.querySelector("[data-filter-row]:not([hidden])");
    }
    count.textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
    none.hidden = shown > 0;
  }

  words.addEventListener("input", narrow);
  only?.addEventListener("change", narrow);
  list.addEventListener("part", narrow); // what is live comes anew, with all its rows
  narrow();
}

document.querySelectorAll("[data-filter]").forEach(setUp);
