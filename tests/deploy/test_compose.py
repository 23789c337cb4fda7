"""What `docker-compose.yml` promises, as far as it can be read off the file."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.server import GRACE_SECONDS
from devstack.temporal import binary
from settings import Settings
from tests.deploy import compose_file
from tests.deploy.compose_file import FILE, ROOT, SECRETS, MissingError
from worker import LAST_SECONDS

CHOSEN = {name: f"chosen-{name.lower()}" for name in SECRETS}
OURS = {"migrate", "api", "worker"}
ONE_SHOTS = {"temporal-schema", "temporal-namespace", "migrate"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return compose_file.services(CHOSEN)


def test_the_file_fits_the_schema_of_the_compose_specification() -> None:
    assert _schema_errors(FILE) == ""


def test_a_file_with_a_word_that_compose_does_not_know_would_be_found_out(tmp_path: Path) -> None:
    broken = compose_file.raw()
    broken["services"]["api"]["health_check"] = broken["services"]["api"].pop("healthcheck")
    copy = tmp_path / "docker-compose.yml"
    copy.write_text(yaml.safe_dump(broken))
    assert "health_check" in _schema_errors(copy)


def test_every_setting_that_it_makes_is_one_that_gleaner_knows(services: dict[str, dict[str, Any]]) -> None:
    known = {f"GLEANER_{name.upper()}" for name in Settings.model_fields}
    for name, service in services.items():
        made = {variable for variable in service.get("environment", {}) if variable.startswith("GLEANER_")}
        assert made <= known, name
        assert bool(made) == (name in OURS), name


def test_its_settings_are_valid_and_the_api_is_open_to_the_network_with_keys_alone(
    services: dict[str, dict[str, Any]],
) -> None:
    settings = {name: _settings(services[name]) for name in OURS}
    assert settings["api"].api_host == "0.0.0.0"
    assert settings["api"].auth == "required"
    assert all(one.secret_key is not None for one in settings.values())
    assert len({one.database_url.get_secret_value() for one in settings.values()}) == 1
    assert not any(one.allow_private_targets for one in settings.values())


@pytest.mark.parametrize("secret", SECRETS)
def test_it_does_not_start_without_a_secret(secret: str) -> None:
    for unset in ({}, {secret: ""}):
        with pytest.raises(MissingError, match=rf"{secret}: .*compose\.env\.example"):
            compose_file.services({name: value for name, value in CHOSEN.items() if name != secret} | unset)


def test_no_secret_is_written_in_it() -> None:
    secret = re.compile(r"PASSWORD|PWD|SECRET|API_KEY")
    for service in compose_file.raw()["services"].values():
        for name, value in service.get("environment", {}).items():
            if secret.search(name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
    for use in compose_file.variables():
        assert (use["operator"] == "?") == bool(secret.search(use["name"])), use["name"]


def test_its_example_lists_what_it_takes_from_the_environment_with_the_defaults() -> None:
    taken = {use["name"]: use["word"] if use["operator"] == "-" else "" for use in compose_file.variables()}
    lines = (ROOT / "deploy/compose.env.example").read_text().splitlines()
    listed = [match for line in lines if (match := re.fullmatch(r"(# )?([A-Z_]+)=(.*)", line))]
    assert {match[2]: match[3] for match in listed} == taken
    assert {match[2] for match in listed if not match[1]} == set(SECRETS)


def test_a_variable_has_one_default_wherever_it_is_used() -> None:
    defaults: dict[str, set[str]] = {}
    for use in compose_file.variables():
        defaults.setdefault(use["name"], set()).add(use.group())
    assert {name: uses for name, uses in defaults.items() if len(uses) > 1} == {}


def test_the_images_are_pinned(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        tag = service["image"].partition(":")[2]
        assert re.search(r"\d+\.\d+\.\d+", tag), name


def test_temporal_has_the_versions_of_the_server_that_the_tests_run_on(services: dict[str, dict[str, Any]]) -> None:
    said = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True).stdout
    server, ui = re.findall(r"(?:Server|UI) ([\d.]+)", said)
    assert services["temporal"]["image"] == f"temporalio/server:{server}"
    assert services["temporal-schema"]["image"] == f"temporalio/admin-tools:{server}"
    assert services["temporal-namespace"]["image"] == f"temporalio/admin-tools:{server}"
    assert services["temporal-ui"]["image"] == f"temporalio/ui:{ui}"


def test_what_runs_on_is_watched_and_started_again(services: dict[str, dict[str, Any]]) -> None:
    for name in services.keys() - ONE_SHOTS:
        assert services[name]["restart"] == "unless-stopped", name
        assert services[name]["healthcheck"]["test"][0] == "CMD", name


def test_each_service_waits_for_those_that_it_needs(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            done = "service_completed_successfully" if needed in ONE_SHOTS else "service_healthy"
            assert how == {"condition": done}, f"{name} waits for {needed}"
    assert set(services["api"]["depends_on"]) == set(services["worker"]["depends_on"]) == {"migrate"}
    assert set(services["migrate"]["depends_on"]) == {"postgres", "temporal-namespace"}
    assert set(services["temporal-namespace"]["depends_on"]) == {"temporal"}
    assert set(services["temporal"]["depends_on"]) == {"postgres", "temporal-schema"}


def test_workers_can_be_many(services: dict[str, dict[str, Any]]) -> None:
    assert services["worker"].keys().isdisjoint({"container_name", "hostname", "ports"})


def test_our_processes_have_longer_to_stop_than_they_take(services: dict[str, dict[str, Any]]) -> None:
    worker = services["worker"]
    assert _seconds(worker["stop_grace_period"]) > _settings(worker).worker_shutdown_seconds + LAST_SECONDS
    assert _seconds(services["api"]["stop_grace_period"]) > GRACE_SECONDS + 5


def test_our_containers_can_change_nothing_but_tmp(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        service = services[name]
        assert service["read_only"], name
        assert service["tmpfs"] == ["/tmp"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "volumes" not in service, name


def test_only_the_api_and_the_web_ui_are_reached_from_outside_and_by_default_from_this_machine(
    services: dict[str, dict[str, Any]],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"], "temporal-ui": ["127.0.0.1:8233:8080"]}
    assert compose_file.raw()["networks"]["data"] == {"internal": True}
    assert {name for name, service in services.items() if service.get("networks") == ["data"]} == {
        "postgres", "temporal-schema", "temporal", "temporal-namespace",
    }  # fmt: skip


def test_what_it_mounts_is_there(services: dict[str, dict[str, Any]]) -> None:
    volumes = compose_file.raw()["volumes"]
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in volumes or ((ROOT / source).is_file() and mount.endswith(":ro")), f"{name}: {mount}"


def test_ollama_comes_only_when_asked_for(services: dict[str, dict[str, Any]]) -> None:
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "ollama": ["ollama"]
    }


def _settings(service: dict[str, Any]) -> Settings:
    """As the container's process reads them: from these variables and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(f"GLEANER_{name.upper()}", raising=False)
        for name, value in service["environment"].items():
            patch.setenv(name, value)
        return Settings(_env_file=None)


def _seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr]  # fails as it should
    return float(number) * {"s": 1, "m": 60}[unit]


def _schema_errors(file: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode == 0) == checked.stdout.startswith("ok"), checked.stderr
    return "" if checked.returncode == 0 else checked.stdout
