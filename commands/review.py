"""`gleaner review`: decide on a run's proposals in the terminal, one key each."""

import sys

import click
import typer
from rich.console import Console, RenderableType

from commands import console, keyboard
from commands.api_session import api_session
from commands.keyboard import Keyboard
from commands.review_form import FormError, changes, form
from commands.review_screen import (
    REASONS,
    candidates_screen,
    closing_lines,
    end_screen,
    proposal_screen,
    reasons_screen,
)
from commands.reviewing import Candidate, Proposal, Review

_terminal = Console()


def review(run_id: str) -> None:
    """Review the proposals of a run: accept, edit, merge duplicates, decline with a reason, skip, undo, close."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        console.misused("gleaner review needs a terminal. Programs use the API: GET /api/v1/proposals.")
    with api_session() as api, Keyboard() as keys:
        _Session(Review.of(api, run_id), keys).go()


class _Session:
    """What the keys do, until one of them leaves."""

    def __init__(self, review: Review, keyboard: Keyboard) -> None:
        self._review = review
        self._keyboard = keyboard

    def go(self) -> None:
        going = True
        while going:
            shown = self._review.current()
            going = self._at_the_end() if shown is None else self._one(shown)

    def _one(self, shown: Proposal) -> bool:
        """Show a proposal and do what the key says; False to leave."""
        match self._key(proposal_screen(self._review, shown)):
            case "a":
                self._review.accept()
            case "e":
                self._edit(shown)
            case "d":
                self._merge(shown)
            case "x":
                self._decline(shown)
            case "s":
                self._review.skip()
            case "u":
                self._review.undo()
            case "m":
                self._key(proposal_screen(self._review, shown, whole=True))
            case "q" | keyboard.END:
                self._leave()
                return False
            case _:
                self._review.note = "That key means nothing here."
        return True

    def _at_the_end(self) -> bool:
        match self._key(end_screen(self._review)):
            case "c":
                closed = self._review.close()
                if closed is not None and closed["status"] == "closed":
                    _terminal.clear()
                    for line in closing_lines(closed):
                        console.say(line)
                    return False
            case "u":
                self._review.undo()
            case "q" | keyboard.END:
                self._leave()
                return False
            case _:
                self._review.note = "That key means nothing here."
        return True

    def _decline(self, shown: Proposal) -> None:
        key = self._key(reasons_screen(self._review, shown))
        if key.isascii() and key.isdecimal() and 1 <= int(key) <= len(REASONS):
            self._review.decline(REASONS[int(key) - 1])
        else:
            self._review.note = "Not declined."

    def _merge(self, shown: Proposal) -> None:
        candidates = self._review.candidates()[:9]
        key = self._key(candidates_screen(self._review, shown, candidates))
        if key == "/":
            with self._keyboard.lines():
                words = typer.prompt("Words of the task", default="", show_default=False)
            candidates = self._review.candidates(words)
            key = self._key(candidates_screen(self._review, shown, candidates))
        self._merge_into(candidates, key)

    def _merge_into(self, candidates: list[Candidate], key: str) -> None:
        if key.isascii() and key.isdecimal() and 1 <= int(key) <= len(candidates):
            self._review.merge(candidates[int(key) - 1])
        else:
            self._review.note = "Not merged."

    def _edit(self, shown: Proposal) -> None:
        with self._keyboard.lines():
            text = click.edit(form(shown), extension=".txt")
        if text is None:
            self._review.note = "Nothing was changed."
            return
        try:
            self._review.edit(changes(shown, text))
        except FormError as error:
            self._review.note = f"Not edited: {error}"

    def _leave(self) -> None:
        _terminal.clear()
        console.say(f"{self._review.decided} decided, {self._review.waiting} still wait.")

    def _key(self, screen: RenderableType) -> str:
        """Show the screen and wait for a key."""
        _terminal.clear()
        _terminal.print(screen)
        return self._keyboard.key()
