// Puts new HTML into a place so that what is the same in both stays the very element: who reads is
// not moved, and who stands on a link or button with the keyboard stays there.

export function renew(place, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const stand = standing(place);
  match(place, fresh.content);
  if (stand) goBack(place, stand);
}

function match(into, from) {
  const left = new Map();
  for (const node of into.childNodes) {
    const name = nameOf(node);
    if (!left.has(name)) left.set(name, []);
    left.get(name).push(node);
  }
  let next = into.firstChild;
  for (const wanted of [...from.childNodes]) {
    const kept = left.get(nameOf(wanted))?.shift();
    if (kept) update(kept, wanted);
    const node = kept ?? wanted;
    if (node === next) next = next.nextSibling;
    else into.insertBefore(node, next);
  }
  for (const node of [...left.values()].flat()) node.remove();
}

// Rows and links are told apart by where they lead, or by what they are called; others by their place.
function nameOf(node) {
  if (node.nodeName === "A") return `A ${node.getAttribute("href")}`;
  if (node.nodeName === "TIME") return `TIME ${node.getAttribute("datetime")}`;
  if (node.nodeName !== "TR" && node.nodeName !== "LI") return node.nodeName;
  const head = node.querySelector("th") ?? node;
  return `${node.nodeName} ${head.querySelector("a")?.getAttribute("href") ?? head.textContent}`;
}

function update(kept, wanted) {
  if (kept.nodeName === "TIME") return; // it is told in the reader's zone by now
  if (kept.nodeType !== Node.ELEMENT_NODE) {
    if (kept.data !== wanted.data) kept.data = wanted.data;
    return;
  }
  for (const { name } of [...kept.attributes]) {
    if (!wanted.hasAttribute(name)) kept.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (kept.getAttribute(name) !== value) kept.setAttribute(name, value);
  }
  match(kept, wanted);
}

// Where the keyboard is: the element, its row's number and its own in that row.
function standing(place) {
  const element = document.activeElement;
  if (element === place || !place.contains(element)) return null;
  const row = element.closest("tr");
  return {
    element,
    row: [...place.querySelectorAll("tr")].indexOf(row),
    number: row ? controls(row).indexOf(element) : -1,
  };
}

// To the same element, else to what stands where it stood in the list, else to the whole place.
function goBack(place, { element, row, number }) {
  if (document.activeElement === element) return;
  const there = row < 0 ? [] : controls([...place.querySelectorAll("tr")].slice(0, row + 1).at(-1));
  const next = element.isConnected ? element : there[Math.min(number, there.length - 1)];
  (next ?? refuge(place)).focus({ preventScroll: true });
}

// What has no box of its own (`display: contents`) takes no focus.
function refuge(place) {
  if (!place.checkVisibility()) return document.getElementById("main");
  place.tabIndex = -1;
  return place;
}

const controls = (row) => [...(row?.querySelectorAll("a, button") ?? [])];
