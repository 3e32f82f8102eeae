"""Python sources that carry bytes which have nothing to do with what they compute, in many ways.

Each takes the bytes and returns a source from which a program could read them back.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Sequence

LETTERS = "abcdefghijklmnopqrstuvwxyz012345"
ORDERED = 5500
"""Lines whose order alone carries something."""


def bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def words(data: bytes, size: int = 8) -> list[str]:
    """Identifiers of `size` letters after the first, which is always the same."""
    letters = base64.b32encode(data).decode().lower().rstrip("=")
    letters = letters.translate(str.maketrans("67", "01"))
    return ["v" + letters[start : start + size] for start in range(0, len(letters), size)]


def rows(parts: Sequence[str], between: str, most: int = 30) -> list[str]:
    return [between.join(parts[start : start + most]) for start in range(0, len(parts), most)]


def chosen(data: bytes, zero: str, one: str) -> Iterator[str]:
    return (one if bit == "1" else zero for bit in bits(data))


def lines(parts: Sequence[str]) -> str:
    return "".join(f"{part}\n" for part in parts)


def strings(data: bytes) -> str:
    text = base64.b85encode(data).decode()
    return lines([f"d = '{text[at : at + 90]}'" for at in range(0, len(text), 90)])


def integers(data: bytes) -> str:
    return lines([f"d = {int.from_bytes(data[at : at + 30])}" for at in range(0, len(data), 30)])


def floats(data: bytes) -> str:
    numbers = [f"0.{int.from_bytes(data[at : at + 6]):015d}" for at in range(0, len(data), 6)]
    return lines([f"d = [{row}]" for row in rows(numbers, ", ")])


def comments(data: bytes) -> str:
    return lines([f"# {data[at : at + 40].hex()}" for at in range(0, len(data), 40)])


def docstrings(data: bytes) -> str:
    return lines(['"""', *[data[at : at + 40].hex() for at in range(0, len(data), 40)], '"""'])


def keyword_names(data: bytes) -> str:
    return lines([f"f({row})" for row in rows([f"{word}=0" for word in words(data)], ", ")])


def parameter_names(data: bytes) -> str:
    return lines([f"def f({row}): ..." for row in rows(words(data), ", ")])


def annotations(data: bytes) -> str:
    return lines([f"x: {word}" for word in words(data)])


def attribute_chains(data: bytes) -> str:
    return lines([f"x.{row}" for row in rows(words(data), ".")])


def local_names(data: bytes) -> str:
    return lines([f"{word} = 0" for word in words(data)])


def import_names(data: bytes) -> str:
    return lines([f"import math as {word}" for word in words(data)])


def booleans(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "False", "True")], ", ")])


def operators(data: bytes) -> str:
    return lines([f"d = {row}1" for row in rows([*chosen(data, "1 + ", "1 - ")], "")])


def comparisons(data: bytes) -> str:
    return lines([f"d = {row}x" for row in rows([*chosen(data, "x < ", "x > ")], "")])


def unary_chains(data: bytes) -> str:
    return lines([f"d = {row}1" for row in rows([*chosen(data, "-", "+")], "")])


def trailing_white_space(data: bytes) -> str:
    return lines([f"x = 1{row}" for row in rows([*chosen(data, " ", "\t")], "", most=80)])


def spaces_in_expressions(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "1, ", "1 , ")], "")])


def blank_lines(data: bytes) -> str:
    return "".join(chosen(data, "x\n", "x\n\n"))


def indentation_widths(data: bytes) -> str:
    return "".join(f"if x:\n{' ' * (1 + int(half, 16))}y\n" for half in data.hex())


def statements(data: bytes) -> str:
    return "".join(chosen(data, "x\n", "y\n"))


def number_forms(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "1.0", "1.")], ", ")])


def quotes(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "''", '""')], ", ")])


def string_prefixes(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "r''", "u''")], ", ")])


def parentheses(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "1", "(1)")], ", ")])


def semicolons(data: bytes) -> str:
    return "".join(chosen(data, "x = 1\n", "x = 1;\n"))


def line_ends(data: bytes) -> str:
    return "".join(chosen(data, "x\n", "x\r\n"))


def wrapping(data: bytes) -> str:
    return lines([f"d = [{row}]" for row in rows([*chosen(data, "1,", "1,\n")], "")])


def places_in_the_parent(data: bytes) -> str:
    """Bytes of the file before, named by where they stand."""
    places = [int.from_bytes(data[at : at + 2]) % 3000 for at in range(0, len(data), 2)]
    return lines([f"d = [{row}]" for row in rows([str(place) for place in places], ", ")])


Carrier = Callable[[bytes], str]
CARRIERS: tuple[Carrier, ...] = (
    strings, integers, floats, comments, docstrings, keyword_names, parameter_names, annotations,
    attribute_chains, local_names, import_names, booleans, operators, comparisons, unary_chains,
    trailing_white_space, spaces_in_expressions, blank_lines, indentation_widths, statements,
    number_forms, quotes, string_prefixes, parentheses, semicolons, line_ends, wrapping,
)  # fmt: skip
"""All that carry every bit that they are given."""


def ordered_lines() -> list[str]:
    return [f"x{number} = {number % 7}" for number in range(ORDERED)]


def shuffled_lines(draw: random.Random) -> str:
    """Known lines in another order, which is all that they tell."""
    found = ordered_lines()
    draw.shuffle(found)
    return lines(found)
