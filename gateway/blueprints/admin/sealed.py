"""Secrets that were typed into a form with a mistake elsewhere: they go back to the page sealed."""

from gateway.store.vault import Vault, WrongSecretKey


def seal(vault: Vault, purpose: str, secret: str) -> str:
    """Empty for an empty one. `purpose` keeps it from being opened as anything else."""
    return vault.encrypt(purpose + secret) if secret else ""


def opened(vault: Vault, purpose: str, sealed: str) -> str:
    """What was sealed for this purpose; empty for all else that a page may have sent."""
    try:
        text = vault.decrypt(sealed) if sealed.isascii() and sealed else ""
    except WrongSecretKey:
        return ""
    return text.removeprefix(purpose) if text.startswith(purpose) else ""
