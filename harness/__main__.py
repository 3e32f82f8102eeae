"""`python -I /harness VERB ...`: start the harness from wherever it is mounted.

Isolated mode ignores the environment and the working directory, so the package finds itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def _make_importable() -> None:
    """Let `import harness` work, with the parent folder last so that it shadows nothing."""
    sys.path[:] = [entry for entry in sys.path if entry != str(HERE)]
    sys.path.append(str(HERE.parent))


if __name__ == "__main__":
    _make_importable()
    from harness.verbs import main

    sys.exit(main(sys.argv[1:]))
