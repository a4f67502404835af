// Keeps the parts of a page up to date: over a WebSocket, or by asking again and again while there
// is none. A part of text goes where [data-part] of its name stands; others hear a "part" event.
import { renew } from "./renew.js";

{
  const SIGNED_OUT = 4401;
  const SILENT_FOR = 35_000;
  const POLL_EVERY = 5_000;
  const LONGEST_PAUSE = 15_000;
  const WORDS = {
    connecting: "Connecting …",
    live: "Live",
    lost: "Connection lost, trying again …",
    polling: "Updated every 5 s, no live connection",
    failing: "The gateway does not answer, trying again …",
  };

  const page = document.querySelector("[data-live]");
  const sign = document.querySelector("[data-live-state]");
  let socket, silence, polling;
  let failures = 0;

  function show(state) {
    if (sign.dataset.liveState === state) return;
    sign.dataset.liveState = state;
    sign.querySelector("[data-live-words]").textContent = WORDS[state];
  }

  function put(name, value) {
    const place = page.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (place && typeof value === "string") renew(place, value);
    (place ?? page).dispatchEvent(
      new CustomEvent("part", { bubbles: true, detail: { name, value } }),
    );
  }

  function expectNews() {
    clearTimeout(silence);
    silence = setTimeout(() => socket.close(), SILENT_FOR);
  }

  function connect() {
    show(failures ? sign.dataset.liveState : "connecting");
    socket = new WebSocket(new URL(page.dataset.live, location.href.replace(/^http/, "ws")));
    socket.addEventListener("open", expectNews);
    socket.addEventListener("message", (event) => {
      failures = 0;
      clearTimeout(polling);
      polling = undefined;
      expectNews();
      show("live");
      const { part, value } = JSON.parse(event.data);
      if (part !== "beat") put(part, value);
    });
    socket.addEventListener("close", (event) => {
      clearTimeout(silence);
      if (event.code === SIGNED_OUT) location.reload();
      else retry();
    });
  }

  function retry() {
    failures += 1;
    if (failures === 1) show("lost");
    if (failures > 1 && polling === undefined) poll();
    const pause = Math.min(500 * 2 ** failures, LONGEST_PAUSE);
    setTimeout(connect, pause * (0.75 + Math.random() / 2));
  }

  async function poll() {
    polling = setTimeout(poll, POLL_EVERY);
    try {
      const answer = await fetch(page.dataset.poll, { headers: { accept: "application/json" } });
      if (answer.redirected) return location.reload(); // to the sign-in
      if (!answer.ok) throw new Error(answer.statusText);
      const parts = await answer.json();
      if (polling === undefined) return;
      for (const [name, value] of Object.entries(parts)) put(name, value);
      show("polling");
    } catch {
      if (polling !== undefined) show("failing");
    }
  }

  // One that is still connecting goes with the page; to close it would be an error in the console.
  addEventListener("pagehide", () => socket.readyState === WebSocket.OPEN && socket.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  connect();
}
