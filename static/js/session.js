// Asks whether the session still stands, and for the token that its forms have to carry now.

// Null: signed out. Raises TypeError where the gateway cannot be reached.
export async function tokenOfSession() {
  const answer = await fetch(document.querySelector("[data-session]").dataset.session);
  if (!answer.ok) throw new TypeError(answer.statusText);
  return (await answer.json()).csrf_token;
}
