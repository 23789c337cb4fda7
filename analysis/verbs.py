"""The verbs of work."""

_VERBS = """
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
"""

VERBS = frozenset(_VERBS.split())
"""Base forms, which imperatives have."""
