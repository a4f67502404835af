// The gateway's address as this browser sees it: behind a proxy the gateway itself may not know.
const card = document.getElementById("connect");
const told = card.dataset.origin;

if (told !== location.origin) {
  for (const text of card.querySelectorAll("[data-settings]")) {
    text.textContent = text.textContent.replaceAll(told, location.origin);
  }
}
