"""What a sentence does: who asks, promises, records or owes what."""

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

from llm.offline.abroad import INFINITIVE
from llm.offline.cues import ANY_CUE, DIRECT, HANDING_ON, YOU, Act, ActKind
from llm.offline.imperatives import REPORTED, imperative, passive
from llm.offline.indirect import INDIRECT
from llm.offline.names import MARK
from llm.offline.patterns import pattern
from llm.offline.phrases import PRONOUN, first_word, lacks_object, lower_article, trim_phrase, words
from llm.offline.sentences import Sentence
from llm.offline.verbs import base_of, is_verb
from llm.offline.work import is_work

_BARE_REQUEST = pattern(
    rf"""
    ^(?:(?:{MARK}|so|and|then|ok|please|hey|honestly)[\s,]*)*(?:can|could|would|will)\s+(?:you|u)(?:\s+(?:please|maybe))?
    (?:,?\s+{MARK})?\s*\?+$
    """
)
_HEDGE = pattern(
    r"""
    \b(?:probably|maybe|perhaps|possibly|might|i hope|hoping|try to|i want to|i'd like to|at some point|i should|
    eventually|ideally)\b
    """
)
_HYPOTHETICAL = pattern(
    r"""
    \b(?:would(?:n't it)? be (?:nice|cool|great|neat|fun|awesome|lovely|good|sweet|interesting)|it'd be (?:nice|
    cool|great)|nice to have|some ?day|one day|in theory|theoretically|hypothetically|i wish|if only|
    in an ideal world|in a perfect world|if (?:we|i|they|it|someone|anyone|somebody|that|this|there) (?:ever|were|
    was|had|did|wanted|could|would)|if we ever|if i ever|dream(?:ing)? of|imagine if|what if|in the (?:distant|
    far) future|one of these (?:days|years)|when (?:pigs|hell)|could've|should've|would've|(?:could|should|
    would) have \w+(?:ed|en|ne)\b|was going to|were going to|wanted to|used to|was supposed to|were supposed to|
    if i were|if i was|if we had|would love to|i'd love to|wäre schön|estaría bien|було б (?:добре|непогано)|
    было бы (?:хорошо|неплохо)|колись|когда-нибудь)\b
    """
)
_ASKS_ANYWAY = re.compile(
    rf"\b(?:great|nice|good|helpful|awesome|lovely|appreciate it|grateful) if {YOU}\b", re.IGNORECASE
)
_NEGATED = pattern(
    r"""
    (?:\b(?:don't|doesn't|do not|does not|didn't|did not|won't|will not|wouldn't|would not|can't|cannot|couldn't|
    not|never|no longer|isn't|no need|nobody|no one|hardly|without|why|unless|whether|until|when|once|after|before|
    if|so|so that)\b(?:\s+\w+){0,1}\s*|,\s+or\s+)$
    """
)
_OPEN_QUESTION = re.compile(r"\b(?:how|what|why|where|which|when)(?: \w+)?\s*$|\bknows?\s*$", re.IGNORECASE)
_QUOTATION = re.compile(r"[\"“«„][^\"“”«»„]{12,}[\"”»“]")
_CONJOINED = pattern(
    r"""
    (?:,\s+and(?:\s+(?:also|then))?|\s+and\s+(?:also|then)|\s+and|,?\s+plus|\s+as well as|;|,\s*then|
    ,\s+also)\s+(?P<verb>[a-z][a-z\-]+)\s
    """
)
_CYRILLIC = re.compile("[А-Яа-яІіЇїЄєЁё]")
_POINTING = re.compile(r"(?:this|that)(?: one)?|it|here", re.IGNORECASE)
_SOME_TEAM = pattern(
    r"""
    ^(?:from|in|on|with|at|of) (?:the |our |your )?[\w-]+(?: (?:team|side|guild|group|squad|people|folks|
    channel))?\s+(?:please |quickly |maybe |also )?
    """
)


@dataclass(frozen=True)
class _Cue:
    """A compiled cue. `verb` goes in front of a thing; `takes_thing` says that the cue itself caught the thing."""

    kind: ActKind
    pattern: re.Pattern[str]
    verb: str = ""
    hands_on: bool = False

    @cached_property
    def names_somebody(self) -> bool:
        """Whether the cue can't stand in a sentence without a name."""
        return "named" in self.pattern.groupindex and self.kind == "assign" and r"\w-" not in self.pattern.pattern

    @cached_property
    def is_cyrillic(self) -> bool:
        """Whether the cue holds no Latin words."""
        return re.search("[a-z]{3}", self.pattern.pattern) is None

    @property
    def takes_thing(self) -> bool:
        return bool(self.verb) and "lead" in self.pattern.groupindex


class _Hit(NamedTuple):
    """A cue found in a sentence."""

    start: int
    end: int
    order: int
    cue: _Cue
    match: re.Match[str]


_CUES = (
    *(
        _Cue(kind, pattern(text), "take on" if "<lead>" in text else "", number in HANDING_ON)
        for number, (kind, text) in enumerate(DIRECT)
    ),
    *(_Cue(kind, pattern(text), verb) for kind, verb, text in INDIRECT),
)


@lru_cache(maxsize=2048)  # a sentence is asked for when it is read and whenever "it" may stand for it
def acts_of(sentence: Sentence) -> tuple[Act, ...]:
    """The acts of one sentence in the order of its words."""
    text = sentence.text
    if _BARE_REQUEST.match(text):
        return (Act("ask", "do it", text),)
    if len(text) < 4 or not (ANY_CUE.search(text) or sentence.listed):
        return ()
    if is_hypothetical(text):
        return ()
    found = [act for act in _cued(text) if is_work(act.kind, act.phrase)]
    if not found:
        found = passive(text) or imperative(text, sentence.listed)
    return tuple(part for act in found for part in _split(act))


