"""What an answer has to look like."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, eq=False)
class Form:
    """A JSON schema with a name and a description."""

    name: str
    description: str
    schema: Mapping[str, object]

    @cached_property
    def text(self) -> str:
        """The schema, which is a part of every request, in whichever output mode."""
        return json.dumps(self.schema)
