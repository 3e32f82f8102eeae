"""The review of projects of several files: what comes, goes, and is called something else."""

from __future__ import annotations

import pytest
from policy_samples import POLICY, changed

from runner.patterns import MOST_FILES
from runner.policy import parse_policy
from runner.policy.case import Earlier
from runner.policy.review import RULES, fingerprint, review
from runner.records import EXECUTABLE, REGULAR, File, Proposal

FILES_OF = """\
files:
  mutable: [train.py, 'src/**/*.py', 'cfg/*.json']
  frozen: [src/metrics.py]
  may_add: true
  notes: [scratchpad.md]
"""
SEVERAL = POLICY.replace(
    "files:\n  mutable: [train.py, model.py, config.json]\n  notes: [scratchpad.md]\n", FILES_OF
)
STILL = SEVERAL.replace("may_add: true", "may_add: false")
TREE = {
    "run.sh": File(content=b"exec python train.py --base cfg/base.json\n", mode=EXECUTABLE),
    "train.py": File(content=b"from src.model import WIDTH\n\nSEED = 1\nprint(WIDTH, SEED)\n"),
    "src/model.py": File(content=b"WIDTH = 64\n"),
    "src/extra.py": File(content=b"DEPTH = 2\n"),
    "src/metrics.py": File(content=b"def score():\n    return 1\n"),
    "scratchpad.md": File(content=b"notes\n"),
}
WIDER = changed("src/model.py", b"WIDTH = 65\n")
BLOCKS = changed("src/blocks.py", b"DEPTH = 3\n")


@pytest.fixture(scope="module")
def several():
    return parse_policy(SEVERAL).policy


@pytest.fixture(scope="module")
def still():
    return parse_policy(STILL).policy


@pytest.fixture
def found(messages, several):
    """Review changes of the several files, and give each broken rule's message."""
    return lambda *changes, **more: messages(*changes, **{"policy": several, "files": TREE} | more)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([WIDER], id="a change of a file that a pattern matches"),
        pytest.param([BLOCKS], id="a new file"),
        pytest.param([changed("src/a/b/c.py", b"x = 1\n")], id="in new folders"),
        pytest.param([changed("cfg/wide.json", b"{}\n")], id="of another kind"),
        pytest.param([changed("src/extra.py", None)], id="a file that goes"),
        pytest.param([changed("src/extra.py", None), BLOCKS], id="a file that is renamed"),
        pytest.param([WIDER, changed("scratchpad.md", b"x")], id="with a note"),
    ],
)
def test_what_may_be_done_to_files_that_patterns_match(found, changes):
    assert found(*changes) == {}


