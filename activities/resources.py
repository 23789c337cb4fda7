"""What the activities of one worker share."""

from dataclasses import dataclass

from db.engine import Database
from db.vault import Vault
from settings import Settings


@dataclass(frozen=True)
class Resources:
    database: Database
    vault: Vault
    settings: Settings
