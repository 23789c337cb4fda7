"""The description of the API, and the page that shows it."""

import re
from typing import Any

from settings import Settings
from tests.support.api import ServedApi, serve_api


async def test_every_operation_says_what_it_does_and_shows_an_example_of_its_body(api: ServedApi) -> None:
    document = (await api.http.get(f"{api.url}/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], f"{method} {path}"
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if body is not None:
                assert _examples(document, body), f"{method} {path}"


async def test_errors_are_described_as_problems(api: ServedApi) -> None:
    document = (await api.http.get(f"{api.url}/openapi.json")).json()
    refused = document["paths"]["/api/v1/providers"]["post"]["responses"]["422"]["content"]
    assert refused == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_the_page_loads_nothing_from_elsewhere(api: ServedApi) -> None:
    page = await api.http.get(f"{api.url}/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", page.text)
    links = [link for pair in addresses for link in pair if link]
    assert len(links) >= 4
    for link in links:
        assert "//" not in link
        assert (await api.http.get(f"{api.url}/{link}")).status_code == 200


async def test_the_page_is_given_a_description_that_it_can_show(api: ServedApi) -> None:
    document = (await api.http.get(f"{api.url}/docs/openapi.json")).json()
    assert document["openapi"] == "3.0.3"
    assert not list(_nulls(document))


async def test_the_page_gives_away_no_other_file(api: ServedApi) -> None:
    for name in ("index.html", "..%2f..%2f__init__.py"):
        assert (await api.http.get(f"{api.url}/docs/{name}")).status_code == 404


async def test_no_route_but_the_probe_answers_without_a_key(settings: Settings) -> None:
    async with serve_api(settings.model_copy(update={"auth": "required"})) as api:
        assert (await api.http.get("/health/live")).status_code == 200
        for path, method in _operations(api):
            reply = await api.http.request(method, f"{api.url}{path}")
            assert reply.status_code == 401, f"{method} {path}"
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def _operations(api: ServedApi) -> list[tuple[str, str]]:
    """Every path and method but the probe, ids filled in."""
    described = [
        (re.sub(r"\{\w+_id\}", "0199f3c8-7a50-7c31-9d2a-3f6b9f2f8a10", path), method.upper())
        for path, operations in api.app.openapi()["paths"].items()
        for method in operations
        if not path.endswith("/health/live")
    ]
    assert len(described) > 30
    undescribed = ("/openapi.json", "/docs", "/docs/openapi.json", "/docs/swagger-ui.css")
    return [*described, *((path, "GET") for path in undescribed)]


def _examples(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    choices = schema.get("anyOf", [schema])
    for choice in choices:
        if "$ref" in choice:
            found = document["components"]["schemas"][choice["$ref"].rpartition("/")[2]]
            if found.get("examples"):
                return found["examples"]
    return schema.get("examples")


def _nulls(part: Any) -> Any:
    """Every place that still says that a type is null."""
    if isinstance(part, dict):
        if part.get("type") == "null":
            yield part
        for value in part.values():
            yield from _nulls(value)
    elif isinstance(part, list):
        for item in part:
            yield from _nulls(item)
