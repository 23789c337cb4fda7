"""What the words of a title say: which say the same, which the opposite, and which name different things."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import snowballstemmer  # type: ignore[import-untyped]  # it ships no types
from rapidfuzz import fuzz

_stemmer = snowballstemmer.stemmer("english")

_WORD = re.compile(r"\w[\w.\-/+]*\w|\w")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_TOGETHER = (
    (re.compile(r"\bset up\b", re.IGNORECASE), "setup"),
    (re.compile(r"\b(?:turn|switch) on\b", re.IGNORECASE), "enable"),
    (re.compile(r"\b(?:turn|switch) off\b", re.IGNORECASE), "disable"),
    (re.compile(r"\bpull requests?\b", re.IGNORECASE), "pr"),
    (re.compile(r"['’]s\b"), ""),
)
_SMALL = frozenset(
    word
    for line in """
    a an the of in at to for from by and or is are be was were it its this that our we us my me your their his her as so
    into onto via about please again also up out if when how some any each do does did doing done get got have has had
    let make made so can could should will would need needs
    """.strip().splitlines()
    for word in line.split()
)
"""Words that make no task another one."""
_SHORT_FORMS = {
    short: long
    for long, shorts in {
        "accessibility": "a11y",
        "account": "acct",
        "administrator": "admin",
        "application": "app",
        "authentication": "auth",
        "configuration": "config",
        "connection": "conn",
        "database": "db",
        "development": "dev",
        "document": "doc docs documentation",
        "environment": "env envs",
        "image": "img imgs photo photos pic pics picture pictures",
        "information": "info",
        "infrastructure": "infra",
        "internationalization": "i18n internationalisation",
        "javascript": "js",
        "kubernetes": "k8s",
        "localization": "l10n localisation",
        "management": "mgmt",
        "marketing": "mktg",
        "meeting": "mtg",
        "message": "msg msgs",
        "password": "pw pwd",
        "performance": "perf",
        "production": "prod",
        "quantity": "qty",
        "repository": "repo repos",
        "specification": "spec specs",
        "statistics": "stats",
        "typescript": "ts",
        "variable": "var vars",
    }.items()
    for short in shorts.split()
}


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of an English word; other words mostly stay as they are."""
    low = word.lower()
    found: str = _stemmer.stemWord(_SHORT_FORMS.get(low, low))
    return found


def _stems(words: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words.split())


def _lines_of(lines: str) -> Mapping[str, frozenset[int]]:
    """In which of the lines each stem stands."""
    groups = [_stems(line) for line in lines.strip().splitlines()]
    stems = frozenset[str]().union(*groups)
    return {one: frozenset(at for at, group in enumerate(groups) if one in group) for one in stems}


_SYNONYMS = _lines_of(
    """
    book reserve
    rotate renew
    display show
    order buy purchase get procure
    fix repair resolve mend correct debug solve patch sort
    delete remove drop purge clean erase tidy
    find investigate look analyse analyze figure examine research
    check verify validate confirm ensure review
    split break divide
    speed faster quicker accelerate improve optimise optimize
    request ask
    extend raise increase
    update refresh bump upgrade modernise modernize
    arrange organise organize plan schedule setup
    write prepare draft create produce build add implement introduce setup
    start begin launch kick
    stop end
    replace swap exchange change
    move migrate transfer port
    send email mail forward deliver
    call phone ring
    tell inform notify announce
    hire recruit
    customer client
    mail email
    new replacement
    server box machine
    unused stale obsolete old outdated dead
    """
)
_OPPOSITES = frozenset(
    frozenset((stem(one), stem(other)))
    for line in """
    accept: reject decline
    activate: deactivate
    add: remove delete drop
    after: before
    allow: forbid block deny
    approve: reject decline
    archive: restore
    attach: detach
    block: unblock
    book: cancel
    buy: sell return
    collapse: expand
    connect: disconnect
    create: delete remove drop
    dark: light
    delete: restore keep
    demote: promote
    download: upload
    enable: disable
    exclude: include
    export: import
    extend: shorten
    external: internal
    first: last second third
    freeze: unfreeze
    give: revoke take
    grant: revoke
    hide: show
    hire: fire
    inbound: outbound
    include: without
    incoming: outgoing
    increase: decrease reduce
    install: uninstall
    invite: remove
    join: leave
    keep: move remove
    launch: cancel postpone
    lock: unlock
    longer: shorter
    lower: raise
    merge: revert split
    more: fewer less
    off: on
    open: close shut
    order: cancel return
    pause: resume
    private: public
    pull: push
    receive: send
    reduce: raise
    renew: cancel
    schedule: cancel
    second: third
    start: cancel stop
    stop: restart resume
    upgrade: downgrade
    with: without
    """.strip().splitlines()
    for one, others in [line.strip().split(": ")]
    for other in others.split()
)
_NOT = ("un", "dis", "in", "de", "ex", "en", "im", "mis", "non")
_CHOICES = _lines_of(
    """
    ios android web desktop
    macos windows linux
    production staging dev test
    monday tuesday wednesday thursday friday saturday sunday
    january february march april may june july august september october november december
    q1 q2 q3 q4
    english german french spanish italian ukrainian polish portuguese dutch japanese
    frontend backend
    chrome firefox safari edge
    north south east west
    mysql postgres postgresql mongodb redis
    aws gcp azure
    gitlab github bitbucket
    slack teams zoom
    morning afternoon evening
    small large medium
    customer supplier
    red green blue yellow black white
    """
)
_BROKEN = _stems(
    """
    broken break fail fails failing crash crashes wrong incorrect missing lost lose not no never bug error issue problem
    leak slow hang ignore bad invalid duplicate stuck freezes cannot
    """
)
_MENDS = _stems("fix repair resolve mend correct debug solve patch sort handle keep prevent stop avoid add")
_LIGHT = _stems(
    "on with issue problem bug error page thing stuff still properly correctly today soon quickly finally several"
)


