"""Reads a conversation line by line and keeps the drafts that it opens, settles and drops."""

import re
from datetime import timedelta

from analysis.asks import shipped
from llm.offline.acts import Act, acts_of, is_hypothetical, is_quoting
from llm.offline.answers import REACH, answer_of, targets
from llm.offline.deadlines import due_date
from llm.offline.deliverables import combined, completed
from llm.offline.drafts import Draft
from llm.offline.lines import (
    STANDS_FOR_ACTION,
    Line,
    earlier_in_message,
    is_bug_report,
    look_back,
    told_in_pieces,
)
from llm.offline.names import Names
from llm.offline.patterns import pattern, word_set
from llm.offline.phrases import PRONOUN, content_words, first_word, lacks_object, trim_phrase
from llm.offline.replies import is_laughing, is_mocking, leaves_unowned, sounds_unwilling
from llm.offline.sentences import Sentence

_PATIENCE = timedelta(days=3)
"""Time after which a reply no longer answers."""
_WANTS_ANSWER = word_set("confirm explain tell clarify elaborate share paste show try help describe answer say")
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
_HOW_TO = re.compile(r"\b(?:how|where|what|why|which|can i|can we|do i|is there|should i)\b.*\?", re.IGNORECASE)
_ALSO = re.compile(r"\balso\b|\bas well\b|\btoo\b|\bseparately\b", re.IGNORECASE)
_OPENING_NAMES = re.compile(r"^(?:\w+[\s,]+){0,2}?((?:@§\d+[\s,:;\-–—]*(?:and |& )?)+)")
_CLOSING_NAME = re.compile(r"[,?!.]\s*(@§\d+)\s*[?!.]*$")
_SETS_DATE = re.compile(r"\b(?:by|before|until|due|deadline|needed|need|latest|eod|eow|bis)\b", re.IGNORECASE)
_POLITE = pattern(r"^(?:@§\d+[\s,:]+|(?:and|so|hey|but|ok|also|hi|hello)[\s,]+)*(?:can|could|would|will) (?:you|u) ")
LIKELY = -50
"""The score of `analysis.asks` from which on a sentence counts as an ask. From -120 to -50 asks of letters, held back,
are told equally well (F1 0.76, each quarter by a model of the others); this end of it takes the fewest others for
asks."""
_PROMISES = ("promise", "plan", "offer")
_REQUESTS = ("ask", "ask_any", "duty", "idea", "assign")


