"""Verb phrases: cut out of a sentence, judged, and turned into a title."""

import re

from llm.offline.deadlines import without_deadline
from llm.offline.patterns import pattern, word_set
from llm.offline.verbs import GENERIC, base_of, is_verb

LONGEST_TITLE = 120
"""Where a title is cut, at a word. The bound of the schema is 200."""

_LEADING = pattern(
    r"""
    ^(?:[\s,:;.\-–—]+|(?:please|pls|plz|kindly|maybe|perhaps|possibly|also|just|quickly|then|still|first|both|all|
    now|next|probably|definitely|certainly|actually|really|simply|instead|ideally|at least|again|once more|
    at some point|only|even|finally|personally|gladly|happily|indeed|be able to|try to|try and|attempt to|
    be sure to|make sure to|make sure you|make sure we|remember to|not forget to|go ahead and|have to|need to|
    want to|like to|love to|be trying to|be happy to|get around to|get to|start to|vote to|agree to|decide to|
    plan to|to)\b[\s,]*)+
    """
)
_LISTENER_LEAD = re.compile(r"^(?:@§\d+[\s,:]+)+")
# One piece at a time: in a repetition some texts could be taken apart in two to the power of their length ways.
_TRAILING = pattern(
    r"""
    (?:[\s,;:.!?…\-–—(]|(?:\bplease|\bpls|\bplz|\bthanks|\bthx|\bthank you|\bcheers|\bty|\btoo|\bas well|\bthough|
    \bok|\bokay|\bthen|\balso|\band|\bbut|\bor|\bso|\bfor me|\bright|\binstead|\bi think|\bi guess|\basap|
    \bas soon as possible|\burgently|\b(?:when|if|once|whenever) (?:you|u) (?:get|have|find|can|could|
    've got)(?: [\w']+){0,6}|\bif (?:possible|that's ok|you don't mind|you like|you want)|\bat some point|\bno rush|
    \bcc:?(?: @§\d+)+|[:;]-?[)(DPp]|\b[xX]D|\^\^|(?:\band |(?<=[,?!.] ))@§\d+|/s|\blol|\bhaha))$
    """
)
_TAIL = pattern(
    r"""
    (?:,? (?:because|cause|since|otherwise|so that|so we|so i|so you|so it|as i|as it|as we|but|which|and that|
    and i|and we|though|although|or else|if not|unless|given that|thanks|before it|before we|while)\b| [-–—] |
    [,;:] ?(?:it|it's|i|we|they|there|thanks)\b).*$
    """
)
_AFTER_PRONOUN = (
    r"(?=\s*(?:$|[,.;:!?)(]|(?:for|by|before|after|on|in|at|to|into|today|tomorrow|tonight|now|then|once|when|if|as|and|with|up|out|over|off|down|"
    r"first|asap|later|next|this|from|until|please|instead|too|again|sorted|soon|right|because|so|myself|done|fixed|merged|live|rolled|monday|tuesday|"
    r"wednesday|thursday|friday|end|eod|yet|actually|will|properly|or|but|yourself|quickly|sometime|somewhere|personally|happen|work|go|here|there)\b))"
)
PRONOUN = pattern(
    rf"""
    \b(?:it|them|these|those|this|that|this one|that one|one of them|both of them|all of (?:it|them|that)|
    the same){_AFTER_PRONOUN}|\b(?:the|that|this) (?:change|action|job|task|issue|bug|problem|thing|fix|rest|
    honou?rs|ticket|previous action|case|verification|matter|one|work|followup|follow-up)(?=\s*(?:$|[,.;:!?)]|
    (?:for|by|before|today|tomorrow|tonight|please|this|then|asap)\b))|\bthe previous (?:action|item|task)\b|
    ^previous action
    """
)
_WORD = re.compile(r"@§\d+|[^\W_][\w'\-./#+]*[\w#+]|[^\W_]")
_STOP = word_set("""
    a about above actual actually after again all already also always am an and another any anyone anything are
    around as asap at away back be because been before being below better both but by can can't cannot could day
    did do does doing don't done down each either else end eod even ever every few first for from further get
    getting give go going good got had has have having he her here hi him his how i i'd i'll i'm i've if in
    instead into is isn't it it's its just keep kind know later let let's like little long look looking lot lots
    make making many may maybe me mean might mine minute more most much must my myself need needed needs never
    new next no not nothing now of off ok okay on once one ones only or other our out over own please pls put
    quick quickly really right same see shall she should side since so some someone something soon sort still
    stuff such sure take taken taking than thank thanks that that's the their them then there these they thing
    things think this those though through till time to today tomorrow tonight too try two under until up us use
    used using very via want wants was way we we'll we're we've week weeks well were what what's when where
    whether which while who why will with without won't would yeah yes yet you you'd you'll you're your yours
    monday tuesday wednesday thursday friday saturday sunday morning afternoon evening month lunch hey hello
    guys bit have's change action job task issue bug problem fix rest work verification
""")
_PLAIN_STOP = _STOP - word_set("""
    change action job task issue bug problem fix work verification
""")


