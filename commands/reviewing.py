"""A review over the API: what waits for a decision, the decisions, and the way back. Knows no terminal."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from commands.api_client import ApiClient, ApiError

_GONE = ("already_reviewed", "proposal_not_found")
_CHANGED = "version_conflict"

Proposal = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """What a duplicate can be merged into."""

    kind: Literal["task", "proposal"]
    id: str
    title: str


@dataclass
class Review:
    """The pending proposals of a run, the surest first. `note` says how the last wish went."""

    api: ApiClient
    run: dict[str, Any]
    note: str = ""
    _waiting: deque[str] = field(default_factory=deque)
    _decided: list[tuple[str, str]] = field(default_factory=list)
    _shown: Proposal | None = None

    @classmethod
    def of(cls, api: ApiClient, run_id: str) -> "Review":
        """ApiError where there is no such run."""
        review = cls(api, api.get(f"/analysis/runs/{run_id}"))
        review._waiting.extend(item["id"] for item in api.pages("/proposals", run_id=run_id, status="pending"))
        return review

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def decided(self) -> int:
        return len(self._decided)

    def current(self) -> Proposal | None:
        """The proposal in turn with its messages, without what others decided meanwhile; None when nothing waits."""
        while self._shown is None and self._waiting:
            try:
                found: Proposal = self.api.get(f"/proposals/{self._waiting[0]}")
            except ApiError as error:
                if error.code not in _GONE:
                    raise
                self._waiting.popleft()
                continue
            if found["status"] == "pending":
                self._shown = found
            else:
                self.note = f"Somebody else decided “{found['proposed_title']}” meanwhile."
                self._waiting.popleft()
        return self._shown

    def accept(self) -> None:
        self._decide("approve", None, "Accepted")

    def decline(self, reason: str) -> None:
        self._decide("reject", {"reason": reason}, f"Declined as {reason.replace('_', ' ')}")

    def merge(self, target: Candidate) -> None:
        self._decide("merge", {f"target_{target.kind}_id": target.id}, f"Merged into “{target.title}”")

    def edit(self, changes: dict[str, Any]) -> None:
        """Change the proposal in turn; it stays in turn."""
        shown = self.current()
        if shown is not None and changes and self._try(lambda: self._patch(shown, changes)):
            self.note = "Edited."

    def _patch(self, shown: Proposal, changes: dict[str, Any]) -> None:
        self.api.patch(f"/proposals/{shown['id']}", changes, version=shown["version"])
        self._shown = None

    def skip(self) -> None:
        """Come back to the proposal after the others."""
        self._waiting.rotate(-1)
        self._shown = None
        self.note = "Skipped for now."

    def undo(self) -> None:
        """Take the last decision of this review back."""
        if not self._decided:
            self.note = "There is nothing to undo."
            return
        proposal_id, title = self._decided[-1]
        if self._try(lambda: self.api.post(f"/proposals/{proposal_id}/reopen")):
            self._decided.pop()
            self._waiting.appendleft(proposal_id)
            self._shown = None
            self.note = f"Undone: “{title}” waits again."

    def candidates(self, words: str | None = None) -> list[Candidate]:
        """What the proposal in turn may duplicate: what it was found similar to, then other proposals of the run; with
        `words` the tasks that hold them."""
        shown = self.current()
        if shown is None:
            return []
        if words is not None:
            found = self.api.get("/tasks", q=words, limit=9)["items"]
            return [Candidate("task", task["id"], task["title"]) for task in found if task["status"] != "withdrawn"]
        similar = [Candidate("task", task["id"], task["title"]) for task in shown["similar_tasks"]]
        others = [
            Candidate("proposal", item["id"], item["proposed_title"])
            for status in ("approved", "pending")
            for item in self.api.get("/proposals", run_id=self.run["id"], status=status, limit=100)["items"]
            if item["id"] != shown["id"]
        ]
        near = [other for other in others if other.id == shown["similar_proposal_id"]]
        return similar + near + [other for other in others if other not in near]

    def close(self) -> dict[str, Any] | None:
        """Close the run; its figures, None where that was refused."""
        if not self._try(self._close):
            return None
        return self.run

    def _close(self) -> None:
        self.run = self.api.post(f"/analysis/runs/{self.run['id']}/close")

    def _decide(self, action: str, body: dict[str, Any] | None, done: str) -> None:
        shown = self.current()
        if shown is None:
            return
        if self._try(lambda: self.api.post(f"/proposals/{shown['id']}/{action}", body, version=shown["version"])):
            self._decided.append((shown["id"], shown["proposed_title"]))
            self._waiting.popleft()
            self._shown = None
            self.note = f"{done}: “{shown['proposed_title']}”."

    def _try(self, call: Callable[[], object]) -> bool:
        """Whether the API took it; its refusal becomes the note, and what changed meanwhile is read again."""
        try:
            call()
        except ApiError as error:
            if error.code is None:
                raise
            self.note = f"Not done: {error}"
            if error.code in (*_GONE, _CHANGED):
                self._shown = None
            return False
        return True
