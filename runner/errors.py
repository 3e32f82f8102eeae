"""Expected failures: each has a message, a hint for the person, and an exit code of its own."""

from collections.abc import Iterable

FAULT = 70
"""The exit code of a fault in the runner itself (`EX_SOFTWARE`): no verb's own answer."""
INTERRUPTED = 130


class RunnerError(Exception):
    """An expected failure: shown as message and hint, never as a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def in_a_line(self) -> str:
        """The message with its hint, for a reader who gets one text."""
        return f"{self}; {self.hint}" if self.hint else str(self)


class ConfigError(RunnerError):
    """Something a person wrote is not valid: a policy, an option, a script."""

    exit_code = 2


class SandboxError(RunnerError):
    """The sandbox failed. Never raised because the experiment failed."""

    exit_code = 3


class JournalError(RunnerError):
    """The journal cannot be read or written, or does not agree with itself."""

    exit_code = 4


class BusyError(RunnerError):
    """Somebody else holds what this command needs."""

    exit_code = 5


class WorkspaceError(RunnerError):
    """Git refused, or the run's repository is not what the journal says."""

    exit_code = 6


class DataError(RunnerError):
    """A task's data is missing, damaged, or cannot be prepared."""

    exit_code = 7


class RunStoppedError(RunnerError):
    """The run cannot sensibly go on; what it did so far stays."""

    exit_code = 8


class ModelError(RunnerError):
    """The model's side failed: no answer, no credit, no permission. Never the agent's own fault."""

    exit_code = 9


class SpentError(RunnerError):
    """The next call to a model does not fit into what the run may spend."""

    exit_code = 10


class StoppedError(RunnerError):
    """The person asked to stop now; the experiment in progress runs again on resume."""

    exit_code = 130


def last_lines(output: str | Iterable[str], most: int = 12) -> str:
    """Return the end of what a program said, indented, for a message."""
    lines = output.strip().splitlines() if isinstance(output, str) else list(output)
    return "\n".join(f"  {line}" for line in lines[-most:])
