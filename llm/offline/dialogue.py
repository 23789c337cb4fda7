"""Reads a conversation line by line and keeps the drafts that it opens, settles and drops."""

import re

from analysis.asks import shipped
from llm.offline.acts import acts_of, is_hypothetical, is_quoting
from llm.offline.answers import answer_of
from llm.offline.conversation import Conversation
from llm.offline.cues import Act
from llm.offline.deadlines import due_date
from llm.offline.deliverables import combined
from llm.offline.drafts import PROMISES, Draft
from llm.offline.lines import Line, is_bug_report
from llm.offline.names import Names
from llm.offline.patterns import pattern, word_set
from llm.offline.phrases import PRONOUN, content_words, first_word, lacks_object, trim_phrase
from llm.offline.references import complete, resolve
from llm.offline.replies import is_laughing, is_mocking, leaves_unowned
from llm.offline.sentences import Sentence
from llm.offline.settling import agree, release, settle

_WANTS_ANSWER = word_set("confirm explain tell clarify elaborate share paste show try help describe answer say")
_HOW_TO = re.compile(r"\b(?:how|where|what|why|which|can i|can we|do i|is there|should i)\b.*\?", re.IGNORECASE)
_ALSO = re.compile(r"\balso\b|\bas well\b|\btoo\b|\bseparately\b", re.IGNORECASE)
_SETS_DATE = re.compile(r"\b(?:by|before|until|due|deadline|needed|need|latest|eod|eow|bis)\b", re.IGNORECASE)
_POLITE = pattern(r"^(?:@§\d+[\s,:]+|(?:and|so|hey|but|ok|also|hi|hello)[\s,]+)*(?:can|could|would|will) (?:you|u) ")
LIKELY = -50
"""The score of `analysis.asks` from which on a sentence counts as an ask. From -120 to -50 asks of letters, held back,
are told equally well (F1 0.76, each quarter by a model of the others); this end of it takes the fewest others for
asks."""
_REQUESTS = ("ask", "ask_any", "duty", "idea", "assign")


class Dialogue:
    """Reads line after line; `drafts` are what it found so far."""

    def __init__(self, names: Names) -> None:
        self._conversation = Conversation(names)
        self.drafts = self._conversation.drafts

    def read(self, line: Line) -> None:
        """Take in the next line: first what it answers, then what it asks, promises and records."""
        listeners = self._conversation.listeners(line)
        released = release(self._conversation, line)
        taken = None if released else settle(self._conversation, line, listeners)
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
        self._conversation.lines.append(line)

    def _report(self, line: Line) -> list[Draft]:
        """A bug report is a duty by its form: its headline wants fixing."""
        headline = line.about()[-1] if line.about() else None
        if headline is None:
            return []
        draft = Draft("duty", line.author, combined("fix it", headline.thing), line.position)
        draft.cite(headline.position, headline.quote)
        return [self._conversation.keep(draft)]

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
        return [self._conversation.keep(self._draft(line, sentence, Act("ask", phrase), listeners))]

    def _enact(self, line: Line, index: int, act: Act, listeners: tuple[int, ...], taken: Draft | None) -> Draft | None:
        """The draft that an act opens or adds to, None when it is about nothing that can be named."""
        sentence = line.sentences[index]
        unsaid = lacks_object(act.phrase) and (act.kind != "record" or PRONOUN.search(act.phrase) is not None)
        if taken is not None and act.kind in PROMISES and (unsaid or _same_work(act, taken, index, sentence)):
            taken.cite(line.position, sentence.raw)
            taken.due = taken.due or due_date(sentence.text, line.day)
            return taken
        draft = self._draft(line, sentence, act, listeners)
        if act.kind == "ask" and self._explains(act, draft):
            return None
        if unsaid:
            return resolve(self._conversation, draft, line, index, act, listeners)
        if act.kind == "promise" and taken is None and not _ALSO.search(sentence.text):
            answered = self._answered(draft, line)
            if answered is not None:
                return agree(answered, line, sentence)
        if act.kind != "record" and PRONOUN.search(act.phrase):
            complete(self._conversation, draft, line, index, act, listeners)
        if act.kind == "promise":
            self._cite_question(draft, line, listeners)
        return self._conversation.keep(draft)

    def _cite_question(self, draft: Draft, line: Line, listeners: tuple[int, ...]) -> None:
        """A promise in a reply also rests on what it replies to; its title says so where it says little itself."""
        answer = answer_of(line)
        if not listeners and (answer is None or answer[0] not in ("takes", "agrees")):
            return
        before = self._conversation.lines[-4:]
        others = [e for e in before if e.author in listeners or (not listeners and e.author != line.author)]
        answered = next((e for e in reversed(others) if e.about()), None)
        if answered is None or len(draft.evidence) > 1:
            return
        mention = answered.about()[0]
        draft.cite(mention.position, mention.quote)
        if len(content_words(draft.phrase)) <= 2:
            draft.phrase = f"{draft.phrase}: {mention.thing.text}"

    def _explains(self, act: Act, draft: Draft) -> bool:
        """Whether a request only tells who asked a question how something is done."""
        last = next((e for e in reversed(self._conversation.lines[-3:]) if e.author in draft.listeners), None)
        if last is None or not act.instructs:
            return False
        return any(_HOW_TO.search(sentence.text) for sentence in last.sentences)

    def _draft(self, line: Line, sentence: Sentence, act: Act, listeners: tuple[int, ...]) -> Draft:
        """A new draft by what the act itself says."""
        draft = Draft(act.kind, line.author, act.phrase, line.position, hedged=act.hedged)
        if act.kind in ("record", "assign"):
            draft.listeners = self._conversation.names.found(act.named or "")
            draft.owner = draft.listeners[0] if draft.listeners else None
        elif act.kind == "ask":
            draft.listeners, draft.guessed = self._conversation.asked(line, sentence, act, listeners)
            if len(draft.listeners) == 1 and (not draft.guessed or (self._conversation.are_two(line) and not act.bare)):
                draft.owner = draft.listeners[0]
            draft.asks_for_answer = first_word(act.phrase) in _WANTS_ANSWER
            draft.bare = act.bare
        elif act.kind in PROMISES:
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
        for pending in reversed(self._conversation.drafts[-20:]):
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


def _same_work(act: Act, taken: Draft, index: int, sentence: Sentence) -> bool:
    """Whether a promise in a reply only says again what the reply agreed to."""
    if content_words(act.phrase) & content_words(taken.phrase):
        return True
    short = len(content_words(act.phrase)) <= 2
    return short and index == 0 and act.kind == "promise" and not _ALSO.search(sentence.text)


def _note_deadline(line: Line, opened: list[Draft]) -> None:
    """A deadline in a sentence of its own belongs to the drafts of its message."""
    waiting = [draft for draft in opened if draft.due is None]
    for sentence in line.sentences if waiting else ():
        due = due_date(sentence.text, line.day)
        if due is not None and _SETS_DATE.search(sentence.text):
            for draft in waiting:
                draft.due = due
            return
