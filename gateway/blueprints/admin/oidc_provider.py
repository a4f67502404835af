"""An OpenID Connect provider as Authlib asks it; Authlib is loaded at the first need."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask import session as cookie
from flask.typing import ResponseReturnValue

from gateway.config import Settings
from gateway.context import current_gateway
from gateway.errors import GatewayError

_NAME = "oidc"
_PATIENCE = 10.0
_STATES = f"_state_{_NAME}_"  # where Authlib keeps in the cookie what it has begun
# Signed with what the provider alone has: not with the secret that both share, nor not at all.
_SIGNATURES = re.compile(r"(RS|PS|ES)(256|384|512)|EdDSA|Ed25519")
_AGAIN = "Try again, or sign in by password."


class SignInFailed(GatewayError):
    """`message` is for who wanted to come in, `reason` for the log."""

    code = "sign_in_failed"

    def __init__(self, status: int, message: str, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is there; `email` is one that the provider has verified."""

    subject: str
    email: str


def ask(redirect_uri: str) -> ResponseReturnValue:
    """Sends the browser to the provider. Raises SignInFailed.

    What was begun before is dropped: a browser takes no cookie that grows with every click.
    """
    for name in [name for name in cookie if name.startswith(_STATES)]:
        del cookie[name]
    with _failures_told():
        answer: ResponseReturnValue = _client().authorize_redirect(redirect_uri)
        return answer


def answer() -> Identity:
    """Who has come back from there, as this request tells. Raises SignInFailed."""
    with _failures_told():
        client = _client()
        wanted = {
            "iss": {"essential": True, "value": client.server_metadata["issuer"]},
            "aud": {"essential": True, "value": client.client_id},
        }
        token = client.authorize_access_token(claims_options=wanted)
        claims = dict(token["userinfo"])  # there, if an ID token was
        if "email" not in claims:
            claims = _asked_for_more(client, token, claims)
        return _identity(claims)


def _asked_for_more(client: Any, token: Any, claims: dict[str, Any]) -> dict[str, Any]:
    """What an ID token leaves out stands in the provider's answer about its user."""
    found = client.userinfo(token=token)
    if found.get("sub") != claims["sub"]:
        raise ValueError("userinfo is of another subject")
    return dict(found)


def _identity(claims: dict[str, Any]) -> Identity:
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or not email:
        raise SignInFailed(
            403,
            "The provider told no e-mail address. Whoever runs it has to let the gateway see it "
            "(scope email). Sign in by password until then.",
            "no e-mail address was told",
        )
    if verified not in (True, "true"):
        raise SignInFailed(
            403,
            "Your e-mail address is not verified at the provider. Verify it there, then try again.",
            "the e-mail address is not verified",
        )
    return Identity(str(claims["sub"]), email)


def _client() -> Any:
    """The provider as its discovery document tells of it, which is read once."""
    client = current_app.extensions.get(_NAME)
    if client is None:
        client = _discovered(current_gateway.settings)
        current_app.extensions[_NAME] = client
    return client


def _discovered(settings: Settings) -> Any:
    from authlib.integrations.flask_client import OAuth

    oidc, upstream = settings.oidc, settings.upstream
    issuer = (oidc.issuer or "").rstrip("/")
    secret = oidc.client_secret.get_secret_value() if oidc.client_secret else None
    client = OAuth(current_app).register(
        _NAME,
        client_id=oidc.client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email",
            "code_challenge_method": "S256",
            "default_timeout": (upstream.connect_timeout, _PATIENCE),
            "trust_env": False,
            "max_redirects": 0,
            "verify": str(upstream.ca_bundle) if upstream.ca_bundle else True,
            "proxies": dict.fromkeys(("http", "https"), upstream.proxy) if upstream.proxy else {},
        },
    )
    metadata = client.load_server_metadata()
    if metadata["issuer"].rstrip("/") != issuer:
        raise ValueError(f"calls itself {metadata['issuer'][:200]!r}, not {oidc.issuer!r}")
    names = metadata.get("id_token_signing_alg_values_supported", [])
    fit = [name for name in names if _SIGNATURES.fullmatch(name)]
    metadata["id_token_signing_alg_values_supported"] = fit or ["RS256"]
    ways = metadata.get("token_endpoint_auth_methods_supported", [])
    if "client_secret_post" in ways and "client_secret_basic" not in ways:
        client.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"
    return client


@contextmanager
def _failures_told() -> Iterator[None]:
    """Whatever goes wrong becomes SignInFailed; a provider in trouble is discovered anew."""
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    try:
        yield
    except AuthlibBaseError as error:
        raise _refused(str(error.error)) from None
    except OSError as error:  # requests' errors are of these, too
        current_app.extensions.pop(_NAME, None)
        raise SignInFailed(
            503,
            f"The provider cannot be reached, or does not answer as it should. {_AGAIN}",
            f"the provider does not answer: {type(error).__name__}",
        ) from None
    except (JoseError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        current_app.extensions.pop(_NAME, None)
        raise SignInFailed(
            502,
            f"What the provider sent cannot be trusted, so it was not taken. {_AGAIN} If it goes "
            "on, whoever runs the gateway finds more in its log.",
            f"the provider's answer is no good: {type(error).__name__}: {str(error)[:300]}",
        ) from None


def _refused(code: str) -> SignInFailed:
    """By the codes of OAuth 2 and OpenID Connect; a description may be anybody's words."""
    if code == "access_denied":
        return SignInFailed(403, f"The provider was told not to let you in. {_AGAIN}", code)
    if code in ("mismatching_state", "invalid_grant"):
        return SignInFailed(
            400,
            "This sign-in was not begun here, took too long, or is used up. Please begin anew.",
            code,
        )
    if code in ("invalid_client", "unauthorized_client"):
        return SignInFailed(
            502,
            "The provider does not know this gateway. Whoever runs it has to look at "
            "oidc.client_id and oidc.client_secret. Sign in by password until then.",
            f"{code}: oidc.client_id or oidc.client_secret is wrong",
        )
    known = code if re.fullmatch("[a-z_]{1,40}", code) else "an error without a name"
    return SignInFailed(502, f"The provider refused: {known}. {_AGAIN}", known)
