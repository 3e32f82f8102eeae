"""What a person's file of requirements may ask for, and how the rest is refused."""

from __future__ import annotations

import pytest

from runner.errors import ConfigError
from runner.requirements import parse_requirements

FILE = """\
# what we need
tqdm
Einops >= 0.8   # shapes
transformers[torch,vision]~=5.0 ; python_version >= "3.9"

pywin32==306; sys_platform == "win32"
tomli; python_version < "3.11"
six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \\
    --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81
tqdm
"""


def test_what_the_image_s_python_needs_is_taken_once():
    assert parse_requirements(FILE, "requirements.txt") == (
        "tqdm",
        "Einops>=0.8",
        'transformers[torch,vision]~=5.0; python_version >= "3.9"',
        "six==1.17.0",
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-e .", "an editable install"),
        ("--editable=git+https://x.org/a#egg=a", "an editable install"),
        ("-r base.txt", "other files are not read"),
        ("-c pins.txt", "other files are not read"),
        ("--index-url https://x.org/simple", "options are not read"),
        ("-i https://x.org/simple", "options are not read"),
        ("--extra-index-url=https://x.org/simple", "options are not read"),
        ("--find-links wheels", "options are not read"),
        ("--no-binary :all:", "options are not read"),
        ("git+https://x.org/a.git@v1", "a repository holds source"),
        ("a @ git+ssh://git@x.org/a", "a repository holds source"),
        ("a @ https://x.org/a-1.0-py3-none-any.whl", "an address"),
        ("https://x.org/a-1.0.tar.gz", "a"),
        ("a @ file:///home/me/a", "a path of this machine"),
        ("./a", "a path of this machine"),
        ("../a", "a path of this machine"),
        (".", "a path of this machine"),
        ("/home/me/a", "a path of this machine"),
        ("wheels/a", "a path of this machine"),
        ("a-1.0-py3-none-any.whl", "a path of this machine"),
        ("C:\\\\a", "a path of this machine"),
        ("a = 1.0", "is no requirement"),
        ("pip install a", "is no requirement"),
        ("${TOKEN}", "is no requirement"),
        ("numpy<1", "is named twice"),
    ],
)
def test_whatever_is_no_name_is_refused_with_its_line_and_why(line, why):
    with pytest.raises(ConfigError) as caught:
        parse_requirements(f"numpy\n\n{line}\n", "requirements.txt")
    assert str(caught.value).startswith(f"requirements.txt:3: {line}: {why}")
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_every_refused_line_is_named():
    with pytest.raises(ConfigError) as caught:
        parse_requirements("-e .\nnumpy\n--pre\na \\\n  @ file:///a\n", "r.txt")
    found = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert found == ["r.txt:1", "r.txt:3", "r.txt:4"]


def test_an_empty_file_asks_for_nothing():
    assert parse_requirements("\N{BYTE ORDER MARK}# nothing\n\n", "r.txt") == ()
