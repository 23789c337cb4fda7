"""Category, priority and tags by the words that were used."""

import re
from datetime import date

from models.values import Category, Priority


def _any(*words: str) -> re.Pattern[str]:
    """Any of the given lists of patterns, each list separated by commas."""
    listed = [word.strip() for part in words for word in part.split(",")]
    return re.compile(r"(?<!\w)(?:" + "|".join(listed) + r")(?!\w)", re.IGNORECASE)


_CRITICAL = _any(
    "critical(?:ly)?, p0, sev-?[01], outage, production (?:is )?down, prod (?:is )?down, data loss, emergency",
    "security (?:hole|breach|incident), drop everything, (?:site|everything) is down",
)
_HIGH = _any(
    "urgent(?:ly)?, asap, as soon as possible, immediately, right away, high priority, top priority, p1",
    "block(?:er|ers|ing|ed|s), important, today, tonight, eod, before (?:we|the) (?:release|ship|launch)",
    "dringend, urgente, терміново, срочно",
)
_LOW = _any(
    "no rush, no hurry, not urgent, low prio(?:rity)?, whenever, nice to have, minor, p3, at some point, eventually",
    "when (?:you|i) (?:have|get|find) (?:some |a )?(?:time|chance|minute|moment), not a priority",
)
_BUG = _any(
    "fix(?:es|ed|ing)?, bugs?, broken, crash(?:es|ed|ing)?, regressions?, hotfix, debug, ftbfs, leak(?:s|ing)?",
    "flaky, typos?",
)
_TROUBLE = _any(
    r"fail(?:s|ing|ed|ure)?, errors?, 5\d\d, 404, doesn't work, not working, breaks?",
    "crash(?:es|ed)?, wrong, broken, bug",
)
_QUESTION = _any(
    "find out, figure out, clarify, confirm, decide, ask, whether, investigate, look into",
    "verify (?:that|if|whether|with), check (?:if|with|whether)",
)
_FEATURE = _any("add, implement, build, create, introduce, support, develop, prototype, enable")
_IMPROVEMENT = _any(
    "improve, refactor, optimi[sz]e, speed up, simplify, clean ?up, cleanup, rework, rewrite, redesign, reduce, polish",
    "tidy, document, update, upgrade, migrate, extend, tune, bump",
)
_BY_TITLE: tuple[tuple[Category, re.Pattern[str]], ...] = (
    ("bug", _BUG),
    ("bug", _TROUBLE),
    ("question", _QUESTION),
    ("feature", _FEATURE),
    ("improvement", _IMPROVEMENT),
)
_VAGUE_TITLE = re.compile(r"(?:look|take care|check|handle)\b", re.IGNORECASE)
_TAGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("docs", _any("docs?, documentation, readme, wiki, changelog, runbook, guide")),
    ("tests", _any("tests?, testing, qa, coverage, flaky, verification")),
    ("ci", _any("ci, pipeline, builds?, github actions, jenkins")),
    ("release", _any("releases?, deploy(?:ment|s)?, rollout, rollback, hotfix, launch")),
    (
        "security",
        _any(
            "security, cve, vulnerabilit(?:y|ies), secrets?, credentials?, passwords?, api keys?, certs?",
            "certificates?, tls, ssl",
        ),
    ),
    ("database", _any("database, db, migrations?, postgres(?:ql)?, sql, schema, backups?")),
    ("frontend", _any("frontend, ui, css, button, page, browser, safari, mobile, layout")),
    ("api", _any("api, endpoints?, rest, graphql, webhooks?")),
    (
        "infra",
        _any("infra(?:structure)?, servers?, kubernetes, k8s, docker, terraform, dns, cron, monitoring, alerts?"),
    ),
    ("meeting", _any("meetings?, calls?, invite, agenda, standup, retro")),
    ("review", _any(r"review, pr, pull request, pr #?\d+")),
)
_HASHTAG = re.compile(r"(?<![\w#&/])#([a-z][a-z\-_]{2,30})\b", re.IGNORECASE)
_COMMANDS = frozenset({"action", "topic", "agreed", "link", "idea", "vote", "endvote", "startmeeting", "endmeeting"})


def category_of(title: str, evidence: str) -> Category:
    """The category by the title's words; a title that only says "look into" is judged by the evidence."""
    for category, words in _BY_TITLE:
        if words.search(title):
            return (
                "bug"
                if category == "question" and _VAGUE_TITLE.match(title) and _TROUBLE.search(evidence)
                else category
            )
    return "bug" if _VAGUE_TITLE.match(title) and _TROUBLE.search(evidence) else "chore"


def priority_of(evidence: str, due: date | None, today: date) -> Priority:
    """The priority by words of urgency, else high for what is due by tomorrow."""
    if _CRITICAL.search(evidence):
        return "critical"
    if _LOW.search(evidence):
        return "low"
    if _HIGH.search(evidence) or (due is not None and (due - today).days <= 1):
        return "high"
    return "medium"


def tags_of(title: str, evidence: str, project: str | None) -> tuple[str, ...]:
    """Up to five tags: hashtags that people wrote, topics of the title, and the project where it is spoken of."""
    found = [tag for tag in map(str.lower, _HASHTAG.findall(evidence)) if tag not in _COMMANDS]
    found += [tag for tag, pattern in _TAGS if pattern.search(title)]
    if project and project.casefold() in evidence.casefold():
        found.append("-".join(project.casefold().split()))
    return tuple(dict.fromkeys(found))[:5]