@pytest.mark.parametrize(
    ("change", "rule", "said"),
    [
        pytest.param(changed("src/metrics.py", b"x"), "path-not-mutable", "is frozen", id="frozen"),
        pytest.param(changed("src/metrics.py", None), "path-not-mutable", "is frozen", id="gone"),
        pytest.param(changed("run.sh", b"x"), "path-not-mutable", "is frozen", id="run.sh"),
        pytest.param(changed("other.py", b"x = 1\n"), "path-not-mutable", "frozen", id="unmatched"),
        pytest.param(
            changed("src/conftest.py", b"x = 1\n"), "path-not-mutable", "by itself", id="conftest"
        ),
        pytest.param(
            changed("src/metrics/__init__.py", b"x = 1\n"), "path-shadows", "src/metrics.py",
            id="a package in place of a frozen module",
        ),
        pytest.param(
            changed("src/numpy.py", b"x = 1\n"), "path-shadows", "numpy", id="a package's name"
        ),
        pytest.param(
            changed("cfg/base.json", b"{}"), "path-shadows", "cfg/base.json", id="named by run.sh"
        ),
        pytest.param(
            changed("src/Model.py", b"x = 1\n"), "path-collision", "src/model.py", id="a twin"
        ),
        pytest.param(
            changed("SRC/x.py", b"x = 1\n"), "path-not-mutable", "is frozen", id="another case"
        ),
        pytest.param(
            changed("src/model.py/x.py", b"x = 1\n"), "path-shadows", "src/model.py",
            id="a folder in place of a file",
        ),
        pytest.param(
            changed("src/.x.py", b"x = 1\n"), "path-not-mutable", "is frozen", id="a hidden file"
        ),
        pytest.param(
            changed("src/x.py", b"x = 1\n", EXECUTABLE), "file-kind", "100755", id="an executable"
        ),
        pytest.param(changed("src/x.py", b"y", 0o120000), "file-kind", "symbolic link", id="link"),
        pytest.param(changed("train.py", None), "file-missing", "removed", id="a listed file gone"),
        pytest.param(changed("src/no.py", None), "file-missing", "removed", id="what is not there"),
        pytest.param(changed("scratchpad.md", None), "file-missing", "removed", id="a note gone"),
        pytest.param(changed("src/x.py", b"(\n"), "not-python", "parsed", id="no Python"),
        pytest.param(
            changed("src/x.py", b"import socket\n"), "import-not-allowed", "socket", id="an import"
        ),
        pytest.param(
            changed("src/x.py", b"x = 1\n" * 21), "too-many-lines", "21 lines", id="too many lines"
        ),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(found, change, rule, said):
    broken = found(change)
    assert next(iter(broken)) == rule
    assert said in broken[rule]
    assert "; allowed: " in broken[rule] or rule == "not-python"


def test_what_is_the_workspace_s_own_may_be_imported_without_a_list(found):
    new = changed("src/parts/blocks.py", b"import src.model, math\nfrom metrics import score\n")
    uses = b"from src.parts.blocks import score\nfrom src.parts import blocks\n"
    assert found(new, changed("src/model.py", uses)) == {}
    package = b"from .model import WIDTH\nfrom . import model\nfrom .parts.blocks import score\n"
    assert found(new, changed("src/extra.py", package)) == {}
    assert "import-not-allowed" in found(changed("src/extra.py", b"from .other import x\n"))
    tree = {**TREE, "lib/socket/x.py": File(content=b"")}
    other = changed("src/model.py", b"import socket\n")
    assert "import-not-allowed" in found(other, files=tree)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("from .types import A\n", id="a module called like one of Python's"),
        pytest.param("from . import types\n", id="the same by its package"),
        pytest.param("from . import VERSION\n", id="a name of the package"),
        pytest.param("from . import *\n", id="all of them"),
        pytest.param("from .. import train\n", id="from a folder above"),
    ],
)
def test_a_relative_import_does_not_leave_the_workspace(found, source):
    tree = {**TREE, "src/types.py": File(content=b"A = 1\n")}
    tree["src/__init__.py"] = File(content=b"VERSION = 1\n")
    assert found(changed("src/model.py", source.encode()), files=tree) == {}


def test_a_relative_import_of_what_is_not_there_is_shown_as_it_is_written(found):
    broken = found(changed("src/model.py", b"from .types import A\n"))
    assert "imports .types.A (line 1)" in broken["import-not-allowed"]
    broken = found(changed("train.py", b"from . import A\n"))
    assert "imports .A (line 1)" in broken["import-not-allowed"]


def test_a_note_is_no_module(messages):
    policy = parse_policy(SEVERAL.replace("[scratchpad.md]", "[ideas.py]")).policy
    tree = {**TREE, "ideas.py": File(content=b"")}
    change = changed("src/model.py", b"import ideas\n")
    assert "import-not-allowed" in messages(change, policy=policy, files=tree)


def test_two_new_files_that_are_twins_of_each_other_are_refused(found):
    broken = found(BLOCKS, changed("src/Blocks.py", b"x = 1\n"))
    assert list(broken) == ["path-collision"]


def test_without_leave_nothing_comes_or_goes(messages, still):
    def found(change):
        return messages(change, policy=still, files=TREE)

    assert found(WIDER) == {}
    assert "may_add is false" in found(BLOCKS)["path-not-mutable"]
    assert list(found(changed("src/extra.py", None))) == ["file-missing"]


def test_files_that_come_and_go_count(found):
    gone = changed("src/extra.py", None)
    broken = found(WIDER, BLOCKS, gone)
    assert broken == {"too-many-files": "3 files would change; allowed: at most 2"}


def test_more_files_than_can_be_mounted_are_refused(found):
    many = {f"src/m{number}.py": File(content=b"") for number in range(MOST_FILES - 4 + 1)}
    fits = dict(list(many.items())[:-1])
    assert "too-many-files" not in found(BLOCKS, files={**TREE, **fits})
    assert "too-many-files" in found(BLOCKS, files={**TREE, **many})


def test_information_counts_in_new_files_and_no_more_in_those_that_are_gone(found, several):
    words = b"".join(b"x%d = %d\n" % (number, number**7) for number in range(20))
    edits = several.edits.model_copy(update={"max_new_information": 60, "max_information": 5_000})
    tight = several.model_copy(update={"edits": edits})
    assert list(found(changed("src/x.py", words), policy=tight)) == ["too-much-information"]
    edits = several.edits.model_copy(update={"max_information": 180})
    full = several.model_copy(update={"edits": edits})
    tree = {**TREE, "src/extra.py": File(content=words)}
    assert "too-much-information" in found(WIDER, files=tree, policy=full)
    assert found(WIDER, changed("src/extra.py", None), files=tree, policy=full) == {}


