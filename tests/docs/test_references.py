"""Every test that a document names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("defects.md", "operations.md")
_NAMED = re.compile(r"`(\w+)/(\w+)::(\w+)`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_tests_that_exist(document: str) -> None:
    named = _NAMED.findall((ROOT / "docs" / document).read_text())
    assert named
    assert [f"{folder}/{file}::{name}" for folder, file, name in named if not _exists(folder, file, name)] == []


def _exists(folder: str, file: str, name: str) -> bool:
    module = ROOT / "tests" / folder / f"test_{file}.py"
    return module.exists() and re.search(rf"def test_{name}\(", module.read_text()) is not None


def test_every_defect_has_a_row_and_each_row_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \|(.*)$", (ROOT / "docs" / "defects.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 30))
    assert [number for number, row in rows if not _NAMED.search(row)] == []