def trim_phrase(text: str) -> str:
    """A verb phrase without the politeness around it and without the reasons after it."""
    text = _LISTENER_LEAD.sub("", text.strip())
    text = _LEADING.sub("", text)
    text = _LISTENER_LEAD.sub("", text)
    short = _TAIL.sub("", text)
    text = short if len(words(short)) >= 2 else text
    for _ in range(3):
        shorter = without_deadline(_without_trailing(text))
        if shorter == text:
            break
        text = shorter
    return _balanced(_without_trailing(text).strip())


def _without_trailing(text: str) -> str:
    while True:
        shorter = _TRAILING.sub("", text)
        if shorter == text:
            return text
        text = shorter


def _balanced(text: str) -> str:
    """Without a bracket that the cutting left open."""
    if text.count("(") > text.count(")"):
        text = text[: text.rfind("(")].rstrip(" ,:-")
    return text


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def first_word(text: str) -> str:
    found = _WORD.search(text)
    return found[0].lower() if found else ""


def content_words(text: str, *, strict: bool = False) -> frozenset[str]:
    """The words that say what a phrase is about, lower case, plural and verb endings taken off. With `strict`, words
    such as "change" or "fix" alone don't count: they stand for something said before."""
    stop = _STOP if strict else _PLAIN_STOP
    found = (word for word in words(text) if not word.startswith("@") and word.lower() not in stop)
    return frozenset(_stem(word.lower()) for word in found if len(word) >= 3 or _is_short_name(word))


def _is_short_name(word: str) -> bool:
    """`CC`, `A1`, `7`: two letters that mean something."""
    return any(c.isdigit() for c in word) or (len(word) == 2 and word.isupper())


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    for ending in ("ication", "ying", "ied", "ies", "ing", "ion", "ed", "es", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def lacks_object(phrase: str) -> bool:
    """Whether the phrase names no deliverable of its own ("do it", "take a look", "fix that")."""
    rest = phrase.split(None, 1)
    if len(rest) < 2:
        return True
    if is_verb(rest[0]) or base_of(rest[0]):
        return not content_words(PRONOUN.sub(" ", rest[1]), strict=True) and "@" not in rest[1]
    return not content_words(PRONOUN.sub(" ", phrase), strict=True)


def is_generic(phrase: str) -> bool:
    """Whether the verb says only that somebody will do something."""
    first = first_word(phrase)
    return first in GENERIC or phrase.lower().startswith(
        ("have a look", "be on ", "keep an eye", "work on it", "work on that")
    )


def with_object(phrase: str, thing: str) -> str:
    """The phrase with its pronoun replaced by what it stands for, or with the object that it lacks."""
    if PRONOUN.search(phrase):
        return PRONOUN.sub(lambda _: thing, phrase, count=1)
    verb = phrase.split(None, 1)[0] if phrase else "handle"
    if verb.lower() in ("look", "have", "take"):
        return f"look into {thing}"
    return f"{phrase} {thing}"


_ARTICLES = word_set("The A An Our My This That Some Your These Those All")
_PERSONS = {"me": "{speaker}", "my": "{speaker}'s", "mine": "{speaker}'s", "myself": ""}
_PERSON = re.compile(r"\b(me|my|mine|myself)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(you|your)\b", re.IGNORECASE)


def lower_article(text: str) -> str:
    """A sentence's beginning as it reads inside another one: "The wiki" as "the wiki"."""
    head, _, rest = text.partition(" ")
    return f"{head.lower()} {rest}" if rest and head in _ARTICLES else text


def in_third_person(phrase: str, speaker: str, listener: str | None) -> str:
    """The phrase as somebody else would say it: "send me your list" → "send Ana Ben's list"."""

    def own(match: re.Match[str]) -> str:
        return _PERSONS[match[0].lower()].format(speaker=speaker)

    phrase = _PERSON.sub(own, phrase)
    if listener:
        phrase = _YOU.sub(lambda m: listener if m[0].lower() == "you" else f"{listener}'s", phrase)
    return " ".join(phrase.split())


def as_title(phrase: str) -> str:
    """The phrase as the title of a task: a capital, no full stop, cut at a word; empty when there is too little."""
    text = " ".join(phrase.split()).strip(" ,;:.!?-–—")
    if len(text) > LONGEST_TITLE:
        text = text[:LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(" ,;:(-–—") or text[:LONGEST_TITLE]
        text = _balanced(text)
    if text[:1].islower():
        text = text[0].upper() + text[1:]
    return text if len(text) >= 5 else ""
