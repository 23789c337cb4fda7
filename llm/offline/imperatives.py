"""Work that no cue hands to anybody: "the wiki has to be updated", "Update the wiki"."""

import re

from llm.offline.cues import Act, ActKind
from llm.offline.names import MARK
from llm.offline.patterns import pattern
from llm.offline.phrases import first_word, lower_article, trim_phrase, words
from llm.offline.verbs import base_of, is_verb
from llm.offline.work import is_work

_PASSIVE = pattern(
    r"""
    ^(?P<thing>.{2,160}?)\s+(?:(?:still|also|really|just|all)\s+)*(?:(?P<must>needs?|has|have|haver|must|ought|
    should|will\s+need|will\s+have)(?:\s+to)?(?:\s+(?:also|still|really|get))?\s+be(?:\s+(?:properly|also|
    fully))?\s+(?P<done>\w+)|needs?\s+(?:some\s+|a\s+bit\s+of\s+)?(?P<ing>\w+ing)|needs?\s+an?\s+(?P<noun>update|
    review|fix|refresh|test|rewrite|cleanup|reboot|restart|upgrade|check|release|
    owner|look|reply|answer|decision|second pair of eyes)|(?:has|have|needs?|must|ought|(?P<wish>
    should))(?:\s+to)?\s+(?P<goes>go|ship|land|stay|happen|arrive|match|fit|work|appear|disappear|leave|come|carry|show|return|include|contain|use|
    support|accept|say|refresh|respect|allow|survive))\b(?P<rest>.*)$
    """
)
_FOR_NOUN = {
    "owner": "take over",
    "look": "look at",
    "reply": "reply to",
    "decision": "decide on",
    "second pair of eyes": "review",
}
_THING_LEAD = pattern(
    r"""
    ^(?:(?:and|so|but|also|well|ok|okay|oh|btw|fyi|then|yes|yeah|anyway|apparently|it looks like|looks like|i think|
    i guess|i believe|because|that|hmm|hm|right|actually|still)\b[\s,:]*)+
    """
)
_ASIDE = re.compile(r"^.*\b(?:you|i|we|they|it)\b[^,]*,\s+", re.IGNORECASE)
_UNNAMED_NEED = re.compile(r"^(?:(?:and|so|but|also|still|really)\s+)*needs\s", re.IGNORECASE)
_LISTED_OWNER = re.compile(r"^(?P<named>[A-Z]\w+(?: [A-Z]\w+)?)(?:\s+to\s+|\s*[:–-]\s+)")
_LISTENER = pattern(
    rf"""
    ^(?:(?:hey|hi|hello|ok|okay|so|yes|and|also|oh|right|well|yo|dear|good morning|
    morning)[\s,]*)?(?P<named>{MARK}(?:(?:\s*,\s*|\s+and\s+|\s+){MARK})*)\s*[,:\-–—]*\s*
    """
)
_BEFORE_IMPERATIVE = re.compile(r"^(?:(?:please|also|and|then|now|so|ok|next|just)[\s,]+)+", re.IGNORECASE)
_HAS_OBJECT = pattern(
    r"""
    ^\w+\s+(?:the|an?|this|that|these|those|it|them|your|our|my|his|her|all|both|each|every|any|some|one|two|@§\d+|out|
    up|in|off|on|over|to|with|for|me|us|if|whether|again|down|back|new|old)\b(?!\s+(?:is|are|was|were|has|looks)\b)
    """
)
REPORTED = pattern(
    r"""
    \b(?:said|says|told (?:me|us|him|her|them|@§\d+)|asked(?: me| us| him| her| them| @§\d+)?|wrote|thought|claims?|
    wonder(?:s|ed|ing)?|remember(?:ed)? when|according to)\b[^,;]*$
    """
)
"""What leads into the words of somebody else."""


def passive(text: str) -> list[Act]:
    """ "The wiki has to be updated" as the duty "update the wiki"."""
    match = _PASSIVE.match(_UNNAMED_NEED.sub("it needs ", text))
    if (
        match is None
        or text.rstrip().endswith("?")
        or REPORTED.search(text[: match.end("thing")])
        or re.search(
            r"\b(?:if|when|once|that|which|who|what|how|whatever)\b", _ASIDE.sub("", match["thing"]), re.IGNORECASE
        )
    ):
        return []
    verb = _passive_verb(match)
    thing = _THING_LEAD.sub("", _ASIDE.sub("", match["thing"])).strip(" ,")
    thing = lower_article(re.sub(r"^(?:@§\d+[\s,:]+)+", "", thing))
    if not verb or verb == "give" or thing.lower() in ("i", "we", "you", "they", "he", "she", "there", ""):
        return []
    by = re.search(rf"\bby (?P<named>{MARK})", match["rest"])
    should = (match["must"] or match["wish"] or "").lower() == "should"
    rest = re.sub(rf"\bby (?:{MARK}|someone|somebody)(?:\s+\w+){{0,2}}", "", match["rest"])
    phrase = trim_phrase(" ".join(f"{verb} {thing} {match['goes'] or ''}{rest}".split()))
    kind: ActKind = "assign" if by else "idea" if should and not match["wish"] else "duty"
    return [Act(kind, phrase, "", by["named"] if by else None, should)]


def _passive_verb(match: re.Match[str]) -> str:
    """The imperative for "has to be updated", "needs updating", "needs an owner" or "has to go out"."""
    if match["goes"]:
        return "make"
    noun = (match["noun"] or "").lower()
    return base_of(match["done"] or match["ing"] or "") or _FOR_NOUN.get(noun, noun)


def imperative(text: str, listed: bool) -> list[Act]:
    """ "@Ana update the docs" and "Update the docs": the sentence begins with a verb of work and has an object."""
    match = _LISTENER.match(text) or (_LISTED_OWNER.match(text) if listed else None)
    rest = text[match.end() :] if match else text
    rest = _BEFORE_IMPERATIVE.sub("", rest)
    head = first_word(rest)
    if not is_verb(head) or head in ("have", "let", "use", "see") or text.rstrip().endswith("?"):
        return []
    phrase = trim_phrase(rest)
    if not is_work("ask", rest) or len(words(phrase)) < 2:
        return []
    if match:
        return [Act("ask", phrase, named=match["named"], instructs=True)]
    if listed and len(words(phrase)) >= 3:
        return [Act("idea", phrase)]
    return [Act("ask", phrase, instructs=True, bare=True)] if _HAS_OBJECT.match(rest) else []
