// A certified OpenID Connect provider: node provider.mjs '{"modules", "port", "redirects", "secret"}'.
// Whoever types a login is that person. What it says of them is read from the login itself:
// "unverified.…" has an address that nobody has checked, "nobody" has none.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const given = JSON.parse(process.argv[2]);
const resolved = createRequire(`${given.modules}/`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(resolved).href);

const claimsOf = (login) => {
  const [email, subject] = login.split("#");
  const known = email === "nobody" ? {} : { email, email_verified: !email.startsWith("unverified.") };
  return { sub: subject ?? `person:${email}`, ...known };
};

const provider = new Provider(`http://127.0.0.1:${given.port}`, {
  clients: [{ client_id: "gateway", client_secret: given.secret, redirect_uris: given.redirects }],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  conformIdTokenClaims: given.userinfo,
  pkce: { required: () => true },
  cookies: { keys: ["of the tests"] },
  findAccount: (_, login) => {
    const claims = claimsOf(login);
    return { accountId: login, claims: () => claims };
  },
});
provider.listen(given.port, "127.0.0.1", () => console.log("ready"));