class Dialogue:
    """The lines so far and the drafts that they gave."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._lines: list[Line] = []
        self.drafts: list[Draft] = []

    def read(self, line: Line) -> None:
        """Take in the next line: first what it answers, then what it asks, promises and records."""
        listeners = self._listeners(line)
        released = self._release(line)
        taken = None if released else self._settle(line, listeners)
        opened: list[Draft] = []
        for index, sentence in enumerate(line.sentences):
            if is_mocking(sentence.text) or (released and leaves_unowned(sentence.text)):
                continue
            for act in acts_of(sentence):
                draft = self._enact(line, index, act, listeners, taken)
                if draft is not None:
                    opened.append(draft)
        if not opened and is_bug_report(line):
            opened = self._report(line)
        if not opened and line.alone:
            opened = self._likely_ask(line, listeners)
        _note_deadline(line, opened)
        self._lines.append(line)

    def _report(self, line: Line) -> list[Draft]:
        """A bug report is a duty by its form: its headline wants fixing."""
        headline = line.about()[-1] if line.about() else None
        if headline is None:
            return []
        draft = Draft("duty", line.author, combined("fix it", headline.thing), line.position)
        draft.cite(headline.position, headline.quote)
        return [self._keep(draft)]

    def _likely_ask(self, line: Line, listeners: tuple[int, ...]) -> list[Draft]:
        """In a message that nobody answers, as letters are, the words alone must tell: the sentence that is most likely
        an ask, where no rule finds one."""
        scores = shipped().scores([one.raw for one in line.sentences])
        score, at = max(((score, at) for at, score in enumerate(scores)), default=(LIKELY - 1, 0))
        if score < LIKELY:
            return []
        sentence = line.sentences[at]
        if is_mocking(sentence.text) or is_hypothetical(sentence.text) or is_quoting(sentence.text):
            return []
        phrase = trim_phrase(_POLITE.sub("", sentence.text))
        if not content_words(phrase):
            return []
        return [self._keep(self._draft(line, sentence, Act("ask", phrase), listeners))]

    # who is spoken to

    def _listeners(self, line: Line) -> tuple[int, ...]:
        """Whom the message addresses as a whole: the names that open it."""
        head = _OPENING_NAMES.match(line.sentences[0].text) if line.sentences else None
        found = self._names.found(head[1]) if head else ()
        return tuple(number for number in found if number != line.author)

    def _asked(
        self, line: Line, sentence: Sentence, act: Act, listeners: tuple[int, ...]
    ) -> tuple[tuple[int, ...], bool]:
        """(who is asked by an act, whether that is a guess)."""
        named = self._names.found(act.named or "") or self._names.found(act.before)
        closing = _CLOSING_NAME.search(sentence.text)
        if not named and closing:
            named = self._names.found(closing[1])
        named = tuple(number for number in named or listeners if number != line.author)
        if named:
            return named, False
        other = self._last_other(line)
        return ((other,) if other is not None else ()), True

    def _last_other(self, line: Line) -> int | None:
        """Who spoke last before this line, besides its author."""
        for earlier in reversed(self._lines[-6:]):
            if earlier.author != line.author:
                return earlier.author if earlier.talk == line.talk else None
        return None

    def _are_two(self, line: Line) -> bool:
        """Whether the talk is between two so far, so that "you" is the other one."""
        recent = [e for e in self._lines[-6:] if e.talk == line.talk]
        return len(recent) > 1 and len({line.author, *(e.author for e in recent)}) == 2

    # replies

    def _settle(self, line: Line, listeners: tuple[int, ...]) -> Draft | None:
        """Apply what the message answers; the draft that its author took or agreed to, if any."""
        answer = answer_of(line)
        if answer is None:
            self._turn_down(line)
            return None
        stance, sentence = answer
        meant = list(targets(stance, line, sentence, listeners, self._recent(line)))
        if not meant:
            if (stance == "takes" and not acts_of(sentence)) or (stance == "agrees" and self._was_told(line)):
                self._take_up(line, sentence, listeners)
            return None
        first = meant[0]
        together = [d for d in meant if d.position == first.position and d.listeners == first.listeners]
        for draft in together if stance != "done" else [first]:
            if stance in ("takes", "agrees"):
                self._agree(draft, line, sentence, takes=stance == "takes")
            elif stance == "refuses":
                draft.refused = True
            else:
                draft.dropped = True
            draft.touched = line.position
        return first if stance in ("takes", "agrees") else None

    def _release(self, line: Line) -> bool:
        """Let what the talk agreed on be nobody's: "neither of us this week", "whoever gets there first"."""
        said = next((sentence for sentence in line.sentences if leaves_unowned(sentence.text)), None)
        if said is None:
            return False
        recent = self._recent(line)
        draft = next((d for d in recent if d.owner is None or d.guessed or line.position - d.touched <= 4), None)
        if draft is not None:
            draft.owner, draft.accepted, draft.refused = None, True, False
            draft.cite(line.position, said.raw)
        return draft is not None

    def _was_told(self, line: Line) -> bool:
        """Whether a bare "yes" is a promise: it names a time, or its author was just told of trouble by name."""
        short = sum(len(sentence.text) for sentence in line.sentences) < 60
        if short and any(due_date(sentence.text, line.day) for sentence in line.sentences):
            return True
        last = self._lines[-1] if self._lines else None
        if last is None or last.author == line.author or not short:
            return False
        text = " ".join(sentence.text for sentence in last.sentences)
        told = line.author in self._names.found(text) and _TROUBLE.search(text)
        return bool(told) and not any(_ASKS_FOR_FACTS.search(sentence.text) for sentence in last.sentences)

    def _turn_down(self, line: Line) -> None:
        """A first reply that mocks, or sounds unwilling and promises nothing, refuses what its author was asked."""
        mocks = any(is_mocking(sentence.text) for sentence in line.sentences[:1])
        if not line.sentences or not (mocks or sounds_unwilling(line.sentences[0].text)):
            return
        if not mocks and any(act.kind in _PROMISES for sentence in line.sentences for act in acts_of(sentence)):
            return
        for draft in self._recent(line):
            if not draft.accepted and line.author in draft.listeners and line.position - draft.touched <= 4:
                draft.refused = True
                draft.touched = line.position

    def _recent(self, line: Line) -> list[Draft]:
        """The live drafts that a reply may still reach, latest first."""
        return [
            draft
            for draft in reversed(self.drafts[-40:])
            if not draft.dropped
            and line.position - draft.touched <= REACH
            and self._concerns(draft, line)
            and line.sent_at - self._lines[draft.touched].sent_at < _PATIENCE
        ]

    def _concerns(self, draft: Draft, line: Line) -> bool:
        """Whether a line may speak of a draft: of its own talk, or of another one that its author has to do with."""
        involved = line.author == draft.owner or (line.author in draft.listeners and not draft.guessed)
        return involved or draft.touched == line.position or self._lines[draft.touched].talk == line.talk

    @staticmethod
    def _agree(draft: Draft, line: Line, sentence: Sentence, *, takes: bool = True) -> Draft:
        """An offer stays with who made it, a "yes" to an idea with the group, anything else goes to who agrees."""
        if draft.kind != "offer" and (takes or draft.kind not in ("idea", "duty")):
            draft.owner = line.author
        draft.accepted, draft.refused = True, False
        draft.cite(line.position, sentence.raw)
        draft.due = draft.due or due_date(sentence.text, line.day)
        return draft

    def _take_up(self, line: Line, sentence: Sentence, listeners: tuple[int, ...]) -> None:
        """ "On it" where nothing was asked: the last thing that somebody else reported."""
        found = look_back(self._lines, line, "handle it", listeners=listeners, own_first=False)
        if found is None or line.position - found.position > 4 or self._is_promised(found.position):
            return
        phrase = combined("look into it", found.thing)
        draft = Draft("promise", line.author, phrase, line.position, owner=line.author, accepted=True)
        draft.cite(found.position, found.quote)
        draft.cite(line.position, sentence.raw)
        draft.due = due_date(sentence.text, line.day)
        self.drafts.append(draft)

    def _is_promised(self, position: int) -> bool:
        """Whether that line is itself a promise of its author."""
        return any(d.position == position and d.kind in _PROMISES for d in self.drafts[-20:])

    # acts

    def _enact(self, line: Line, index: int, act: Act, listeners: tuple[int, ...], taken: Draft | None) -> Draft | None:
        """The draft that an act opens or adds to, None when it is about nothing that can be named."""
        sentence = line.sentences[index]
        unsaid = lacks_object(act.phrase) and (act.kind != "record" or PRONOUN.search(act.phrase) is not None)
        if taken is not None and act.kind in _PROMISES and (unsaid or _same_work(act, taken, index, sentence)):
            taken.cite(line.position, sentence.raw)
            taken.due = taken.due or due_date(sentence.text, line.day)
            return taken
        draft = self._draft(line, sentence, act, listeners)
        if act.kind == "ask" and self._explains(act, draft):
            return None
        if unsaid:
            return self._resolve(draft, line, index, act, listeners)
        if act.kind == "promise" and taken is None and not _ALSO.search(sentence.text):
            answered = self._answered(draft, line)
            if answered is not None:
                return self._agree(answered, line, sentence)
        if act.kind != "record" and PRONOUN.search(act.phrase):
            self._complete(draft, line, index, act, listeners)
        if act.kind == "promise":
            self._cite_question(draft, line, listeners)
        return self._keep(draft)

    def _cite_question(self, draft: Draft, line: Line, listeners: tuple[int, ...]) -> None:
        """A promise in a reply also rests on what it replies to; its title says so where it says little itself."""
        answer = answer_of(line)
        if not listeners and (answer is None or answer[0] not in ("takes", "agrees")):
            return
        others = [e for e in self._lines[-4:] if e.author in listeners or (not listeners and e.author != line.author)]
        answered = next((e for e in reversed(others) if e.about()), None)
        if answered is None or len(draft.evidence) > 1:
            return
        mention = answered.about()[0]
        draft.cite(mention.position, mention.quote)
        if len(content_words(draft.phrase)) <= 2:
            draft.phrase = f"{draft.phrase}: {mention.thing.text}"

    def _explains(self, act: Act, draft: Draft) -> bool:
        """Whether a request only tells who asked a question how something is done."""
        last = next((e for e in reversed(self._lines[-3:]) if e.author in draft.listeners), None)
        if last is None or not act.instructs:
            return False
        return any(_HOW_TO.search(sentence.text) for sentence in last.sentences)

    def _keep(self, draft: Draft) -> Draft:
        self.drafts.append(draft)
        return draft

    def _draft(self, line: Line, sentence: Sentence, act: Act, listeners: tuple[int, ...]) -> Draft:
        """A new draft by what the act itself says."""
        draft = Draft(act.kind, line.author, act.phrase, line.position, hedged=act.hedged)
        if act.kind in ("record", "assign"):
            draft.listeners = self._names.found(act.named or "")
            draft.owner = draft.listeners[0] if draft.listeners else None
        elif act.kind == "ask":
            draft.listeners, draft.guessed = self._asked(line, sentence, act, listeners)
            if len(draft.listeners) == 1 and (not draft.guessed or (self._are_two(line) and not act.bare)):
                draft.owner = draft.listeners[0]
            draft.asks_for_answer = first_word(act.phrase) in _WANTS_ANSWER
            draft.bare = act.bare
        elif act.kind in _PROMISES:
            draft.owner = line.author
            draft.listeners = listeners
        elif act.kind == "duty" and len(listeners) == 1:
            draft.kind, draft.owner, draft.listeners = "ask", listeners[0], listeners
        draft.laughing = is_laughing(sentence.text)
        draft.due = due_date(sentence.text, line.day)
        draft.cite(line.position, sentence.raw)
        return draft

    def _answered(self, draft: Draft, line: Line) -> Draft | None:
        """The waiting request that a promise fulfils in other words."""
        for pending in reversed(self.drafts[-20:]):
            if not pending.is_open or pending.speaker == line.author or pending.kind not in _REQUESTS:
                continue
            if line.position - pending.touched > 8:
                continue
            shared = len(content_words(pending.phrase) & content_words(draft.phrase))
            asked = line.author in pending.listeners and not pending.guessed
            first_reply = line.position - pending.position <= 3 and len(pending.listeners) == 1
            if shared >= 2 or (asked and (shared or first_reply)):
                return pending
        return None

    # what "it" is

    def _resolve(self, draft: Draft, line: Line, index: int, act: Act, listeners: tuple[int, ...]) -> Draft | None:
        """Find what "it" is: in the message itself, in a waiting draft, or in what was said before."""
        here = next((d for d in reversed(self.drafts[-8:]) if d.position == line.position and not d.dropped), None)
        hands_on = act.kind in ("ask", "promise", "ask_any")
        if hands_on and here is not None and here.kind in ("duty", "idea", "ask_any", "plan"):
            return self._attach(here, draft, line)
        hands_over = index > 0 and act.kind == "ask" and sounds_unwilling(line.sentences[index - 1].text)
        found = None if hands_over else earlier_in_message(line, index, act)
        pending = self._pending(draft, line) if found is None else None
        if pending is None and hands_over:
            found = earlier_in_message(line, index, act)
        if pending is not None:
            return self._attach(pending, draft, line)
        if found is None:
            own_first = act.kind not in ("promise", "plan")
            found = look_back(self._lines, line, act.phrase, listeners=listeners, own_first=own_first)
        if found is None:
            return self._keep(draft) if act.kind == "record" else None
        begun = told_in_pieces(self._lines, line, found, act.phrase)
        for piece in begun:
            draft.cite(piece.position, piece.quote)
        draft.phrase = combined(act.phrase, begun[-1].thing if begun else found.thing)
        draft.cite(found.position, found.quote)
        draft.unclear = line.position - found.position > 3 and found.thing.form != "action"
        return self._keep(draft)

    def _pending(self, draft: Draft, line: Line) -> Draft | None:
        """The recent draft that an act without an object speaks of."""
        for pending in reversed(self.drafts[-12:]):
            if pending.dropped or line.position - pending.touched > 8 or not self._concerns(pending, line):
                continue
            if _may_speak_of(draft, pending, line.author):
                return pending
        return None

    @staticmethod
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

    def _complete(self, draft: Draft, line: Line, index: int, act: Act, listeners: tuple[int, ...]) -> None:
        """Make an "it" inside a phrase plain, and cite where it comes from."""
        found = earlier_in_message(line, index, act)
        if found is None:
            own_first = act.kind not in ("promise", "plan")
            found = look_back(self._lines, line, act.phrase, listeners=listeners, own_first=own_first)
        if found is None or line.position - found.position > 4:
            return
        draft.phrase = completed(act.phrase, found.thing)
        draft.cite(found.position, found.quote)


