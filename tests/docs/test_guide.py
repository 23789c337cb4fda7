"""Every test that the guide names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_guide_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(\w+/test_\w+\.py)", (ROOT / "docs" / "guide.md").read_text()))
    assert len(named) >= 8
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).exists()] == []
