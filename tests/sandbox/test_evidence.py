from __future__ import annotations

import pytest

from runner.records import Crash
from runner.sandbox import evidence

TRACEBACK = b"""\
epoch 1
Traceback (most recent call last):
  File "/workspace/train.py", line 9, in <module>
    main()
  File "/workspace/train.py", line 5, in main
    raise ValueError("no such width")
ValueError: no such width
"""


# -- crashes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            TRACEBACK, ("ValueError", "/workspace/train.py", 5, "no such width"), id="usual"
        ),
        pytest.param(
            TRACEBACK.replace(b"/workspace/", b"/cache/project/"),
            ("ValueError", "/workspace/train.py", 5, "no such width"),
            id="in a sealed project's copy",
        ),
        pytest.param(b"", (None, None, None, ""), id="silence"),
        pytest.param(b"killed\n\n", (None, None, None, "killed"), id="no traceback"),
        pytest.param(b"sorry\n#curve loss 1 2\n", (None, None, None, "sorry"), id="not a curve"),
        pytest.param(b"\xff\xfe", (None, None, None, "\\ufffd\\ufffd"), id="not UTF-8"),
        pytest.param(
            TRACEBACK + b"\nDuring handling of the above exception, another exception occurred:\n\n"
            + TRACEBACK.replace(b"ValueError", b"torch.cuda.OutOfMemoryError"),
            ("torch.cuda.OutOfMemoryError", "/workspace/train.py", 5, "no such width"),
            id="the last of a chain",
        ),
        pytest.param(
            b"Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyboardInterrupt\n",
            ("KeyboardInterrupt", "a.py", 1, ""),
            id="an exception without a message",
        ),
        pytest.param(
            TRACEBACK.replace(
                b"ValueError:", b'  File "/usr/lib/x.py", line 7, in f\n    raise\nValueError:'
            ),
            ("ValueError", "/workspace/train.py", 5, "no such width"),
            id="raised in a library, called in the workspace",
        ),
        pytest.param(b"Traceback (most recent call last):", (None, None, None, ""), id="cut off"),
    ],
)  # fmt: skip
def test_a_crash_is_read_from_the_last_traceback(output, expected):
    exception, file, line, message = expected
    assert evidence.crash(output) == Crash(
        exception=exception, file=file, line=line, message=message
    )


HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "\r\x08\x7f\x00",
    "\u202e\u2066evil",
    "\ud83d\ude00" * 1000,
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", [b"ValueError:", b"/workspace/train.py", b"no such", TRACEBACK])
def test_nothing_from_inside_reaches_a_terminal_raw_or_long(text, place):
    raw = text.encode("utf-8", errors="surrogatepass")
    found = evidence.crash(TRACEBACK.replace(place, raw))
    for said in (found.exception, found.file, found.message):
        assert said is None or (said.isascii() and said.isprintable() and len(said) <= 500)


def test_the_name_of_an_exception_is_escaped_too():
    found = evidence.crash(TRACEBACK.replace(b"ValueError:", "F\u0435hler:".encode()))
    assert found.exception == "F\\u0435hler"


def test_only_the_end_of_the_output_is_looked_at():
    padding = b"x" * (evidence.TAIL_BYTES + 1)
    assert evidence.crash(TRACEBACK + padding).exception is None
    assert evidence.crash(padding + TRACEBACK).exception == "ValueError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\x1b[31m", "\\x1b[31m"),
        ("caf\u00e9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 497 + "..."),
    ],
)
def test_escaped(text, shown):
    assert evidence.escaped(text) == shown


@pytest.mark.parametrize(
    ("output", "limit"),
    [
        (b"OSError: [Errno 28] No space left on device", "disk"),
        (b"OSError: [Errno 27] File too large", "file-size"),
        (b"RuntimeError: can't start new thread", "processes"),
        (b"fork: Resource temporarily unavailable", "processes"),
        (b"ValueError: no", None),
        (b"[Errno 28]" + b"x" * 3000, None),
    ],
)
def test_the_last_words_may_name_a_limit(output, limit):
    assert evidence.limit_signs(output) == limit


# -- curves -----------------------------------------------------------------------------------


def lines(*each: str) -> bytes:
    return "".join(f"{line}\n" for line in each).encode()


def test_curves_are_read_in_order_among_other_output():
    found = evidence.curves(
        lines("hi", "#curve loss 0 2.5", "x", "#curve acc 0 0", "#curve loss 1 2")
    )
    assert [(curve.name, curve.points) for curve in found] == [
        ("loss", ((0.0, 2.5), (1.0, 2.0))),
        ("acc", ((0.0, 0.0),)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "#curve loss 1 nan",
        "#curve loss inf 1",
        "#curve loss 1 1.7976931348623157e308",
        "#curve loss 1",
        "#curve loss 1 2 3",
        "#curve Loss 1 2",
        "#curve ../loss 1 2",
        "#curve loss one two",
        " #curve loss 1 2",
        "#curve " + "l" * 40 + " 1 2",
        "#curve loss 1 " + "1" * 40,
    ],
)
def test_what_is_no_finite_point_of_a_plain_name_is_no_curve(line):
    assert evidence.curves(lines(line)) == ()


def test_digits_are_capped_so_that_a_curve_carries_little():
    [curve] = evidence.curves(lines("#curve loss 123456 0.123456789"))
    assert curve.points == ((123500.0, 0.1235),)


@pytest.mark.parametrize("count", [1, 99, 100, 101, 150, 1000, 12345])
def test_a_long_curve_is_thinned_and_keeps_its_last_point(count):
    [curve] = evidence.curves(lines(*(f"#curve loss {i} {i}" for i in range(count))))
    assert len(curve.points) <= evidence.MOST_POINTS
    assert len(curve.points) >= min(count, evidence.MOST_POINTS // 2)
    assert curve.points[-1][0] == pytest.approx(count - 1, rel=1e-3)


def test_curves_beyond_the_cap_are_dropped():
    found = evidence.curves(lines(*(f"#curve c{i} 0 0" for i in range(50)), "#curve c0 1 1"))
    assert len(found) == evidence.MOST_CURVES
    assert len(found[0].points) == 2
