"""What keeps a stack from running."""

from errors import GleanerError


class StackError(GleanerError):
    """The stack can't start or can't go on; `detail` says why and what to do.

    Codes: `port_taken`, `stack_running`, `part_failed`, `postgres_setup_failed`.
    """

    title = "Stack failed"