def is_hypothetical(text: str) -> bool:
    """Whether the sentence speaks of what might be or might have been."""
    return _HYPOTHETICAL.search(text) is not None and not _ASKS_ANYWAY.search(text)


def is_quoting(text: str) -> bool:
    """Whether the sentence repeats what somebody else said."""
    return _QUOTATION.search(text) is not None


def _cued(text: str) -> list[Act]:
    quoted = [match.span() for match in _QUOTATION.finditer(text)]
    kept: list[_Hit] = []
    for hit in _hits(text):
        if any(a < hit.start < b for a, b in quoted) or (kept and hit.start < kept[-1].end):
            continue
        if kept and _continues(text[kept[-1].end : hit.start]):
            if not hit.cue.hands_on or text[kept[-1].end : hit.start].strip(" ,"):
                continue
            kept.pop()
        kept.append(hit)
    stops = [hit.start for hit in kept[1:]] + [len(text)]
    acts = (_act(text, hit, stop) for hit, stop in zip(kept, stops, strict=False))
    return [act for act in acts if act is not None]


def _hits(text: str) -> list[_Hit]:
    """Where cues stand, in the order of the text; where several start together, direct and long ones first."""
    named, latin = "@§" in text, not _CYRILLIC.search(text)
    hits = [
        _Hit(match.start(), match.end(), order, cue, match)
        for order, cue in enumerate(_CUES)
        if (named or not cue.names_somebody) and not (latin and cue.is_cyrillic)
        for match in cue.pattern.finditer(text)
    ]
    return sorted(hits, key=lambda hit: (hit.start, hit.order >= len(DIRECT), -hit.end))


def _continues(between: str) -> bool:
    """Whether the next cue belongs to the phrase that has begun ("can you make sure that we …")."""
    if not between.strip(" ,"):
        return True
    return bool(
        re.search(
            r"\b(?:if|whether|that|what|how|which|who|where|when|why|so|until|once|in case|because|as)\s*$",
            between.rstrip(),
            re.IGNORECASE,
        )
    )


def _act(text: str, hit: _Hit, stop: int) -> Act | None:
    """The act of one cue, whose phrase ends at `stop`; None where the words before it turn it round."""
    kind, before, groups = hit.cue.kind, text[: hit.start], hit.match.groupdict()
    if REPORTED.search(before) or (kind not in ("record", "ask") and _NEGATED.search(before)):
        return None
    if kind in ("ask", "ask_any", "idea", "duty") and _OPEN_QUESTION.search(before):
        return None
    phrase = trim_phrase(groups.get("lead") or text[hit.end : stop])
    after = trim_phrase(text[hit.end : stop])
    if groups.get("lead") and is_verb(first_word(after)) and _POINTING.fullmatch(phrase):
        phrase = after
    if kind == "ask" and not phrase and before.strip():
        before, phrase = "", trim_phrase(before)
    if kind == "ask_any":
        phrase = _SOME_TEAM.sub("", phrase)
    phrase = _as_work(phrase, hit.cue)
    question = text.rstrip(" .!)").endswith("?")
    if kind in ("promise", "plan") and question and stop == len(text):
        kind = "offer"
    if kind == "idea" and question and re.match(r"(?:can|could)\s+we", hit.match[0], re.IGNORECASE):
        kind = "duty"
    hedged = _HEDGE.search(text[hit.start : stop]) is not None
    instructs = kind == "ask" and not question
    return Act(kind, phrase, before.strip(" ,"), groups.get("named"), hedged, instructs)


def _as_work(phrase: str, cue: _Cue) -> str:
    """The phrase with a verb in front: its own as an imperative, or the cue's where it is a thing."""
    if is_verb(first_word(phrase)) and not cue.takes_thing:
        return phrase
    plain = phrase if cue.takes_thing else _imperative_of(phrase)
    if cue.verb and (cue.takes_thing or not is_verb(first_word(plain))):
        return f"{cue.verb} {lower_article(plain)}"
    return plain


def _imperative_of(phrase: str) -> str:
    """ "taking a look" and "takes a look" as "take a look"; anything else as it is."""
    head, _, rest = phrase.partition(" ")
    if head.lower() in INFINITIVE:
        return f"{INFINITIVE[head.lower()]} {rest}".strip()
    verb = (
        base_of(head)
        if head.lower().endswith("ing")
        else next(
            (
                stem
                for stem in (head.removesuffix("s"), head.removesuffix("es"), head.removesuffix("ies") + "y")
                if is_verb(stem)
            ),
            None,
        )
    )
    return f"{verb} {rest}".strip() if verb else phrase


def _split(act: Act) -> list[Act]:
    """ "update the docs and also send me the list" as two acts: each part has a verb and an object of its own."""
    parts = []
    rest = act.phrase
    for match in list(_CONJOINED.finditer(act.phrase))[::-1]:
        tail = act.phrase[match.start("verb") : len(rest)]
        head = act.phrase[: match.start()]
        if (
            not is_verb(match["verb"])
            or lacks_object(tail)
            or lacks_object(head)
            or PRONOUN.search(tail)
            or len(words(tail)) < 3
            or len(words(head)) < 3
        ):
            continue
        if act.kind == "promise" and act.hedged:
            continue
        parts.append(replace(act, phrase=trim_phrase(tail)))
        rest = head
    parts.append(replace(act, phrase=trim_phrase(rest)))
    return [part for part in parts[::-1] if is_work(part.kind, part.phrase)]
