"""Every lie in an output file is refused by its own code, without blocking or unpickling."""

from __future__ import annotations

import errno
import io
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.scoring.outputs import (
    Code,
    Expected,
    InvalidOutputsError,
    _open_failure,
    read_embeddings,
)

ROWS = 6
OUTPUT = "images/embeddings.npy"
EXPECTED = Expected(rows=ROWS, max_width=8)
HONEST = np.arange(ROWS * 4, dtype=np.float32).reshape(ROWS, 4)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / OUTPUT


def refusal(target: Path) -> Code:
    with pytest.raises(InvalidOutputsError) as refused:
        read_embeddings(target.parents[1], OUTPUT, EXPECTED)
    assert refused.value.output == OUTPUT
    return refused.value.code


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def with_header(header: str, data: bytes = b"", *, version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def test_an_honest_array_is_read_as_it_was_written(target):
    np.save(target, HONEST)
    assert np.array_equal(read_embeddings(target.parents[1], OUTPUT, EXPECTED), HONEST)


def test_format_version_two_is_read_too(target):
    with target.open("wb") as stream:
        np.lib.format.write_array(stream, HONEST, version=(2, 0))
    assert np.array_equal(read_embeddings(target.parents[1], OUTPUT, EXPECTED), HONEST)


class Bomb:
    """Unpickling this would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


def test_a_pickle_in_an_object_array_is_refused_and_never_run(target, tmp_path):
    trace = tmp_path / "unpickled"
    target.write_bytes(npy(np.array([[Bomb(trace)]] * ROWS), allow_pickle=True))
    assert refusal(target) is Code.WRONG_DTYPE
    assert not trace.exists()


@pytest.mark.timeout(5)
def test_a_fifo_does_not_block(target):
    os.mkfifo(target)
    assert refusal(target) is Code.NOT_REGULAR


def test_a_symlink_to_a_good_array_is_refused(target, tmp_path):
    np.save(tmp_path / "real.npy", HONEST)
    target.symlink_to(tmp_path / "real.npy")
    assert refusal(target) is Code.NOT_REGULAR


def test_a_linked_folder_is_refused(target, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "elsewhere" / "embeddings.npy", HONEST)
    target.parent.rmdir()
    target.parent.symlink_to(tmp_path / "elsewhere")
    assert refusal(target) is Code.NOT_REGULAR


def test_a_hard_link_is_refused(target, tmp_path):
    np.save(tmp_path / "real.npy", HONEST)
    os.link(tmp_path / "real.npy", target)
    assert refusal(target) is Code.NOT_REGULAR


def test_a_folder_is_refused(target):
    target.mkdir()
    assert refusal(target) is Code.NOT_REGULAR


def test_a_socket_is_refused(target, monkeypatch):
    monkeypatch.chdir(target.parent)  # a socket's path has little room
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(target.name)
        assert refusal(target) is Code.NOT_REGULAR


def test_a_device_is_refused(target, tmp_path):
    with pytest.raises(InvalidOutputsError) as refused:
        read_embeddings(Path("/"), "dev/null", EXPECTED)
    assert refused.value.code is Code.NOT_REGULAR


def test_nothing_there_is_missing(target):
    assert refusal(target) is Code.MISSING


def test_a_folder_that_may_not_be_read_is_unreadable():
    assert _open_failure(PermissionError(errno.EACCES, "no")) is Code.UNREADABLE


@pytest.mark.timeout(5)
def test_a_sparse_giant_is_refused_by_its_size_alone(target):
    with target.open("wb") as stream:
        stream.write(npy(HONEST))
        stream.truncate(1 << 40)
    assert refusal(target) is Code.TOO_LARGE


def header(
    *, descr: str = "'<f4'", fortran: str = "False", shape: str = f"({ROWS}, 4)", end: str = "\n"
) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}{end}"


DATA = HONEST.tobytes()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", Code.BAD_HEADER, id="empty"),
        pytest.param(b"\x93NUMPY", Code.BAD_HEADER, id="magic alone"),
        pytest.param(b"\x80\x04\x95", Code.BAD_HEADER, id="a bare pickle"),
        pytest.param(npy(HONEST)[:-1], Code.WRONG_SIZE, id="one byte short"),
        pytest.param(npy(HONEST) + b"\0", Code.WRONG_SIZE, id="one byte more"),
        pytest.param(npy(HONEST.astype(np.float64)), Code.WRONG_DTYPE, id="float64"),
        pytest.param(npy(HONEST.astype(">f4")), Code.WRONG_DTYPE, id="other byte order"),
        pytest.param(npy(HONEST.astype(np.int32)), Code.WRONG_DTYPE, id="integers"),
        pytest.param(npy(np.asfortranarray(HONEST)), Code.BAD_HEADER, id="fortran order"),
        pytest.param(npy(np.zeros((ROWS, 4), "f4,f4")), Code.BAD_HEADER, id="structured"),
        pytest.param(npy(HONEST[1:]), Code.WRONG_SHAPE, id="a row less"),
        pytest.param(npy(HONEST[:, :0]), Code.WRONG_SHAPE, id="no width"),
        pytest.param(npy(HONEST.repeat(3, axis=1)), Code.WRONG_SHAPE, id="too wide"),
        pytest.param(npy(HONEST[:, 0]), Code.WRONG_SHAPE, id="one dimension"),
        pytest.param(npy(HONEST[None]), Code.WRONG_SHAPE, id="three dimensions"),
        pytest.param(npy(np.float32(1)), Code.WRONG_SHAPE, id="no dimension"),
        pytest.param(with_header(header(shape="(6, 9999999999999)")), Code.WRONG_SHAPE, id="vast"),
        pytest.param(with_header(header(shape="(6, -4)"), DATA), Code.BAD_HEADER, id="negative"),
        pytest.param(with_header(header(end="\n" + " " * 9), DATA), Code.BAD_HEADER, id="trailing"),
        pytest.param(with_header("(" * 4000), Code.BAD_HEADER, id="nesting bomb"),
        pytest.param(with_header("-" * 4000 + "1"), Code.BAD_HEADER, id="operator bomb"),
        pytest.param(with_header("9" * 4000), Code.BAD_HEADER, id="number bomb"),
        pytest.param(with_header(header(), DATA)[:20], Code.BAD_HEADER, id="cut in the header"),
        pytest.param(
            b"\x93NUMPY\x02\x00" + b"\xff" * 4 + DATA, Code.BAD_HEADER, id="header of 4 GiB"
        ),
        pytest.param(
            with_header(header(end=" " * 5000 + "\n"), DATA), Code.TOO_LARGE, id="header too long"
        ),
        pytest.param(with_header(header(), DATA, version=3), Code.BAD_HEADER, id="version 3"),
        pytest.param(
            with_header(header(shape="__import__('os')"), DATA), Code.BAD_HEADER, id="code"
        ),
    ],
)
def test_a_wrong_file_is_refused_by_name(target, content, code):
    target.write_bytes(content)
    assert refusal(target) is code


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_enough(target, value):
    array = HONEST.copy()
    array[3, 2] = value
    np.save(target, array)
    assert refusal(target) is Code.NOT_FINITE


def test_a_hand_written_header_like_numpys_is_accepted(target):
    target.write_bytes(with_header(header(), DATA))
    assert np.array_equal(read_embeddings(target.parents[1], OUTPUT, EXPECTED), HONEST)
