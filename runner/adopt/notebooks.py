"""Notebooks become scripts, once: what was run in cells is then run from top to bottom."""

from __future__ import annotations

import warnings

from runner.errors import ConfigError

SUFFIX = ".ipynb"
SHOW = "display = print  # a notebook has it built in\n"


def script(name: str, content: bytes) -> bytes:
    """Return the code of a notebook's cells; magics and lines for a shell become comments.

    Raises:
        ConfigError: it is no notebook.
    """
    import jupytext  # type: ignore[import-untyped]  # here: it takes a quarter of a second

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older formats, which a person need not mend
            notebook = jupytext.reads(content.decode(), fmt="ipynb")
            text: str = jupytext.writes(notebook, fmt="py:light")
    except Exception as error:  # whatever its parsers raise, which is not documented
        raise ConfigError(f"{name} is no notebook: {' '.join(str(error).split())[:200]}") from error
    code = [line for line in text.splitlines() if not line.startswith("#")]
    uses_display = any("display(" in line for line in code)
    return (SHOW if uses_display else "").encode() + text.encode()
