"""Secrets at rest: provider keys are encrypted with a key derived from `GLEANER_SECRET_KEY`."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from errors import ModelFailure, Unprocessable
from settings import Settings


class Vault:
    """Encrypts and decrypts short texts. Without a secret key it can hold nothing."""

    def __init__(self, secret_key: str | None) -> None:
        digest = hashlib.sha256(f"gleaner-vault:{secret_key}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest)) if secret_key else None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Vault":
        return cls(settings.secret_key.get_secret_value() if settings.secret_key else None)

    def encrypt(self, text: str) -> bytes:
        """422 `secret_key_missing` where the service has no secret key."""
        if self._fernet is None:
            raise Unprocessable("secret_key_missing", "Set GLEANER_SECRET_KEY on the service before storing a key.")
        return self._fernet.encrypt(text.encode())

    def decrypt(self, sealed: bytes | None) -> str | None:
        """The text; ModelFailure `misconfigured` where the secret key isn't the one that it was sealed with."""
        if sealed is None:
            return None
        try:
            if self._fernet is not None:
                return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            pass
        raise ModelFailure("misconfigured", "The provider's stored key can't be read with this GLEANER_SECRET_KEY.")