def _same_work(act: Act, taken: Draft, index: int, sentence: Sentence) -> bool:
    """Whether a promise in a reply only says again what the reply agreed to."""
    if content_words(act.phrase) & content_words(taken.phrase):
        return True
    short = len(content_words(act.phrase)) <= 2
    return short and index == 0 and act.kind == "promise" and not _ALSO.search(sentence.text)


def _may_speak_of(draft: Draft, pending: Draft, author: int) -> bool:
    """Whether "it" in `draft` can be the work of `pending`."""
    if draft.kind in _PROMISES:
        return pending.owner == author or (pending.speaker != author and not pending.accepted)
    if draft.kind == "ask" and pending.owner == author and pending.kind in _PROMISES:
        return not draft.guessed
    if pending.accepted and draft.kind not in ("assign", "record"):
        return False
    return pending.kind not in ("promise", "plan") or STANDS_FOR_ACTION.search(draft.phrase) is not None


def _note_deadline(line: Line, opened: list[Draft]) -> None:
    """A deadline in a sentence of its own belongs to the drafts of its message."""
    waiting = [draft for draft in opened if draft.due is None]
    for sentence in line.sentences if waiting else ():
        due = due_date(sentence.text, line.day)
        if due is not None and _SETS_DATE.search(sentence.text):
            for draft in waiting:
                draft.due = due
            return
