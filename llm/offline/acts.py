"""What a sentence does: who asks, promises, records or owes what."""

import re
from dataclasses import dataclass

from llm.offline.cues import ANY_CUE, CUES, HANDING_ON, YOU, ActKind
from llm.offline.names import MARK
from llm.offline.patterns import pattern
from llm.offline.phrases import PRONOUN, first_word, lacks_object, lower_article, trim_phrase, words
from llm.offline.sentences import Sentence
from llm.offline.verbs import base_of, is_verb
from llm.offline.work import is_work


@dataclass(frozen=True)
class Act:
    """One act of a sentence. `phrase` is the verb phrase, `before` what the sentence said ahead of the cue, `named` the
    person that the cue itself names (a mark), `hedged` whether "probably", "maybe" or "hope" stood in it."""

    kind: ActKind
    phrase: str
    before: str = ""
    named: str | None = None
    hedged: bool = False


_PASSIVE = pattern(
    r"""
    ^(?P<thing>.{2,160}?)\s+(?:(?:still|also|really|just|all)\s+)*(?:(?P<must>needs?|has|have|haver|must|ought|
    should|will\s+need|will\s+have)(?:\s+to)?(?:\s+(?:also|still|really|get))?\s+be(?:\s+(?:properly|also|
    fully))?\s+(?P<done>\w+)|needs?\s+(?:some\s+|a\s+bit\s+of\s+)?(?P<ing>\w+ing)|needs?\s+an?\s+(?P<noun>update|
    review|fix|refresh|test|rewrite|cleanup|reboot|restart|upgrade|check|release))\b(?P<rest>.*)$
    """
)
_THING_LEAD = pattern(
    r"""
    ^(?:(?:and|so|but|also|well|ok|okay|oh|btw|fyi|then|yes|yeah|anyway|apparently|it looks like|looks like|i think|
    i guess|i believe|because|that|hmm|hm|right|actually|still)\b[\s,:]*)+
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
    if|so|so that)\b(?:\s+\w+){0,1}\s*)$
    """
)
_OPEN_QUESTION = re.compile(r"\b(?:how|what|why|where|which|when)(?: \w+)?\s*$", re.IGNORECASE)
_REPORTED = pattern(
    r"""
    \b(?:said|says|told (?:me|us|him|her|them|@§\d+)|asked(?: me| us| him| her| them| @§\d+)?|wrote|thought|claims?|
    wonder(?:s|ed|ing)?|remember(?:ed)? when|according to)\b[^,;]*$
    """
)
_QUOTATION = re.compile(r"[\"“«„][^\"“”«»„]{12,}[\"”»“]")
_CONJOINED = pattern(
    r"""
    (?:,\s+and(?:\s+(?:also|then))?|\s+and\s+(?:also|then)|\s+and|,?\s+plus|\s+as well as|;|,\s*then|
    ,\s+also)\s+(?P<verb>[a-z][a-z\-]+)\s
    """
)
_LISTED_OWNER = re.compile(r"^(?P<named>[A-Z]\w+(?: [A-Z]\w+)?)(?:\s+to\s+|\s*[:–-]\s+)")
_LISTENER = pattern(
    rf"""
    ^(?:(?:hey|hi|hello|ok|okay|so|yes|and|also|oh|right|well|yo|dear|good morning|
    morning)[\s,]*)?(?P<named>{MARK}(?:(?:\s*,\s*|\s+and\s+|\s+){MARK})*)\s*[,:\-–—]*\s*
    """
)
_SOME_TEAM = pattern(
    r"""
    ^(?:from|in|on|with|at|of) (?:the |our |your )?[\w-]+(?: (?:team|side|guild|group|squad|people|folks|
    channel))?\s+(?:please |quickly |maybe |also )?
    """
)


def acts_of(sentence: Sentence) -> list[Act]:
    """The acts of one sentence in the order of its words."""
    text = sentence.text
    if len(text) < 4 or not (ANY_CUE.search(text) or sentence.listed):
        return []
    if _HYPOTHETICAL.search(text) and not _ASKS_ANYWAY.search(text):
        return []
    found = [act for act in _cued(text) if is_work(act.kind, act.phrase)]
    if not found:
        found = _passive(text) or _imperative(text, sentence.listed)
    return [part for act in found for part in _split(act)]


