"""The verbs of work, and how to get from a form that stands in a sentence to the imperative."""

from functools import lru_cache

from llm.offline.patterns import word_set

VERBS = word_set("""
    accept action activate adapt add address adjust agree align allow analyse analyze announce answer apply approve
    archive arrange ask assemble assess assign attach audit automate backport backup ban benchmark block book build
    bump bring bug buy call cancel capture change chair chase check choose clarify clean cleanup clear clone close
    collect comment commit compare compile complete compress configure confirm connect contact continue convert
    coordinate copy correct cover create cut debug decide declare define delete deliver demo deploy deprecate describe
    design detail determine develop diagnose dig disable discuss distribute do document double-check download draft
    drive drop dump edit email e-mail enable encrypt ensure escalate estimate evaluate examine expand explain explore
    export expose extend extract fetch figure file fill filter finalise finalize find finish fix flag follow forward
    forbid gather generate get give go grab grant handle help hide hire host identify implement import improve include
    increase inform init initialise initialize inspect install integrate introduce investigate invite isolate join
    keep kick kill label launch lead lift limit link list load localise localize lock log look lower lookup mail
    maintain make map mark measure meet mention merge message migrate mirror mock modify monitor move name negotiate
    nominate note notify obtain offer open optimise optimize order organise organize override own package park parse
    paste patch pay perform pick pin ping plan poke poll port post prepare present prevent print prioritise prioritize
    process produce profile promote propose prototype provide provision publish pull purge push put query queue raise
    rebase reboot rebuild recheck recompile record recover redeploy redesign redirect redo reduce refactor refresh
    register reindex reinstall relay release reload remind remove rename render renew reorganise reorganize repair
    replace reply report repro reproduce request rerun re-run research reserve reset reschedule resize resolve resend
    respond restart restore restrict resubmit retest retry return reuse revert review revise revisit revoke rework
    rewrite roll rotate run sanitise sanitize save scan schedule scope seed select send separate set setup share ship
    show sign simplify sketch skip solve sort speak specify speed split sponsor spin squash stage start stop store
    strip structure submit subscribe suggest summarise summarize supervise supply support swap switch sync tackle tag
    take talk target tell tear test throttle tidy tighten track train transcribe transfer translate triage trigger
    trim try tune turn tweak type unban unblock undo uninstall unify unlock unpin untangle update upgrade upload
    upstream use validate verify version vet visit vote walk warn watch whitelist wire work wrap write
    """)

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
