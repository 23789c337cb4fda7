"""What a reply does to the drafts that it answers."""

from llm.offline.acts import acts_of
from llm.offline.answers import answer_of, targets
from llm.offline.conversation import Conversation
from llm.offline.deadlines import due_date
from llm.offline.deliverables import combined
from llm.offline.drafts import PROMISES, Draft
from llm.offline.lines import Line, look_back
from llm.offline.patterns import pattern
from llm.offline.replies import is_mocking, leaves_unowned, sounds_unwilling
from llm.offline.sentences import Sentence

_ASKS_FOR_FACTS = pattern(
    r"""
    ^(?:@§\d+[\s,:]+|and |so |hey |but )*(?:are|is|was|were|did|do|does|has|have|had|how|what|why|where|when|who|
    which)\b.*\?|\b(?:right|ok|yes|no|agree|coming)\?$
    """
)
_TROUBLE = pattern(
    r"""
    \b(?:broken|wrong|missing|fail(?:s|ed|ing)?|errors?|expire[sd]?|expiring|crash\w*|outdated|overdue|due|waiting|
    needs?|deadline|stuck|doesn't|isn't|aren't|still|nobody|empty|typos?|late|complain\w*|urgent|blocked|blocking)\b
    """
)


def settle(conversation: Conversation, line: Line, listeners: tuple[int, ...]) -> Draft | None:
    """Apply what the message answers; the draft that its author took or agreed to, if any."""
    answer = answer_of(line)
    if answer is None:
        _turn_down(conversation, line)
        return None
    stance, sentence = answer
    meant = list(targets(stance, line, sentence, listeners, conversation.recent(line)))
    if not meant:
        if (stance == "takes" and not acts_of(sentence)) or (stance == "agrees" and _was_told(conversation, line)):
            _take_up(conversation, line, sentence, listeners)
        return None
    first = meant[0]
    together = [d for d in meant if d.position == first.position and d.listeners == first.listeners]
    for draft in together if stance != "done" else [first]:
        if stance in ("takes", "agrees"):
            agree(draft, line, sentence, takes=stance == "takes")
        elif stance == "refuses":
            draft.refused = True
        else:
            draft.dropped = True
        draft.touched = line.position
    return first if stance in ("takes", "agrees") else None


def release(conversation: Conversation, line: Line) -> bool:
    """Let what the talk agreed on be nobody's: "neither of us this week", "whoever gets there first"."""
    said = next((sentence for sentence in line.sentences if leaves_unowned(sentence.text)), None)
    if said is None:
        return False
    recent = conversation.recent(line)
    draft = next((d for d in recent if d.owner is None or d.guessed or line.position - d.touched <= 4), None)
    if draft is not None:
        draft.owner, draft.accepted, draft.refused = None, True, False
        draft.cite(line.position, said.raw)
    return draft is not None


def _was_told(conversation: Conversation, line: Line) -> bool:
    """Whether a bare "yes" is a promise: it names a time, or its author was just told of trouble by name."""
    short = sum(len(sentence.text) for sentence in line.sentences) < 60
    if short and any(due_date(sentence.text, line.day) for sentence in line.sentences):
        return True
    last = conversation.lines[-1] if conversation.lines else None
    if last is None or last.author == line.author or not short:
        return False
    text = " ".join(sentence.text for sentence in last.sentences)
    told = line.author in conversation.names.found(text) and _TROUBLE.search(text)
    return bool(told) and not any(_ASKS_FOR_FACTS.search(sentence.text) for sentence in last.sentences)


def _turn_down(conversation: Conversation, line: Line) -> None:
    """A first reply that mocks, or sounds unwilling and promises nothing, refuses what its author was asked."""
    mocks = any(is_mocking(sentence.text) for sentence in line.sentences[:1])
    if not line.sentences or not (mocks or sounds_unwilling(line.sentences[0].text)):
        return
    if not mocks and any(act.kind in PROMISES for sentence in line.sentences for act in acts_of(sentence)):
        return
    for draft in conversation.recent(line):
        if not draft.accepted and line.author in draft.listeners and line.position - draft.touched <= 4:
            draft.refused = True
            draft.touched = line.position


def agree(draft: Draft, line: Line, sentence: Sentence, *, takes: bool = True) -> Draft:
    """An offer stays with who made it, a "yes" to an idea with the group, anything else goes to who agrees."""
    if draft.kind != "offer" and (takes or draft.kind not in ("idea", "duty")):
        draft.owner = line.author
    draft.accepted, draft.refused = True, False
    draft.cite(line.position, sentence.raw)
    draft.due = draft.due or due_date(sentence.text, line.day)
    return draft


def _take_up(conversation: Conversation, line: Line, sentence: Sentence, listeners: tuple[int, ...]) -> None:
    """ "On it" where nothing was asked: the last thing that somebody else reported."""
    found = look_back(conversation.lines, line, "handle it", listeners=listeners, own_first=False)
    if found is None or line.position - found.position > 4 or _is_promised(conversation, found.position):
        return
    phrase = combined("look into it", found.thing)
    draft = Draft("promise", line.author, phrase, line.position, owner=line.author, accepted=True)
    draft.cite(found.position, found.quote)
    draft.cite(line.position, sentence.raw)
    draft.due = due_date(sentence.text, line.day)
    conversation.drafts.append(draft)


def _is_promised(conversation: Conversation, position: int) -> bool:
    """Whether that line is itself a promise of its author."""
    return any(d.position == position and d.kind in PROMISES for d in conversation.drafts[-20:])
