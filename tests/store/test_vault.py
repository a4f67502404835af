"""The secret key and what is encrypted by it."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.config import Settings, load
from gateway.store.vault import Vault, WrongSecretKey


def with_key(data_dir: Path, key: str) -> Vault:
    return Vault(load({"GATEWAY_DATA_DIR": str(data_dir), "GATEWAY_SECRET_KEY": key}))


def test_what_went_in_comes_out(vault: Vault) -> None:
    token = vault.encrypt("sk-schlüssel")
    assert "sk-" not in token
    assert vault.decrypt(token) == "sk-schlüssel"


def test_the_key_file_is_for_its_owner_alone_and_stays(vault: Vault, settings: Settings) -> None:
    path = settings.data_dir / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert Vault(settings).decrypt(vault.encrypt("x")) == "x"
    assert [file.name for file in settings.data_dir.iterdir()] == ["secret.key"]


def test_starts_at_the_same_moment_agree_on_one_key(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as threads:
        vaults = list(threads.map(Vault, [settings] * 8))
    token = vaults[0].encrypt("x")
    assert {vault.decrypt(token) for vault in vaults} == {"x"}


def test_a_configured_key_of_any_form_leaves_no_file(tmp_path: Path) -> None:
    token = with_key(tmp_path, "correct horse battery staple").encrypt("x")
    assert with_key(tmp_path, "correct horse battery staple").decrypt(token) == "x"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ring", ["new,old", " new , old "])
def test_a_ring_encrypts_by_its_first_and_still_reads_the_others(tmp_path: Path, ring: str) -> None:
    old, new, both = (with_key(tmp_path, key) for key in ("old", "new", ring))
    assert both.decrypt(old.encrypt("x")) == "x"
    assert new.decrypt(both.encrypt("x")) == "x"


def test_lines_of_the_key_file_are_a_ring_too(settings: Settings, vault: Vault) -> None:
    token = vault.encrypt("x")
    path = settings.data_dir / "secret.key"
    path.write_text("a-new-key\n" + path.read_text())
    assert Vault(settings).decrypt(token) == "x"
    path.write_text("a-new-key\n")
    assert Vault(settings).derive("sessions") != vault.derive("sessions")


def test_a_wrong_key_says_what_to_do(tmp_path: Path) -> None:
    token = with_key(tmp_path, "one").encrypt("sk-1")
    with pytest.raises(WrongSecretKey, match="Give GATEWAY_SECRET_KEY .* its old value back"):
        with_key(tmp_path, "another").decrypt(token)


def test_an_empty_key_file_is_not_taken_for_a_key(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "secret.key").touch()
    with pytest.raises(WrongSecretKey, match="is empty. Restore it"):
        Vault(settings)


def test_derived_keys_differ_by_purpose_and_by_key(tmp_path: Path) -> None:
    one, other = with_key(tmp_path, "one"), with_key(tmp_path, "other")
    derived = [one.derive("sessions"), one.derive("vault"), other.derive("sessions")]
    assert len(set(derived)) == 3
    assert [len(key) for key in derived] == [32, 32, 32]
    assert with_key(tmp_path, "one,other").derive("sessions") == one.derive("sessions")