def test_a_fingerprint_is_of_all_mutable_files_that_are_there(several):
    before = fingerprint(TREE, several)
    more = {**TREE, "src/blocks.py": File(content=BLOCKS.content or b"")}
    less = {path: file for path, file in TREE.items() if path != "src/extra.py"}
    said = {**TREE, "src/model.py": File(content=b"WIDTH = 64  # wide\n")}
    frozen = {**TREE, "src/metrics.py": File(content=b"")}
    assert len({before, fingerprint(more, several), fingerprint(less, several)}) == 3
    assert fingerprint(said, several) == before, "comments do not count"
    assert fingerprint(frozen, several) == before, "nor does what is frozen"


def test_the_same_files_by_another_way_are_a_repeat(several):
    tree = {**TREE, "src/blocks.py": File(content=BLOCKS.content or b"")}
    first = Earlier(number=4, fingerprint=fingerprint(tree, several), outcome="reverted")

    def seen(name):
        return first if name == first.fingerprint else None

    proposal = Proposal(hypothesis="again", changes=(BLOCKS,))
    again = review(proposal, several, files=TREE, earlier=seen)
    assert [each.rule for each in again.violations] == ["repeat"]
    assert again.fingerprint == first.fingerprint
    without = {path: file for path, file in tree.items() if path != "src/extra.py"}
    gone = Proposal(hypothesis="back", changes=(changed("src/extra.py", None, REGULAR),))
    found = review(gone, several, files=tree, earlier=seen)
    assert found.fingerprint == fingerprint(without, several)


def test_a_file_that_comes_or_goes_is_more_than_another_seed(found):
    seed = changed("train.py", b"from src.model import WIDTH\n\nSEED = 2\nprint(WIDTH, SEED)\n")
    assert list(found(seed)) == ["seed-only-change"]
    assert found(seed, BLOCKS) == {}
    assert found(seed, changed("src/extra.py", None)) == {}


REPORTED = SEVERAL.replace(
    "evaluation: {shape: two-step, predict: [images, captions], splits: [train]}",
    "evaluation: {shape: reported, splits: [train], audit_splits: [], reported:"
    " {run: 'python -m tools.main', file: out/score.json, data: [data/raw, ../far]}}",
).replace("'src/**/*.py'", "'**'")


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        pytest.param("src/blocks.py", [], id="a module"),
        pytest.param("data/new.py", [], id="beside the data"),
        pytest.param("tools/main.py", ["path-shadows"], id="what the command runs"),
        pytest.param("tools/__init__.py", ["path-shadows"], id="its package"),
        pytest.param("data/raw/new.py", ["path-not-mutable"], id="where data are mounted"),
        pytest.param("data", ["path-shadows"], id="in place of a folder of theirs"),
        pytest.param("Data/new.py", ["path-shadows"], id="a twin of it"),
        pytest.param("out/score.json", ["path-not-mutable"], id="where the number is read"),
    ],
)
def test_what_a_project_s_own_command_runs_and_mounts_is_kept_free(found, path, rules):
    policy = parse_policy(REPORTED).policy
    assert list(found(changed(path, b"1\n"), policy=policy)) == rules


def test_the_rule_of_places_is_known():
    assert "path-shadows" in RULES


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param("mutable: ['a**.py']", "files.mutable[0]: must not be 'a**.py'", id="stars"),
        pytest.param("mutable: ['*.pth']", "files.mutable[0]: must not be what", id="an ending"),
        pytest.param("mutable: [a.py, conftest.py]", "files.mutable[1]: must not be", id="a name"),
        pytest.param("mutable: [Makefile]", "files.mutable[0]: must not be", id="of a tool"),
        pytest.param("mutable: ['/a/*']", "files.mutable[0]: must not be '/a/*'", id="absolute"),
        pytest.param(
            "mutable: [src/a.py], frozen: ['src/*']",
            "must not match files.frozen, src/*",
            id="both",
        ),
        pytest.param("mutable: [a.py], may_add: true", "files.may_add: must be false", id="no use"),
        pytest.param("mutable: ['*.py', '*.py']", "files.mutable[1]: must differ", id="twice"),
    ],
)
def test_a_policy_of_patterns_that_cannot_work_is_refused(files, said):
    text = SEVERAL.replace(FILES_OF, f"files: {{{files}, notes: []}}\n")
    with pytest.raises(Exception, match="policy:3") as refused:
        parse_policy(text)
    assert said in str(refused.value)
