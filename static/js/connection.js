// Begins a test of the client's connection, and shows each result as it comes. A test that is
// under way when the page opens, whoever began it, is followed, too.
{
  const EVERY = 500;
  const AFTER_FAILURE = 3_000;

  const card = document.getElementById("connection");
  const place = card.querySelector("[data-test-results]");
  const form = card.querySelector("[data-test-form]");
  const problem = card.querySelector("[data-test-problem]");
  const said = card.querySelector("[data-test-said]");
  const shown = new Map();
  const button = form?.querySelector("button");
  let following = false;

  const state = () => place.querySelector("[data-state]")?.dataset.state;

  function complain(words) {
    problem.textContent = words;
    problem.hidden = !words;
  }

  const pieces = (root) => [...root.querySelectorAll("[data-piece]")];

  // Only what differs is put in anew, so that who reads or stands on a link there stays.
  function show(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const here = new Map(pieces(place).map((piece) => [piece.dataset.piece, piece]));
    const came = pieces(fresh.content);
    if (came.length !== here.size) place.replaceChildren(fresh.content.cloneNode(true));
    for (const piece of came) {
      const name = piece.dataset.piece;
      if (came.length === here.size && shown.get(name) !== piece.outerHTML) {
        here.get(name).replaceWith(piece.cloneNode(true));
      }
      shown.set(name, piece.outerHTML);
    }
    const words = place.querySelector("[data-said]")?.dataset.said ?? "";
    if (said.textContent !== words) said.textContent = words;
  }

  async function look() {
    const answer = await fetch(card.dataset.matrix);
    if (answer.redirected || answer.status === 404) return void location.reload(); // to see why
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.text());
  }

  async function follow() {
    if (following) return;
    following = true;
    let pause = 0;
    do {
      await new Promise((resolve) => setTimeout(resolve, pause));
      try {
        await look();
        complain("");
        pause = EVERY;
      } catch {
        complain("The gateway does not answer; trying again …");
        pause = AFTER_FAILURE;
      }
    } while (state() === "running" || pause === AFTER_FAILURE);
    following = false;
    if (button) button.disabled = false;
  }

  async function begin(event) {
    event.preventDefault();
    button.disabled = true;
    complain("");
    try {
      const answer = await fetch(card.dataset.test, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: form.elements.model.value.trim() }),
      });
      if (answer.ok || answer.status === 409) return void follow();
      complain((await answer.json()).error.message);
    } catch {
      complain("The gateway does not answer: nothing was begun.");
    }
    button.disabled = false;
  }

  form?.addEventListener("submit", begin);
  if (state() === "running") follow();
  else if (button) button.disabled = false;
}
