"""What "it" is in an act that doesn't name its object."""

from llm.offline.conversation import Conversation
from llm.offline.cues import Act
from llm.offline.deliverables import combined, completed
from llm.offline.drafts import PROMISES, Draft
from llm.offline.lines import STANDS_FOR_ACTION, Line, earlier_in_message, look_back, told_in_pieces
from llm.offline.replies import sounds_unwilling


def resolve(
    conversation: Conversation, draft: Draft, line: Line, index: int, act: Act, listeners: tuple[int, ...]
) -> Draft | None:
    """Find what "it" is: in the message itself, in a waiting draft, or in what was said before."""
    here = next((d for d in reversed(conversation.drafts[-8:]) if d.position == line.position and not d.dropped), None)
    hands_on = act.kind in ("ask", "promise", "ask_any")
    if hands_on and here is not None and here.kind in ("duty", "idea", "ask_any", "plan"):
        return _attach(here, draft, line)
    hands_over = index > 0 and act.kind == "ask" and sounds_unwilling(line.sentences[index - 1].text)
    found = None if hands_over else earlier_in_message(line, index, act)
    pending = _pending(conversation, draft, line) if found is None else None
    if pending is None and hands_over:
        found = earlier_in_message(line, index, act)
    if pending is not None:
        return _attach(pending, draft, line)
    if found is None:
        own_first = act.kind not in ("promise", "plan")
        found = look_back(conversation.lines, line, act.phrase, listeners=listeners, own_first=own_first)
    if found is None:
        return conversation.keep(draft) if act.kind == "record" else None
    begun = told_in_pieces(conversation.lines, line, found, act.phrase)
    for piece in begun:
        draft.cite(piece.position, piece.quote)
    draft.phrase = combined(act.phrase, begun[-1].thing if begun else found.thing)
    draft.cite(found.position, found.quote)
    draft.unclear = line.position - found.position > 3 and found.thing.form != "action"
    return conversation.keep(draft)


def _pending(conversation: Conversation, draft: Draft, line: Line) -> Draft | None:
    """The recent draft that an act without an object speaks of."""
    for pending in reversed(conversation.drafts[-12:]):
        if pending.dropped or line.position - pending.touched > 8 or not conversation.concerns(pending, line):
            continue
        if _may_speak_of(draft, pending, line.author):
            return pending
    return None


def _attach(pending: Draft, draft: Draft, line: Line) -> Draft:
    """Let an act without an object settle or hand on a draft that is there already."""
    pending.cite(line.position, draft.evidence[-1][1])
    pending.due = pending.due or draft.due
    if draft.kind in ("promise", "plan"):
        pending.owner, pending.accepted, pending.refused = line.author, True, False
    elif draft.kind in ("ask", "assign", "record") and draft.listeners:
        pending.listeners, pending.guessed = draft.listeners, draft.guessed
        pending.owner, pending.accepted, pending.refused = draft.owner, False, False
        pending.kind, pending.speaker = draft.kind, line.author
    elif draft.kind == "ask_any" and pending.kind in ("duty", "idea"):
        pending.kind = "ask_any"
    return pending


def complete(
    conversation: Conversation, draft: Draft, line: Line, index: int, act: Act, listeners: tuple[int, ...]
) -> None:
    """Make an "it" inside a phrase plain, and cite where it comes from."""
    found = earlier_in_message(line, index, act)
    if found is None:
        own_first = act.kind not in ("promise", "plan")
        found = look_back(conversation.lines, line, act.phrase, listeners=listeners, own_first=own_first)
    if found is None or line.position - found.position > 4:
        return
    draft.phrase = completed(act.phrase, found.thing)
    draft.cite(found.position, found.quote)


def _may_speak_of(draft: Draft, pending: Draft, author: int) -> bool:
    """Whether "it" in `draft` can be the work of `pending`."""
    if draft.kind in PROMISES:
        return pending.owner == author or (pending.speaker != author and not pending.accepted)
    if draft.kind == "ask" and pending.owner == author and pending.kind in PROMISES:
        return not draft.guessed
    if pending.accepted and draft.kind not in ("assign", "record"):
        return False
    return pending.kind not in ("promise", "plan") or STANDS_FOR_ACTION.search(draft.phrase) is not None
