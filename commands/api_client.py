"""The API as the commands see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from settings import Settings


class ApiError(Exception):
    """The API refused, or doesn't answer; the text is for a person. `code` is the problem's, None without one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class ApiClient:
    """Calls the API with the settings' address and key. Every failure is an ApiError."""

    def __init__(self, settings: Settings, base_url: str | None = None) -> None:
        key = settings.api_key
        self.base_url = (base_url or settings.api_url).rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.base_url}/api/v1",
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=30,
            trust_env=False,
        )
        self._has_key = key is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, params=_given(query))

    def post(self, path: str, body: object | None = None, *, version: int | None = None) -> Any:
        """With `version` only if that is still the present one."""
        return self._call("POST", path, json={} if body is None else body, headers=_if_match(version))

    def patch(self, path: str, body: object, *, version: int) -> Any:
        return self._call("PATCH", path, json=body, headers=_if_match(version))

    def pages(self, path: str, **query: object) -> Iterator[Any]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def project_id(self, name: str) -> str:
        """The id of the project with this name."""
        for item in self.pages("/projects"):
            if item["name"] == name:
                return str(item["id"])
        raise ApiError(f"There is no project {name!r}.")

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[Iterator[bytes]]:
        """The body of a reply, piece by piece as it comes."""
        try:
            with self._http.stream("GET", path, params=_given(query)) as reply:
                if reply.is_error:
                    reply.read()
                    raise _refusal(reply)
                yield reply.iter_bytes()
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def socket_url(self, run_id: str, after_seq: int) -> str:
        """The WebSocket of one run's events; where a key is needed, with a token of it."""
        query: dict[str, object] = {"run_id": run_id, "after_seq": after_seq}
        if self._has_key:
            query["token"] = self.post("/ws-tokens")["token"]
        return f"{self.base_url.replace('http', 'ws', 1)}/ws?{urlencode(query)}"

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            reply = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if reply.is_error:
            raise _refusal(reply)
        return reply.json() if reply.content else None

    def _silent(self, error: httpx.HTTPError) -> ApiError:
        return ApiError(f"The API at {self.base_url} does not answer ({type(error).__name__}).")


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": str(version)}


def _refusal(reply: httpx.Response) -> ApiError:
    try:
        problem = reply.json()
    except ValueError:
        return ApiError(f"The API answered {reply.status_code}.")
    return ApiError(_told(reply, problem), problem.get("code"))


def _told(reply: httpx.Response, problem: dict[str, Any]) -> str:
    details = [f"  {error.get('field', '')}: {error.get('message', '')}" for error in problem.get("errors", [])]
    return "\n".join(
        [f"{problem.get('detail', reply.status_code)} ({problem.get('code', reply.status_code)})", *details]
    )
