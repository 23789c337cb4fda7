"""The settings, and the file that shows them to a user."""

import json
import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from settings import Settings
from tests.deploy.compose_file import ROOT

LINE = re.compile(r"(?P<off># )?GLEANER_(?P<name>[A-Z_]+)=(?P<value>.*)")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from this machine."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GLEANER_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_example_lists_every_setting_once_in_their_order() -> None:
    assert [match["name"].lower() for match in _listed()] == list(Settings.model_fields)


def test_the_example_shows_each_default_and_switches_off_those_that_have_none() -> None:
    defaults = Settings()
    for match in _listed():
        value = getattr(defaults, match["name"].lower())
        assert match["value"] == _written(value), match["name"]
        assert bool(match["off"]) == (value is None), match["name"]


def test_the_example_as_it_stands_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    assert Settings() == Settings(_env_file=None)
    assert Settings().model_fields_set  # the file was read


def test_the_settings_table_of_the_operations_guide_lists_every_setting_with_its_default() -> None:
    defaults = Settings()
    guide = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `GLEANER_([A-Z_]+)` \| (?:`(.*?)`|–) \|", guide, re.MULTILINE)
    assert {name.lower(): value for name, value in rows} == {
        name: _written(getattr(defaults, name)) for name in Settings.model_fields
    }


def test_a_variable_of_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GLEANER_API_PORT=1111\nGLEANER_LOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("GLEANER_API_PORT", "2222")
    assert (Settings().api_port, Settings().log_level) == (2222, "DEBUG")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH", "sometimes"),
        ("API_PORT", "70000"),
        ("WORKER_ROLES", '["cook"]'),
        ("WORKER_SHUTDOWN_SECONDS", "0"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"GLEANER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_secrets_do_not_show_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "API_KEY", "TEMPORAL_API_KEY"):
        monkeypatch.setenv(f"GLEANER_{name}", "postgresql://u:canary@h/d")
    assert "canary" not in repr(Settings())


def _listed() -> list[re.Match[str]]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return [match for line in lines if (match := LINE.fullmatch(line))]


def _written(value: object) -> str:
    """A setting's value as an environment variable says it."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"))
    return f"{value:g}" if isinstance(value, float) else str(value)
