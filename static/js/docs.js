// Finds calls by what stands in their line, and opens what an address or a link points at.
import { searchFor } from "./words.js";

const calls = [...document.querySelectorAll(".call")];
const find = document.getElementById("find");
const found = document.querySelector("[data-found]");

const show = () => {
  const fits = searchFor(find.value);
  for (const call of calls) call.hidden = !fits(call.querySelector("summary").textContent);
  for (const chapter of document.querySelectorAll(".chapter")) {
    chapter.hidden = !chapter.querySelector(".call:not([hidden])");
  }
  const left = calls.filter((call) => !call.hidden).length;
  found.textContent = find.value.trim() ? `${left} of ${calls.length}` : "";
};

const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches(".call")) {
    find.value = "";
    show();
    target.open = true;
    target.scrollIntoView();
  }
};

find.parentElement.hidden = false;
find.addEventListener("input", show);
addEventListener("hashchange", open);
open();
