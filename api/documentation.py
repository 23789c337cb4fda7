"""The OpenAPI document, and Swagger UI from a package of this installation: no page of it needs the internet."""

from pathlib import Path
from typing import Any

import swagger_ui_bundle  # type: ignore[import-untyped]  # it ships no types
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import FileResponse, HTMLResponse, JSONResponse

from api.auth import Reader
from api.idempotency import HEADER, MAX_KEY_CHARS
from api.problems import MEDIA_TYPE, Problem
from errors import NotFound

DESCRIPTION = """\
Gleaner turns team chat into reviewed tasks.

An **analysis run** takes the messages of a time window, filters and batches them, asks a language model for task
proposals, saves them, lets a person review them, and closes with figures.

Errors are problem documents (RFC 9457) with a stable `code`. Times carry an offset, money is a decimal string or null.
Lists are `{items, next_cursor, total}`. A POST that creates honours `Idempotency-Key` for a day.
"""

_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_REFUSALS = {
    "401": "No key, or an unknown one",
    "403": "The key's scopes don't allow this",
    "422": "A field's value can't be taken",
    "503": "The database or Temporal does not answer",
}

_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same key and body again get the first reply again, for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
}

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(_: Reader, request: Request) -> JSONResponse:
    """The API's description, OpenAPI 3.1."""
    return JSONResponse(_description(request))


@router.get("/docs")
async def documentation(_: Reader) -> HTMLResponse:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url="docs/openapi.json",
        title="Gleaner API",
        swagger_js_url=f"docs/{_ASSETS[0]}",
        swagger_css_url=f"docs/{_ASSETS[1]}",
        swagger_favicon_url=f"docs/{_ASSETS[2]}",
    )


@router.get("/docs/openapi.json")
async def openapi_for_page(_: Reader, request: Request) -> JSONResponse:
    """The same description as OpenAPI 3.0, which is what the packaged Swagger UI can show."""
    return JSONResponse({**_as_3_0(_description(request)), "openapi": "3.0.3"})


@router.get("/docs/{asset}")
async def asset_of_page(asset: str, _: Reader) -> FileResponse:
    """A part of Swagger UI."""
    if asset not in _ASSETS:
        raise NotFound("not_found", "There is no such file.")
    return FileResponse(Path(swagger_ui_bundle.swagger_ui_path) / asset)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application: every operation with the problems that any request may meet."""
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas = document["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _add_problems(operation, open_to_all=path.endswith("/health/live"))
            if "201" in operation["responses"]:
                operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    return document


def operation_id(route: APIRoute) -> str:
    """An operation's id is the name of its function; a PUT is another way to a POST of the same function."""
    return f"{route.name}_by_put" if "PUT" in (route.methods or ()) else route.name


def _description(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = request.app.openapi()
    return document


def _add_problems(operation: dict[str, Any], *, open_to_all: bool) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    if not open_to_all:
        for status, description in _REFUSALS.items():
            responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if status >= "400" and "content" not in response:
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _as_3_0(part: Any) -> Any:
    """What OpenAPI 3.1 says in words that 3.0 lacks: null among types, constants, examples, exclusive bounds."""
    if isinstance(part, list):
        return [_as_3_0(item) for item in part]
    if not isinstance(part, dict):
        return part
    told = {name: _as_3_0(value) for name, value in part.items() if name != "anyOf"}
    if "const" in told:
        told["enum"] = [told.pop("const")]
    if isinstance(told.get("examples"), list):
        told["example"] = told.pop("examples")[0]
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if not isinstance(told.get(bound, True), bool):
            told[plain], told[bound] = told[bound], True
    if isinstance(part.get("anyOf"), list):
        told |= _choice_3_0(part["anyOf"])
    return told


def _choice_3_0(choices: list[dict[str, Any]]) -> dict[str, Any]:
    typed = [_as_3_0(choice) for choice in choices if choice.get("type") != "null"]
    nullable = {"nullable": True} if len(typed) < len(choices) else {}
    if len(typed) == 1 and "$ref" not in typed[0]:
        return {**typed[0], **nullable}
    return {"allOf" if len(typed) == 1 else "anyOf": typed, **nullable}
