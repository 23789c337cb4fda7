"""Drafts become tasks: the same work merged, titles worded, evidence written down."""

from collections.abc import Sequence
from datetime import timedelta

from llm.offline.cues import ActKind
from llm.offline.drafts import Draft
from llm.offline.labels import category_of, priority_of, tags_of
from llm.offline.names import Names
from llm.offline.phrases import as_title, content_words, in_third_person
from llm.offline.sentences import is_readable
from llm.offline.values import OfflineMessage, OfflineTask, is_same_talk

_MERGE_REACH = 25
"""Drafts behind which the same words are taken for other work."""
_LONGEST_DESCRIPTION = 1_500
_LONGEST_QUOTE = 500
_LONGEST_LEAD = 250
_SHORT_PAUSE = timedelta(minutes=8)
_LEAD = 6
"""Messages before the first cited one that may have led to a task."""
_MOST_LEADING = 8

_SAID: dict[ActKind, str] = {
    "record": "{speaker} recorded an action",
    "assign": "{speaker} named who should do it",
    "ask": "{speaker} asked for it",
    "ask_any": "{speaker} asked whether somebody could do it",
    "promise": "{speaker} promised it",
    "plan": "{speaker} plans to do it",
    "offer": "{speaker} offered it",
    "duty": "{speaker} said that it has to be done",
    "idea": "{speaker} suggested it",
}


def merged(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts with those that mean the same work joined; the first keeps its words, all evidence is kept."""
    kept: list[Draft] = []
    for draft in drafts:
        twin = next((old for old in reversed(kept[-_MERGE_REACH:]) if _same_work(old, draft)), None)
        if twin is None:
            kept.append(draft)
        else:
            _join(twin, draft)
    return kept


def _same_work(old: Draft, new: Draft) -> bool:
    """Whether two drafts share most of their words; two who both agreed to something agreed to two things."""
    two_owners = old.owner is not None and new.owner is not None and old.owner != new.owner
    if two_owners and old.accepted and new.accepted:
        return False
    a, b = content_words(old.phrase), content_words(new.phrase)
    if a == b or old.position == new.position:
        return bool(a) and a == b
    shared = len(a & b)
    if shared < 2:
        return False
    return shared / len(a | b) >= 0.5 or shared / min(len(a), len(b)) >= (0.75 if two_owners else 0.6)


def _join(old: Draft, new: Draft) -> None:
    if new.kind == "record" and old.kind != "record":
        old.phrase = new.phrase
    if (new.accepted, new.confidence()) > (old.accepted, old.confidence()):
        old.kind, old.accepted, old.guessed, old.hedged, old.unclear = (
            new.kind,
            new.accepted,
            new.guessed,
            new.hedged,
            new.unclear,
        )
        old.owner = new.owner if new.owner is not None else old.owner
        old.speaker = new.speaker
    elif old.owner is None:
        old.owner = new.owner
    old.due = old.due or new.due
    for position, quote in new.evidence:
        old.cite(position, quote)


class Writer:
    """Writes the tasks of one conversation. `sources` are its messages by position; those before `first` are context,
    which is never cited."""

    def __init__(self, names: Names, sources: Sequence[OfflineMessage], first: int, project: str | None) -> None:
        self._names = names
        self._sources = sources
        self._first = first
        self._project = project

    def task(self, draft: Draft) -> OfflineTask | None:
        """The task, None when no message of the batch stands behind it or no title can be worded."""
        evidence = sorted({item for item in draft.evidence if item[0] >= self._first})
        title = self._title(draft)
        if not evidence or not title:
            return None
        words = " ".join(quote for _, quote in evidence)
        today = self._sources[draft.position].sent_at.date()
        return OfflineTask(
            title=title,
            description=self._description(draft, title),
            priority=priority_of(words, draft.due, today),
            category=category_of(title, words),
            confidence=draft.confidence(),
            reasoning=self._reasoning(draft),
            source_refs=tuple(dict.fromkeys(self._sources[position].ref for position, _ in evidence)),
            assignee=self._names.author(draft.owner),
            due_date=draft.due,
            tags=tags_of(title, words, self._project),
            quotes=tuple((self._sources[position].ref, quote[:_LONGEST_QUOTE]) for position, quote in evidence),
        )

    def _title(self, draft: Draft) -> str:
        listener = draft.owner if draft.kind in ("ask", "assign", "record") else None
        if draft.kind in ("promise", "plan", "offer") and draft.listeners:
            listener = draft.listeners[0]
        called = self._names.short(listener) if listener is not None else None
        phrase = in_third_person(draft.phrase, self._names.short(draft.speaker), called)
        return as_title(self._names.unmark(phrase))

    def _description(self, draft: Draft, title: str) -> str:
        """The title, what was said in whole messages, and what was said shortly before."""
        positions = sorted({position for position, _ in draft.evidence})
        said = [self._told(position, _LONGEST_QUOTE) for position in positions]
        led = [self._told(position, _LONGEST_LEAD) for position in self._leading(positions)]
        parts = [f"{title}.", *said, *(["", "Said before:", *led] if led else [])]
        return "\n".join(parts)[:_LONGEST_DESCRIPTION]

    def _told(self, position: int, longest: int) -> str:
        source = self._sources[position]
        return f"{source.author}: {source.text[:longest]}"

    def _leading(self, cited: Sequence[int]) -> list[int]:
        """The messages of people before and between the `cited` ones, as far as it is the same talk."""
        start = cited[0]
        while start > max(cited[0] - _LEAD, 0) and is_same_talk(
            self._sources[start - 1], self._sources[start], _SHORT_PAUSE
        ):
            start -= 1
        between = [position for position in range(start, cited[-1]) if position not in cited]
        return [p for p in between if is_readable(self._sources[p])][:_MOST_LEADING]

    def _reasoning(self, draft: Draft) -> str:
        parts = [_SAID[draft.kind].format(speaker=self._names.people[draft.speaker])]
        if draft.accepted and draft.owner is not None and draft.owner != draft.speaker:
            parts.append(f"{self._names.people[draft.owner]} agreed")
        elif draft.accepted and draft.kind == "offer":
            parts.append("the offer was welcome")
        elif draft.owner is None:
            parts.append("nobody has taken it yet")
        elif draft.kind in ("ask", "assign") and draft.owner != draft.speaker:
            parts.append(f"{self._names.people[draft.owner]} has not answered yet")
        if draft.unclear:
            parts.append("what it is about is taken from earlier messages")
        return "; ".join(parts) + "."
