"""Text that a container or an agent wrote, made fit to stand in a prompt.

It is stripped of everything that a reader cannot see, and stands between two markers that it
cannot hold itself, so that a reader can always tell where it ends.

What this does not protect against: a model that obeys a sentence although it is marked as data,
and markers imitated in letters that only look alike.
"""

from __future__ import annotations

import re

from runner.characters import UNUSUAL, is_hidden, is_visible

MARKER = "untrusted"
SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles, links
    r"|\x1b[ -/]*[0-~]"
)
MARKUP = re.compile(r"[\\<\[`]")
FORGED = re.compile(rf"[<\uff1c\ufe64](?=[\s/]*{MARKER})", re.IGNORECASE)


def quoted(label: str, text: str) -> str:
    """Return a text between markers that name where it is from; its lines stay lines."""
    inside = FORGED.sub("&lt;", cleaned(text)).rstrip("\n")
    name = FORGED.sub("&lt;", one_line(label, 200)).replace('"', "'")
    return f'<{MARKER} from="{name}">\n{inside}\n</{MARKER}>'


def cleaned(text: str) -> str:
    """Return it without terminal sequences, control, direction and invisible characters."""
    visible = SEQUENCES.sub("", text.replace("\r\n", "\n"))
    return UNUSUAL.sub(lambda found: "" if is_hidden(found[0]) else found[0], visible)


def markdown(text: str) -> str:
    """Return a line with no picture, link, code or HTML in it for whoever shows it as Markdown."""
    return MARKUP.sub(r"\\\g<0>", text)


def one_line(text: str, most: int) -> str:
    """Return it as one line of at most `most` characters."""
    words = " ".join(cleaned(text[: 4 * most]).split())
    plain = words.isascii() and words.isprintable()
    line = words if plain else "".join(filter(is_visible, words))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def said(text: str, most: int) -> str:
    """Return somebody's words as one line in double quotes, which it holds nowhere else."""
    return f'"{one_line(text, most).replace(chr(34), chr(39))}"'
