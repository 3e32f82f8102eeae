"""WordPiece in its least form, frozen: which pieces of a vocabulary a word is made of.

Enough for words without spaces, as a split's own vocabulary holds them: lower case without accents,
each punctuation mark by itself, the longest piece first. Chinese characters are not set apart, and
the official limit on a word's length is missing.
"""

import re
import unicodedata

PADDING, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
RUN = re.compile(r"[^\W_]+|\S")  # letters and digits, or one mark


def read_vocabulary(path):
    """Return piece -> number; a piece's number is its line, counted from 0."""
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return {piece: number for number, piece in enumerate(lines)}


def pieces(word, vocabulary):
    """Return the numbers of a word's pieces; whatever cannot be spelt is one unknown piece."""
    letters = unicodedata.normalize("NFD", word.lower())
    plain = "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
    return [number for run in RUN.findall(plain) for number in spell(run, vocabulary)]


def spell(run, vocabulary):
    """Take the longest known piece from the left, again and again; `##` marks what goes on."""
    found, start = [], 0
    while start < len(run):
        ends = range(len(run), start, -1)
        candidates = (("##" if start else "") + run[start:end] for end in ends)
        piece = next((one for one in candidates if one in vocabulary), None)
        if piece is None:
            return [vocabulary[UNKNOWN]]
        found.append(vocabulary[piece])
        start += len(piece.removeprefix("##") if start else piece)
    return found


def table(words, vocabulary):
    """Return one row of pieces for each token of a split: token 0 is padding, 1 an unknown word."""
    spelt = [pieces(word, vocabulary) for word in words[2:]]
    rows = [[], [vocabulary[UNKNOWN]], *spelt]
    longest = max(map(len, rows))
    return [row + [vocabulary[PADDING]] * (longest - len(row)) for row in rows]
