"""Which rules a run is under: a digest of the code that reviews and decides.

A run goes on only under the rules that it began with. It can be read and audited under any.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from runner import __version__
from runner.errors import ConfigError
from runner.records import Run

HERE = Path(__file__).resolve().parent
RULES = ("decision.py", "experiment", "patterns.py", "policy", "rules")
"""The modules and packages that say what is allowed, and what is kept."""
SHORT = 12
"""Characters of a digest that are shown."""


def rules_digest(root: Path = HERE) -> str:
    """Return a digest of these modules' paths and bytes."""
    digest = hashlib.sha256()
    places = [path for name in RULES for path in (root / name, *(root / name).rglob("*.py"))]
    for path in sorted(path for path in places if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def require_same_rules(run: Run) -> None:
    """Raise `ConfigError` where a run began under other rules than this program's."""
    if run.rules_digest != (ours := rules_digest()):
        raise ConfigError(
            f"{run.tag} began under other rules: what reviews and decides ({', '.join(RULES)}) had"
            f" the digest {run.rules_digest[:SHORT]} in its runner {run.runner_version}, and has"
            f" {ours[:SHORT]} in this {__version__}",
            hint="go on with that build, or start a new run; this one can read and audit it",
        )