def _cued(text: str) -> list[Act]:
    spans: list[tuple[int, int, ActKind, re.Match[str]]] = []
    for kind, compiled in CUES:
        spans += [(match.start(), match.end(), kind, match) for match in compiled.finditer(text)]
    spans.sort(key=lambda span: (span[0], -span[1]))
    quoted = [match.span() for match in _QUOTATION.finditer(text)]
    kept: list[tuple[int, int, ActKind, re.Match[str]]] = []
    for span in spans:
        if any(a < span[0] < b for a, b in quoted) or (kept and span[0] < kept[-1][1]):
            continue
        if kept and _continues(text[kept[-1][1] : span[0]]):
            if span[3].re not in HANDING_ON or text[kept[-1][1] : span[0]].strip(" ,"):
                continue
            kept.pop()
        kept.append(span)
    acts = []
    for index, (start, end, kind, match) in enumerate(kept):
        stop = kept[index + 1][0] if index + 1 < len(kept) else len(text)
        act = _act(text, start, end, stop, kind, match)
        if act is not None:
            acts.append(act)
    return acts


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


def _act(text: str, start: int, end: int, stop: int, kind: ActKind, match: re.Match[str]) -> Act | None:
    before = text[:start]
    if kind in ("promise", "plan", "duty", "idea", "ask_any", "assign") and (
        _NEGATED.search(before) or _REPORTED.search(before)
    ):
        return None
    if kind == "ask" and _REPORTED.search(before):
        return None
    if kind in ("ask", "ask_any", "idea", "duty") and _OPEN_QUESTION.search(before):
        return None
    groups = match.groupdict()
    phrase = f"take on {groups['lead']}" if groups.get("lead") else trim_phrase(text[end:stop])
    if kind == "ask" and not phrase and before.strip():
        before, phrase = "", trim_phrase(before)
    if kind in ("ask", "promise") and not is_verb(first_word(phrase)):
        phrase = _from_gerund(phrase)
    if kind == "ask_any":
        phrase = _SOME_TEAM.sub("", phrase)
    question = text.rstrip(" .!)").endswith("?")
    if kind in ("promise", "plan") and question and stop == len(text):
        kind = "offer"
    if kind == "idea" and question and re.match(r"(?:can|could)\s+we", match[0], re.IGNORECASE):
        kind = "duty"
    return Act(kind, phrase, before.strip(" ,"), groups.get("named"), _HEDGE.search(text[start:stop]) is not None)


def _from_gerund(phrase: str) -> str:
    """ "taking a look" as "take a look"; anything else as it is."""
    head, _, rest = phrase.partition(" ")
    verb = base_of(head) if head.lower().endswith("ing") else None
    return f"{verb} {rest}".strip() if verb else phrase


def _passive(text: str) -> list[Act]:
    """ "The wiki has to be updated" as the duty "update the wiki"."""
    match = _PASSIVE.match(text)
    if (
        match is None
        or text.rstrip().endswith("?")
        or _REPORTED.search(text[: match.end("thing")])
        or re.search(r"\b(?:if|when|once|that|which|who|what|how|whatever)\b", match["thing"], re.IGNORECASE)
    ):
        return []
    verb = base_of(match["done"] or match["ing"] or "") or (match["noun"] or "").lower()
    thing = _THING_LEAD.sub("", match["thing"]).strip(" ,")
    thing = lower_article(re.sub(r"^(?:@§\d+[\s,:]+)+", "", thing))
    if not verb or verb == "give" or thing.lower() in ("i", "we", "you", "they", "he", "she", "there", ""):
        return []
    by = re.search(rf"\bby (?P<named>{MARK})", match["rest"])
    should = (match["must"] or "").lower() == "should"
    rest = re.sub(rf"\bby (?:{MARK}|someone|somebody)(?:\s+\w+){{0,2}}", "", match["rest"])
    phrase = trim_phrase(f"{verb} {thing}{rest}")
    return [Act("assign" if by else "idea" if should else "duty", phrase, "", by["named"] if by else None, should)]


def _imperative(text: str, listed: bool) -> list[Act]:
    """ "@Ana update the docs": somebody is addressed, and the sentence begins with a verb of work."""
    match = _LISTENER.match(text) or (_LISTED_OWNER.match(text) if listed else None)
    rest = text[match.end() :] if match else text
    rest = re.sub(r"^(?:(?:please|also|and|then|now|so|ok|next)[\s,]+)+", "", rest, flags=re.IGNORECASE)
    head = first_word(rest)
    if (
        not is_verb(head)
        or head in ("have", "let", "use", "see")
        or text.rstrip().endswith("?")
        or not is_work("ask", rest)
    ):
        return []
    phrase = trim_phrase(rest)
    if match and len(words(phrase)) >= 2:
        return [Act("ask", phrase, "", match["named"])]
    if listed and len(words(phrase)) >= 3:
        return [Act("idea", phrase)]
    return []


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
        parts.append(Act(act.kind, trim_phrase(tail), act.before, act.named, act.hedged))
        rest = head
    parts.append(Act(act.kind, trim_phrase(rest), act.before, act.named, act.hedged))
    return [part for part in parts[::-1] if is_work(part.kind, part.phrase)]
