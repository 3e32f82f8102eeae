"""How many lines a change adds, in time that no input can blow up."""

from __future__ import annotations

from collections import defaultdict


def added_lines(before: bytes, after: bytes) -> int:
    """Lines of `after` that are not in a longest common subsequence with `before`.

    Not difflib: its matcher is cubic at worst, and an agent chooses the input.
    This one keeps a bit per old line in one integer (Hyyrö 2004): old x new / word size.
    """
    old, new = before.split(b"\n"), after.split(b"\n")
    places: defaultdict[bytes, int] = defaultdict(int)
    for index, line in enumerate(old):
        places[line] |= 1 << index
    whole = (1 << len(old)) - 1
    row = whole
    for line in new:
        match = places.get(line, 0)
        if match:
            row = ((row + (row & match)) | (row & ~match)) & whole
    return len(new) - (len(old) - row.bit_count())
