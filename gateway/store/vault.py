"""The secret key: encrypts what is stored, and gives keys for other purposes."""

import base64
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.config import Settings
from gateway.errors import Unavailable


class WrongSecretKey(Unavailable):
    code = "wrong_secret_key"


class Vault:
    """Keys by GATEWAY_SECRET_KEY (comma-separated) or by lines of `secret.key`; the first encrypts.

    To change the key, put the new one first and leave the old one behind it.
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = _configured_keys(settings) or _keys_of_file(settings.data_dir / "secret.key")
        self._ring = MultiFernet([_fernet(key) for key in self._keys])

    def encrypt(self, text: str) -> str:
        return self._ring.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Raise WrongSecretKey if no key of the ring made this token."""
        try:
            return self._ring.decrypt(token).decode()
        except InvalidToken:
            raise WrongSecretKey(
                "A stored provider key cannot be decrypted: the gateway's secret key is another "
                "one now. Give GATEWAY_SECRET_KEY (or data/secret.key) its old value back, or set "
                "the client's provider_api_key again."
            ) from None

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same as long as the first key is."""
        return _derived(self._keys[0], purpose)


def _configured_keys(settings: Settings) -> list[str]:
    if settings.secret_key is None:
        return []
    return [
        key for part in settings.secret_key.get_secret_value().split(",") if (key := part.strip())
    ]


def _keys_of_file(path: Path) -> list[str]:
    if not path.exists():
        _create(path)
    keys = path.read_text(encoding="ascii", errors="replace").split()
    if not keys:
        raise WrongSecretKey(
            f"{path} is empty. Restore it from a backup, or, if no provider keys are stored yet, "
            "delete it: a new one is made at the next start."
        )
    return keys


def _create(path: Path) -> None:
    """Write a new key so that another process sees either nothing or all of it, once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first, and its key holds
    finally:
        draft.unlink(missing_ok=True)


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(key, "vault")))


def _derived(key: str, purpose: str) -> bytes:
    info = f"ai-gateway {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode())
