"""What "it" is: the thing or the action that an earlier sentence speaks of."""

import re
from dataclasses import dataclass
from typing import Literal

from llm.offline.acts import acts_of
from llm.offline.patterns import pattern, word_set
from llm.offline.phrases import (
    PRONOUN,
    content_words,
    first_word,
    is_generic,
    lacks_object,
    lower_article,
    trim_phrase,
    with_object,
)
from llm.offline.sentences import Sentence
from llm.offline.verbs import is_verb

_FINITE = (
    r"(?:is|are|was|were|isn't|aren't|wasn't|weren't|has|have|had|hasn't|haven't|does|doesn't|don't|do|did|didn't|can't|cannot|can|won't|will|would|should|must|needs?|"
    r"seems?|looks?|fails?|failed|crash(?:es|ed)|break[s]?|broke|times?|timed|returns?|shows?|showed|throws?|threw|keeps?|kept|stopped|stops|takes?|took|gets?|got|still|just|"
    r"went|goes|points?|expires?|expired|says|said|hangs?|leaks?|drops?|ate|flakes|flaked|lands?|costs?|loses?|lost|starts?|started|wants|asked|came|comes|freezes|froze|lists|never|always)"
)
_SUBJECT = pattern(
    rf"""
    ^(?P<subject>(?!(?:i|we|you|he|she|they|it|there|that|this|who|what|why|how|when|where|if|does|do|did|is|are|
    can|could|has|have|anyone|someone|somebody|nobody|no one|nothing|everyone|
    everybody)\b).{{2,90}}?)\s+(?P<rest>{_FINITE}\b.*)$
    """
)
_OBJECT = pattern(
    r"""
    ^(?:i|we|you|he|she|they|there|it|@§\d+)(?:'ve|'m|'re|'s|'d|\s+have|\s+has|\s+am|\s+are|\s+is|\s+was|\s+were|
    \s+do|\s+did|\s+got|\s+had)?(?:\s+(?:just|also|still|already|really|only|now|a|again|been))*\s+(?:(?:pushed|
    opened|made|wrote|found|created|noticed|noticing|seeing|see|saw|need|want|got|have|getting|hit|hitting|filed|
    reported|posted|sent|drafted|uploaded|put|updated|finished|started|missing|lost|added|a|an|the|some|looks like|
    asked for|asking for|asking about)\s+)(?P<object>(?:a |an |the |another |some |our |my |this |that )?.{3,100})$
    """
)
_LEAD = pattern(
    r"""
    ^(?:(?:hey|hi|hello|all|team|folks|everyone|so|and|but|also|well|ok|okay|oh|btw|fyi|heads up|heads-up|note|hmm+|
    then|yes|yeah|yep|no|sorry|unfortunately|thus|therefore|luckily|sadly|anyway|reminder|quick reminder|
    friendly reminder|psa|two things|apparently|it looks like|looks like|seems like|it seems(?: that| like)?|
    i think|i guess|i believe|i noticed(?: that)?|i see(?: that)?|the problem is(?: that)?|problem is|
    the issue is(?: that)?|because|that|right|actually|still|since|as|question|quick question|one more thing|
    good morning|morning|@§\d+)\b[\s,:!.\-–—]*)+
    """
)
_INFINITIVE = pattern(
    r"""
    \b(?:vote|agree|decide|agreed|decided|want|wanted|plan|time|supposed|meant|ready|easy|easy one|idea|need|needs|
    asked|like|have) to (?P<vp>\w+ .+)$
    """
)
_UNFINISHED = re.compile(r"\b(?:that|which|who|and|or|if|when)$", re.IGNORECASE)
_PERSONAL = pattern(
    r"""
    (?:(?:i|you|he|she|they)(?:'\w+)?|thanks?|thank you|congrats\w*|welcome|cheers|good|see|sorry|yes|no|bye|later|
    didn'?t|don'?t)\b
    """
)
_AGAINST = re.compile(r"[,.;:!?]?\s*(?:[:;]-?[()DPp/|]|:\w+:|\.\.\.?)\s*$")


@dataclass(frozen=True)
class Deliverable:
    """`text` is a verb phrase (`action`), a thing with what is said of it in brackets (`thing`) or a whole clause."""

    text: str
    form: Literal["action", "thing", "clause"]


def deliverable_of(sentence: Sentence) -> Deliverable | None:
    """What a sentence is about, None when it is small talk."""
    return _action(sentence) or _thing(sentence.text)


def _action(sentence: Sentence) -> Deliverable | None:
    for act in acts_of(sentence):
        if not lacks_object(act.phrase):
            return Deliverable(act.phrase, "action")
    match = _INFINITIVE.search(sentence.text)
    if match and is_verb(first_word(match["vp"])):
        phrase = trim_phrase(match["vp"])
        if phrase and not lacks_object(phrase):
            return Deliverable(phrase, "action")
    return None


def _thing(text: str) -> Deliverable | None:
    if text.startswith(("[", "#")):
        return None
    text = _AGAINST.sub("", _LEAD.sub("", text)).strip(" ,;:.!?-–—")
    if len(content_words(text)) < 2 and not re.search(r"[#/]\w|\w\d", text):
        return None
    match = _SUBJECT.match(text)
    if match and content_words(match["subject"]) and not _UNFINISHED.search(match["subject"]):
        return Deliverable(lower_article(match["subject"]) + _said(match["rest"]), "thing")
    match = _OBJECT.match(text)
    if match and content_words(match["object"]):
        return Deliverable(lower_article(_shorten(match["object"])), "thing")
    if _PERSONAL.match(text):
        return None
    return Deliverable(lower_article(_shorten(text)), "clause")


def _said(rest: str) -> str:
    """What is said of the thing, unless it is only that the thing exists or is ready."""
    if re.fullmatch(
        r"(?:is|are|was|were)(?: \w+)? (?:ready|up|here|there|open|out|done|available|waiting)(?: .*)?",
        rest,
        re.IGNORECASE,
    ):
        return ""
    return f" ({_shorten(rest)})"


def _shorten(text: str) -> str:
    found = text.split()
    short = " ".join(found[:14])
    return short.rstrip(" ,;:.!?(-")


def combined(phrase: str, found: Deliverable) -> str:
    """The verb phrase of a request or promise with the deliverable that it left unsaid."""
    verb = first_word(phrase)
    if _LOOK.match(phrase):
        phrase, verb = "look into it", "look"
    names_the_work = is_verb(verb) and not is_generic(phrase)
    if found.form == "action":
        return f"{verb}: {found.text}" if names_the_work and verb != first_word(found.text) else found.text
    vague = verb in _VAGUE or not is_verb(verb)
    if found.form == "clause":
        return f"{'take care of' if vague else PRONOUN.sub('', phrase).strip()}: {found.text}"
    return f"take care of {found.text}" if vague else with_object(phrase, found.text)


_LOOK = re.compile(r"(?:have|take) (?:a|another) (?:\w+ )?(?:look|stab|crack|go|peek)\b", re.IGNORECASE)
_VAGUE = word_set("do take handle own get grab tackle manage action pick be have")


def completed(phrase: str, found: Deliverable) -> str:
    """A phrase with content of its own whose "it" or "this" is made plain, where that stays readable."""
    if found.form == "thing":
        return with_object(phrase, found.text.split(" (", 1)[0])
    if len(content_words(phrase)) > 4 or len(found.text.split()) > 14:
        return phrase
    return f"{phrase}: {found.text}" if found.form == "clause" else f"{phrase} ({found.text})"
