"""What API and worker are told, and which of it the user may overrule."""

from pathlib import Path

import pytest

from devstack.environment import stack_environment

DEFAULTS = {"GLEANER_AUTH": "off", "GLEANER_ALLOW_PRIVATE_TARGETS": "true", "GLEANER_SECRET_KEY": "kept"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env`, and nothing of ours in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)


def environment() -> dict[str, str]:
    return stack_environment(
        database_url="postgresql://gleaner:secret@127.0.0.1:1/gleaner",
        temporal_address="127.0.0.1:2",
        temporal_ui_url="http://127.0.0.1:3",
        api_url="http://127.0.0.1:4",
        api_port=4,
        secret_key="kept",
    )


def test_a_stack_on_one_machine_needs_no_login_and_may_call_local_models() -> None:
    assert environment().items() >= DEFAULTS.items()


def test_what_the_user_sets_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_AUTH", "required")

    assert environment()["GLEANER_AUTH"] == "required"


def test_what_stands_in_the_env_file_is_not_overruled(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GLEANER_SECRET_KEY=mine\n")

    assert "GLEANER_SECRET_KEY" not in environment()


def test_addresses_are_those_of_the_stack_whatever_the_user_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEANER_DATABASE_URL", "postgresql://elsewhere/other")
    monkeypatch.setenv("GLEANER_TEMPORAL_NAMESPACE", "production")

    told = environment()
    assert told["GLEANER_DATABASE_URL"].endswith("@127.0.0.1:1/gleaner")
    assert told["GLEANER_TEMPORAL_NAMESPACE"] == "default"
    assert told["GLEANER_API_HOST"] == "127.0.0.1"