class Word(NamedTuple):
    """A word as it stands, its stem, and whether it looks like a name."""

    text: str
    stem: str
    name: bool


@lru_cache(maxsize=4096)
def words(title: str) -> tuple[Word, ...]:
    """The words of a title that may tell it from another."""
    for pattern, instead in _TOGETHER:
        title = pattern.sub(instead, title)
    found = enumerate(_WORD.findall(title))
    return tuple(
        Word(text, stem(text), _looks_like_name(text, first=not at)) for at, text in found if text.lower() not in _SMALL
    )


@lru_cache(maxsize=4096)
def numbers(found: tuple[Word, ...]) -> frozenset[str]:
    """The numbers in the words, without what stands around them: 3rd is 3, v2.9.1 is 2.9.1."""
    return frozenset(
        number for word in found if word.text.lower() not in _SHORT_FORMS for number in _NUMBER.findall(word.text)
    )


@lru_cache(maxsize=65_536)
def same_word(one: Word, other: Word) -> bool:
    """The same stem, or the same word but for a slip of the pen; names are the same only letter by letter."""
    if one.stem == other.stem:
        return True
    first, second = one.text.lower(), other.text.lower()
    if (one.name and other.name) or _negated(first, second) or not (first + second).isascii():
        return False
    return min(len(first), len(second)) >= 5 and first[0] == second[0] and fuzz.ratio(first, second) >= 85


def synonyms(one: Word, other: Word) -> bool:
    return _in_one_line(one, other, _SYNONYMS)


def opposites(one: Word, other: Word) -> bool:
    return frozenset((one.stem, other.stem)) in _OPPOSITES or _negated(one.text.lower(), other.text.lower())


def alternatives(one: Word, other: Word) -> bool:
    """Two of a kind that exclude each other: two days, two platforms."""
    return one.stem != other.stem and _in_one_line(one, other, _CHOICES)


def _in_one_line(one: Word, other: Word, lines: Mapping[str, frozenset[int]]) -> bool:
    return not lines.get(one.stem, frozenset()).isdisjoint(lines.get(other.stem, ()))


def says_what_is_broken(found: Sequence[Word]) -> bool:
    return all(word.stem in _BROKEN for word in found)


def says_to_mend(found: Sequence[Word]) -> bool:
    return all(word.stem in _MENDS for word in found)


def is_light(word: Word) -> bool:
    return word.stem in _LIGHT


def _looks_like_name(text: str, *, first: bool) -> bool:
    shaped = not text.islower() and not text.istitle()
    return shaped or (text[0].isupper() and not first) or any(sign in text for sign in "./_+-")


def _negated(first: str, second: str) -> bool:
    """Whether one is the other with a prefix that turns it round, or the two differ only in such prefixes."""
    longer, shorter = sorted((first, second), key=len, reverse=True)
    if any(longer == prefix + shorter for prefix in _NOT):
        return True
    return {first[:2], second[:2]} in ({"en", "de"}, {"in", "ex"}) and first[2:] == second[2:]
