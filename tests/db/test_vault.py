"""Secrets at rest."""

import pytest

from db.vault import Vault
from errors import ModelFailure, Unprocessable
from settings import Settings

KEY = "sk-canary-0123456789"


def test_what_is_sealed_can_be_read_with_the_same_key() -> None:
    sealed = Vault("a long secret").encrypt(KEY)
    assert KEY.encode() not in sealed
    assert Vault("a long secret").decrypt(sealed) == KEY


def test_the_same_text_is_sealed_differently_each_time() -> None:
    vault = Vault("a long secret")
    assert vault.encrypt(KEY) != vault.encrypt(KEY)


def test_any_text_can_be_sealed() -> None:
    vault = Vault("a long secret")
    assert vault.decrypt(vault.encrypt("ключ 🔑")) == "ключ 🔑"


def test_nothing_stored_is_nothing_read() -> None:
    assert Vault("a long secret").decrypt(None) is None
    assert Vault(None).decrypt(None) is None


@pytest.mark.parametrize("secret", ["another secret", None])
def test_another_key_reads_nothing_and_the_error_does_not_give_the_secret_away(secret: str | None) -> None:
    sealed = Vault("a long secret").encrypt(KEY)
    with pytest.raises(ModelFailure) as failed:
        Vault(secret).decrypt(sealed)
    assert failed.value.kind == "misconfigured"
    assert KEY not in str(failed.value)


def test_a_changed_text_is_not_read() -> None:
    sealed = bytearray(Vault("a long secret").encrypt(KEY))
    sealed[-1] ^= 1
    with pytest.raises(ModelFailure):
        Vault("a long secret").decrypt(bytes(sealed))


def test_without_a_secret_key_nothing_is_stored() -> None:
    with pytest.raises(Unprocessable) as refused:
        Vault.from_settings(Settings.model_validate({"secret_key": None})).encrypt(KEY)
    assert refused.value.code == "secret_key_missing"


def test_the_settings_name_the_secret_key() -> None:
    vault = Vault.from_settings(Settings.model_validate({"secret_key": "a long secret"}))
    assert Vault("a long secret").decrypt(vault.encrypt(KEY)) == KEY
