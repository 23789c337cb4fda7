"""How to get from a form of a verb of work that stands in a sentence to the imperative."""

from functools import lru_cache

from analysis.verbs import VERBS
from llm.offline.patterns import word_set

IRREGULAR = {
    "brought": "bring", "built": "build", "bought": "buy", "chosen": "choose", "done": "do", "driven": "drive",
    "dug": "dig", "found": "find", "given": "give",
    "having": "have", "gotten": "get", "got": "get", "hidden": "hide", "kept": "keep",
    "led": "lead", "made": "make", "met": "meet", "paid": "pay", "put": "put", "redone": "redo", "rebuilt": "rebuild",
    "rewritten": "rewrite", "rerun": "rerun", "run": "run", "sent": "send", "set": "set", "shown": "show",
    "split": "split", "spoken": "speak", "cut": "cut", "taken": "take", "told": "tell", "torn": "tear",
    "undone": "undo", "wrapped": "wrap", "written": "write", "looked": "look",
}  # fmt: skip
"""Past participles that the rules of spelling don't give."""

GENERIC = word_set("do take handle get own tackle grab pick sort manage look check cover action drive")
"""Verbs that say who, not what: the deliverable stands elsewhere when nothing else follows them."""


@lru_cache(maxsize=1)
def _forms() -> dict[str, str]:
    """Every past participle and -ing form of VERBS, to its verb."""
    forms: dict[str, str] = {}
    for verb in sorted(VERBS):
        stems = [verb, verb + verb[-1]]
        if verb.endswith("e"):
            stems.append(verb[:-1])
        if verb.endswith("y"):
            forms.setdefault(verb[:-1] + "ied", verb)
        for stem in stems:
            forms.setdefault(stem + "ed", verb)
            forms.setdefault(stem + "ing", verb)
    forms.update(IRREGULAR)
    return forms


def is_verb(word: str) -> bool:
    """Whether `word` is the base form of a verb of work."""
    return word.lower() in VERBS


def base_of(word: str) -> str | None:
    """The imperative of a participle or an -ing form (`rewritten` → `rewrite`), None when it is neither."""
    return _forms().get(word.lower())
