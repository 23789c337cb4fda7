"""The documents say what the code does."""

from pathlib import Path

from db.transitions import diagram

DOCS = Path(__file__).parents[2] / "docs"


def test_the_state_diagram_is_the_transition_table() -> None:
    written = (DOCS / "architecture.md").read_text()
    shown = written.partition("<!-- transitions -->\n```mermaid\n")[2].partition("\n```")[0]
    assert shown == diagram()
