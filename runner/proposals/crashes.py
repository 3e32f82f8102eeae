"""What an agent is told of a crash where a trainer holds another split's answers.

A traceback is printed by the agent's own code, which may print any other. So a name stands here
only if it is one of a few that are known, and a place only if it is one in the workspace.

What this does not protect against: the choice among those, some twenty bits in each crash.
"""

from __future__ import annotations

import builtins

from runner.records import Crash, Files

WORKSPACE = "/workspace/"
LIBRARIES = frozenset(
    (
        *("AxisError", "LinAlgError", "_ArrayMemoryError", "_UFuncNoLoopError"),
        *("EmptyDataError", "IntCastingNaNError", "MergeError", "ParserError"),
        *("InvalidParameterError", "NotFittedError", "LightGBMError", "XGBoostError"),
        *("BackendCompilerFailed", "OutOfMemoryError", "JSONDecodeError"),
    )
)
KNOWN = LIBRARIES | {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
OTHER = "an exception of another type"


def bare(crash: Crash, files: Files) -> Crash:
    """Return type, file and line without the message, each only if it cannot say anything else."""
    name = (crash.exception or "").rpartition(".")[2]
    exception = None if crash.exception is None else name if name in KNOWN else OTHER
    file = files.get((crash.file or "").removeprefix(WORKSPACE))
    if file is None or not 0 < (crash.line or 0) <= len(file.content.splitlines()):
        return Crash(exception=exception, file=None, line=None, message="")
    return Crash(exception=exception, file=crash.file, line=crash.line, message="")
