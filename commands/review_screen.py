"""How a review looks: one proposal with its evidence on one screen."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from commands.console import plain
from commands.reviewing import Candidate, Proposal, Review

KEYS = "a accept   e edit   d duplicate   x decline   s skip   u undo   m all messages   q quit"
REASONS = ("not_a_task", "already_done", "duplicate", "wrong_details", "other")
MESSAGES_SHOWN = 6
TEXT_SHOWN = 400


def proposal_screen(review: Review, shown: Proposal, *, whole: bool = False) -> RenderableType:
    """The proposal in turn. `whole` shows every message in full."""
    return Group(_head(review), _proposal(shown), _evidence(shown, whole=whole), _foot(review.note, KEYS))


def reasons_screen(review: Review, shown: Proposal) -> RenderableType:
    choices = "   ".join(f"{number} {reason.replace('_', ' ')}" for number, reason in enumerate(REASONS, 1))
    return Group(_head(review), _proposal(shown), _foot("Why is it declined?", f"{choices}   any other key: back"))


def candidates_screen(review: Review, shown: Proposal, candidates: Iterable[Candidate]) -> RenderableType:
    table = Table("", "kind", "title", box=None, padding=(0, 1))
    for number, candidate in enumerate(candidates, 1):
        table.add_row(str(number), candidate.kind, Text(plain(candidate.title)))
    note = "What is it a duplicate of?" if table.row_count else "Nothing to merge into was found."
    keys = "1–9 merge   / search tasks   any other key: back"
    return Group(_head(review), _proposal(shown), table, _foot(note, keys))


def end_screen(review: Review) -> RenderableType:
    """Nothing waits any more."""
    done = Text("Every proposal of this run is decided.", style="bold green")
    return Group(_head(review), Panel(done), _foot(review.note, "c close the run   u undo   q quit"))


def closing_lines(run: dict[str, Any]) -> list[str]:
    """The figures of a closed run."""
    figures = run["accuracy_metrics"]
    counts = "{proposals_total} proposals: {proposals_approved} approved, {proposals_rejected} rejected".format(
        **figures
    )
    lines = [f"Closed. {counts}, {figures['proposals_merged']} merged, {figures['edited_count']} edited."]
    if figures["approval_rate"] is not None:
        lines.append(
            f"Approval rate {figures['approval_rate']:.0%}, confidence {figures['avg_confidence']:.2f} on average."
        )
    if figures["reject_reasons"]:
        reasons = sorted(figures["reject_reasons"].items(), key=lambda item: -item[1])
        lines.append(
            "Declined as " + ", ".join(f"{reason.replace('_', ' ')} ({count})" for reason, count in reasons) + "."
        )
    if figures["cost_per_approved_task"] is not None:
        lines.append(f"Cost per approved task: {figures['cost_per_approved_task']} USD.")
    return lines


def _head(review: Review) -> Text:
    window = f"{review.run['time_window_start'][:16]} to {review.run['time_window_end'][:16]}"
    return Text(
        f"Run {review.run['id']}   {window}   {review.waiting} to decide, {review.decided} decided", style="dim"
    )


def _proposal(shown: Proposal) -> Panel:
    due = f"   due {shown['due_date']}" if shown["due_date"] else ""
    owner = shown["proposed_assignee"] or "nobody"
    facts = Text(
        f"{shown['proposed_category']}   {shown['proposed_priority']}   owner {plain(owner)}{due}", style="cyan"
    )
    body = [facts, Text(plain(shown["proposed_description"]))]
    if shown["proposed_tags"]:
        body.append(Text("tags: " + plain(", ".join(shown["proposed_tags"])), style="dim"))
    if shown["reasoning"]:
        body.append(Text(f"why: {plain(shown['reasoning'])}", style="dim"))
    if shown["llm_recommendation"] != "new_task":
        body.append(Text(f"suggested: {shown['llm_recommendation'].replace('_', ' ')}", style="yellow"))
    title = Text(plain(shown["proposed_title"]), style="bold")
    return Panel(Group(*body), title=title, title_align="left", subtitle=f"confidence {shown['confidence']:.2f}")


def _evidence(shown: Proposal, *, whole: bool) -> RenderableType:
    quotes: dict[str, list[str]] = {}
    for quote in shown["evidence"]:
        quotes.setdefault(quote["message_id"], []).append(quote["quote"])
    messages = shown["messages"] if whole else shown["messages"][:MESSAGES_SHOWN]
    lines = [_message(message, quotes.get(message["id"], []), whole=whole) for message in messages]
    left = len(shown["messages"]) - len(messages)
    if left:
        lines.append(Text(f"… and {left} more messages (m)", style="dim"))
    return Panel(Group(*lines), title="evidence", title_align="left", border_style="dim")


def _message(message: dict[str, Any], quotes: Iterable[str], *, whole: bool) -> Text:
    content = plain(message["content"])
    if not whole and len(content) > TEXT_SHOWN:
        content = content[:TEXT_SHOWN] + " …"
    line = Text(f"{message['sent_at'][:16].replace('T', ' ')} #{plain(message['channel'])} ", style="dim")
    line.append(plain(message["author"]), style="bold not dim")
    text = Text(f": {content}", style="not dim")
    for quote in quotes:
        text.highlight_words([plain(quote)], style="reverse")
    return line.append_text(text)


def _foot(note: str, keys: str) -> Text:
    return Text.assemble((plain(note), "yellow"), "\n", (keys, "dim"))
