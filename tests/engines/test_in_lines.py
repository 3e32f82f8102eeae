"""Two streams of a container, told as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.engines.container import in_lines

LINES = st.lists(st.sampled_from([b"loss: 0.1234\n", b"\rstep 12", b"#\n", b"\n"]), max_size=12)


@given(LINES, LINES, st.data())
def test_neither_stream_cuts_a_line_of_the_other(first, second, data):
    left = {False: b"".join(first), True: b"".join(line.upper() for line in second)}
    whole = dict(left)
    parts = []
    while any(left.values()):
        stream = data.draw(st.sampled_from([name for name, rest in left.items() if rest]))
        size = data.draw(st.integers(1, len(left[stream])))
        parts.append((stream, left[stream][:size]))
        left[stream] = left[stream][size:]
    told = in_lines(parts)
    added = len(told) - sum(map(len, whole.values()))  # a line feed between two that have no end
    assert sorted(told) == sorted(b"".join(whole.values()) + b"\n" * added)
    assert added in (0, 1)
    for number in (b"0.12", b"loss: ", b"12"):
        assert told.count(number) == sum(rest.count(number) for rest in whole.values())
    for rest in whole.values():  # each in its own order
        lines = iter(told.replace(b"\r", b"\n").split(b"\n"))
        assert all(line in lines for line in rest.replace(b"\r", b"\n").split(b"\n") if line)


def test_lines_keep_the_order_in_which_they_came():
    parts = [(False, b"one\ntw"), (True, b"warning\n"), (False, b"o\n"), (True, b"\r10%"),
             (False, b"three"), (True, b"\r20%\n"), (False, b"\n")]  # fmt: skip
    assert in_lines(parts) == b"one\nwarning\ntwo\n\r10%\r20%\nthree\n"
