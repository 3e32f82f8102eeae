"""A person's own experiments: in an editor, or by a patch. The editor is a script."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fake_work import StoppableSandbox, fake_work
from fakes import (
    POLICY_TEXT,
    TAG,
    TRAIN,
    ScriptedAgent,
    changed,
    edit,
    make_session,
    scored,
    with_files,
)

from runner.by_hand import editor, patch
from runner.cli import cli
from runner.errors import ConfigError
from runner.records import EXECUTABLE, Change, File, Violation
from runner.scheduler import run_loop
from runner.workspace import Workspace

WIDER = """\
diff --git a/train.py b/train.py
--- a/train.py
+++ b/train.py
@@ -3,2 +3,2 @@
-WIDTH = 32
+WIDTH = 64
 RATE = 0.001
"""
AGENT = ScriptedAgent([edit("WIDTH = 32", "WIDTH = 48", "the agent's")])


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A run whose baseline has ended, found by every command."""
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("VISUAL", raising=False)
    sandbox = StoppableSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
    with make_session(tmp_path, sandbox) as session:
        run_loop(session, AGENT, experiments=0)
    with fake_work(tmp_path, sandbox, agent=AGENT):
        yield tmp_path


def invoke(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, input=given)


def history(folder: Path):
    with make_session(folder, None) as session:
        return session.history


def edits_with(folder: Path, monkeypatch, *steps: str) -> None:
    """Make `$EDITOR` a script that does one step each time it is opened on `files`."""
    for number, step in enumerate(steps):
        (folder / f"step{number}.py").write_text(step)
    script = folder / "editor.py"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "files = {path.rsplit('/', 1)[-1]: pathlib.Path(path) for path in sys.argv[1:]}\n"
        "def replace(name, old, new):\n"
        "    text = files[name].read_text()\n"
        "    assert old in text\n"
        "    files[name].write_text(text.replace(old, new))\n"
        "step = min(folder.glob('step*.py'))\n"
        "source = step.read_text()\n"
        "step.unlink()\n"
        "exec(source)\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDITOR", str(script))


# -- an editor --------------------------------------------------------------------------------


def test_what_a_person_writes_in_the_editor_is_one_experiment(at_home, monkeypatch):
    edits_with(at_home, monkeypatch, "replace('train.py', 'WIDTH = 32', 'WIDTH = 64')")
    result = invoke("step", TAG, "--edit", "-m", "wider")
    assert result.exit_code == 0, result.output
    _, mine = history(at_home)
    assert (mine.hypothesis, mine.status) == ("wider", "kept")
    assert changed(at_home, mine)[0].content == TRAIN.replace(b"32", b"64")
    assert (mine.origin.agent, mine.origin.isolation) == ("person", "none")


def test_the_run_s_agent_stays_what_it_was(at_home, monkeypatch):
    edits_with(at_home, monkeypatch, "replace('train.py', 'WIDTH = 32', 'WIDTH = 64')")
    invoke("step", "--edit", "-m", "wider")
    with make_session(at_home, None) as session:
        assert session.journal.run(TAG).agent == "scripted"


def test_without_m_the_first_line_that_is_no_comment_is_the_hypothesis(at_home, monkeypatch):
    told = "replace('HYPOTHESIS', '# Say', 'wider is better\\n# Say')"
    edits_with(at_home, monkeypatch, f"replace('train.py', '32', '64')\n{told}")
    assert invoke("step", "--edit").exit_code == 0
    assert history(at_home)[1].hypothesis == "wider is better"


def test_a_file_that_is_saved_beside_the_others_counts_where_the_policy_lets_some_be_added(
    tmp_path, monkeypatch
):
    text = with_files(POLICY_TEXT, mutable="[train.py, '*.py']", may_add="true")
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("VISUAL", raising=False)
    sandbox = StoppableSandbox(lambda spec: scored(100.0 - 10 * spec.experiment))
    with make_session(tmp_path, sandbox, policy_text=text) as session:
        run_loop(session, AGENT, experiments=0)
    beside = "files['train.py'].with_name('blocks{}').write_text('A = 1')\n"
    edits_with(tmp_path, monkeypatch, beside.format(".py") + beside.format(".txt"))
    with fake_work(tmp_path, sandbox, agent=AGENT, policy_text=text):
        result = invoke("step", "--edit", "-m", "a module")
    assert result.exit_code == 0, result.output
    assert [each.path for each in history(tmp_path)[1].changes] == ["blocks.py"]


def test_no_hypothesis_is_no_experiment(at_home, monkeypatch):
    edits_with(at_home, monkeypatch, "replace('train.py', '32', '64')")
    result = invoke("step", "--edit")
    assert (result.exit_code, len(history(at_home))) == (2, 1)
    assert "no hypothesis, so nothing was run" in result.output


def test_a_hypothesis_that_was_forgotten_is_asked_for_and_the_edits_stay(at_home, monkeypatch):
    edits_with(
        at_home,
        monkeypatch,
        "replace('train.py', '32', '64')",
        "replace('HYPOTHESIS', '# Say', 'wider\\n# Say')",
    )
    assert invoke("step", "--edit", given="y\n").exit_code == 0
    _, mine = history(at_home)
    assert (mine.hypothesis, mine.origin.returned) == ("wider", 0)
    assert changed(at_home, mine)[0].content == TRAIN.replace(b"32", b"64")


def test_a_hypothesis_that_is_given_is_no_comment(at_home, monkeypatch):
    edits_with(at_home, monkeypatch, "replace('train.py', '32', '64')")
    assert invoke("step", "--edit", "-m", "#12: wider").exit_code == 0
    assert history(at_home)[1].hypothesis == "#12: wider"


def test_a_refused_draft_is_shown_its_rule_and_may_be_mended(at_home, monkeypatch):
    wrong = "replace('train.py', 'WIDTH = 32', 'import socket')"
    mended = "replace('train.py', 'import socket', 'WIDTH = 64')"
    edits_with(at_home, monkeypatch, wrong, mended)
    result = invoke("step", "--edit", "-m", "wider", given="y\n")
    assert result.exit_code == 0, result.output
    assert "import-not-allowed: train.py: " in result.output
    _, mine = history(at_home)
    assert (mine.status, mine.origin.returned) == ("kept", 1)


def test_the_rule_stands_in_the_template_of_the_next_edit(at_home, monkeypatch):
    wrong = "replace('HYPOTHESIS', '# Say', 'wider\\n# Say')\nreplace('train.py', '32', '(')"
    mended = "replace('HYPOTHESIS', '# not-python: ', '# ')\nreplace('train.py', '(', '64')"
    edits_with(at_home, monkeypatch, wrong, mended)
    assert invoke("step", "--edit", given="y\n").exit_code == 0
    assert history(at_home)[1].hypothesis == "wider"


@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "nobody there"])
def test_a_refused_draft_that_is_given_up_is_no_experiment(at_home, monkeypatch, answer):
    edits_with(at_home, monkeypatch, "replace('train.py', 'WIDTH = 32', 'import socket')")
    result = invoke("step", "--edit", "-m", "wider", given=answer)
    assert (result.exit_code, len(history(at_home))) == (2, 1)
    assert "given up; nothing was run" in result.output


def test_a_draft_may_be_mended_three_times_and_then_counts(at_home, monkeypatch):
    wrong = ["replace('train.py', 'WIDTH = 32', 'import socket')", *["pass"] * 3]
    edits_with(at_home, monkeypatch, *wrong)
    assert invoke("step", "--edit", "-m", "wider", given="y\ny\ny\n").exit_code == 0
    _, mine = history(at_home)
    assert (mine.status, mine.origin.returned) == ("refused", 3)


def test_a_person_owes_neither_takeaway_nor_answer(at_home, monkeypatch):
    with make_session(at_home, None) as session:
        session.journal.add_hypothesis(TAG, "something else")
    edits_with(
        at_home, monkeypatch, "replace('train.py', '32', '64')", "replace('train.py', '64', '96')"
    )
    for hypothesis in ("wider", "wider still"):
        assert invoke("step", "--edit", "-m", hypothesis).exit_code == 0
    assert [one.status for one in history(at_home)] == ["kept"] * 3
    with make_session(at_home, None) as session:
        assert [one.status for one in session.journal.hypotheses(TAG)] == ["open"]


def test_without_edit_it_is_one_experiment_of_the_run_s_own_agent(at_home):
    assert invoke("step").exit_code == 0
    assert [one.hypothesis for one in history(at_home)[1:]] == ["the agent's"]
    assert history(at_home)[1].origin.agent == "scripted"


@pytest.mark.parametrize(
    ("variables", "opened"),
    [
        pytest.param({"VISUAL": "visual", "EDITOR": "editor"}, "visual", id="VISUAL first"),
        pytest.param({"VISUAL": "", "EDITOR": "editor -w"}, "editor", id="then EDITOR"),
        pytest.param({}, "vi", id="then vi"),
    ],
)
def test_which_editor_is_opened(variables, opened, tmp_path, monkeypatch):
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=f"the editor {opened}: No such file"):
        editor.edit([tmp_path / "draft"])


def test_an_editor_that_fails_runs_nothing(at_home, monkeypatch):
    edits_with(at_home, monkeypatch, "sys.exit(1)")
    result = invoke("step", "--edit", "-m", "wider")
    assert (result.exit_code, len(history(at_home))) == (2, 1)
    assert "ended with 1; nothing was run" in result.output


def test_a_refusal_s_path_cannot_draw_on_the_terminal():
    [line] = editor.refusal([Violation(rule="path-unsafe", message="no", path="\x1b[2J")])
    assert line == r"path-unsafe: \x1b[2J: no"


# -- a patch ----------------------------------------------------------------------------------


def test_a_patch_is_one_experiment(at_home):
    result = invoke("propose", "-", "--tag", TAG, "-m", "wider", given=WIDER)
    assert result.exit_code == 0, result.output
    _, mine = history(at_home)
    assert changed(at_home, mine)[0].content == TRAIN.replace(b"32", b"64")
    assert (mine.origin.agent, mine.origin.isolation) == ("person", "none")


def test_a_patch_of_format_patch_brings_its_subject_along(at_home):
    head = "From 0123 Mon Sep 17\nFrom: A <a@b>\nSubject: [PATCH] wider is better\n---\n\n"
    assert invoke("propose", "-", given=head + WIDER).exit_code == 0
    assert history(at_home)[1].hypothesis == "wider is better"


def test_a_subject_is_whole_however_git_wrote_it(tmp_path):
    said = f"une étape plus large, {'et encore ' * 12}fin"
    made = Workspace.create(
        tmp_path / "r.git", "t", template={}, harness={}, when="2026-01-01T00:00:00+00:00"
    )
    file = Change(path="a.py", content=b"1\n")
    tip = made.attempt(1, made.head(), [file], f"{said}\n\nmore\n", "2026-01-01T00:00:00+00:00")
    [mail] = made.patches(made.head(), tip)
    assert b"\nSubject: =?UTF-8?q?" in mail
    assert patch.subject(mail) == said
    plain = "From 0123 Mon Sep 17\nSubject: [PATCH 1/2] plus\n étroite\nX: y\n---\n"
    assert patch.subject(plain.encode()) == "plus étroite"


def test_a_patch_without_a_hypothesis_is_asked_for_one(at_home):
    result = invoke("propose", "-", given=WIDER)
    assert (result.exit_code, len(history(at_home))) == (2, 1)
    assert "say with -m" in result.output


def test_a_refused_patch_is_shown_its_rules_and_runs_nothing(at_home):
    result = invoke("propose", "-", "-m", "x", given=WIDER.replace("WIDTH = 64", "import socket"))
    assert (result.exit_code, len(history(at_home))) == (2, 1)
    assert "import-not-allowed: train.py: " in result.output


def test_a_patch_that_does_not_fit_runs_nothing(at_home):
    result = invoke("propose", "-", "-m", "x", given=WIDER.replace("WIDTH = 32", "WIDTH = 33"))
    assert (result.exit_code, len(history(at_home))) == (2, 1)
    assert "the patch does not apply" in result.output


def named(path: str) -> bytes:
    return f"""\
diff --git a/{path} b/{path}
new file mode 100644
--- /dev/null
+++ b/{path}
@@ -0,0 +1 @@
+x
""".encode()


@pytest.mark.parametrize("path", ["../outside", "/outside", ".git/hooks/post-index-change"])
def test_a_patch_cannot_lead_outside(path, tmp_path):
    files = {"train.py": File(content=TRAIN)}
    with pytest.raises(ConfigError, match="does not apply"):
        patch.changes(files, named(path))
    assert not (tmp_path.parent / "outside").exists()


def test_a_patch_can_add_delete_and_make_links_and_the_review_sees_each():
    files = {"train.py": File(content=TRAIN), "run.sh": File(content=b"x\n", mode=EXECUTABLE)}
    link = (
        named("link")
        .replace(b"100644", b"120000")
        .replace(b"+x\n", b"+/etc\n\\ No newline at end of file\n")
    )
    gone = b"""\
diff --git a/run.sh b/run.sh
deleted file mode 100755
--- a/run.sh
+++ /dev/null
@@ -1 +0,0 @@
-x
"""
    found = {one.path: (one.content, one.mode) for one in patch.changes(files, link + gone)}
    assert found["link"] == (b"/etc", 0o120000)
    assert found["run.sh"][0] is None
    assert set(found) == {"link", "run.sh"}


def test_a_patch_leaves_no_ref_behind(tmp_path):
    files = {"train.py": File(content=TRAIN)}
    made = Workspace.create(
        tmp_path / "r.git", "t", template=files, harness={}, when="2026-01-01T00:00:00+00:00"
    )
    before = made.refs("refs/")
    after = made.patched(made.head(), WIDER.encode())
    assert b"WIDTH = 64" in after["train.py"].content
    assert made.refs("refs/") == before


# -- patches of every kind --------------------------------------------------------------------

NEW = "new file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+x\n"


def new(path: str) -> str:
    return f"diff --git a/{path} b/{path}\n" + NEW.format(path)


BINARY = (
    "diff --git a/new.bin b/new.bin\nnew file mode 100644\nindex 000000..111111\nGIT binary patch\n"
)
OF_NO_USE = {
    "a submodule": "diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n"
    f"@@ -0,0 +1 @@\n+Subproject commit {'1' * 40}\n",
    "a submodule in a file's place": "diff --git a/train.py b/train.py\n"
    "old mode 100644\nnew mode 160000\n",
    "empty": "",
    "no patch": "hello\n",
    "bytes": b"\x00\xff\x01\x1b[2J\n",
    "a binary file that is not there": "diff --git a/train.py b/train.py\nindex 1..2 100644\n"
    "Binary files a/train.py and b/train.py differ\n",
    "a broken binary": f"{BINARY}literal 3\nnonsense\n\n",
    "a rename": "diff --git a/train.py b/model.py\nsimilarity index 100%\n"
    "rename from train.py\nrename to model.py\n",
    "a copy": "diff --git a/train.py b/model.py\nsimilarity index 100%\n"
    "copy from train.py\ncopy to model.py\n",
    "a mode": "diff --git a/train.py b/train.py\nold mode 100644\nnew mode 100755\n",
    "a set-user-ID mode": "diff --git a/train.py b/train.py\nold mode 100644\nnew mode 104755\n",
    "a removal": "diff --git a/run.sh b/run.sh\ndeleted file mode 100755\n--- a/run.sh\n"
    '+++ /dev/null\n@@ -1,2 +0,0 @@\n-#!/bin/sh\n-exec python train.py "$@"\n',
    "a link": "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
    "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n",
    "a quoted name": 'diff --git "a/f\\303\\251" "b/f\\303\\251"\nnew file mode 100644\n'
    '--- /dev/null\n+++ "b/f\\303\\251"\n@@ -0,0 +1 @@\n+x\n',
    "a name of two lines": 'diff --git "a/a\\nb" "b/a\\nb"\nnew file mode 100644\n'
    '--- /dev/null\n+++ "b/a\\nb"\n@@ -0,0 +1 @@\n+x\n',
    "a name that is no text": new("f\udce9.py"),
    "an absolute path": "--- /etc/passwd\n+++ /etc/passwd\n@@ -0,0 +1 @@\n+x\n",
    "an absolute path after b": new("/etc/x"),
    "a way out": new("../x"),
    "git's own": new(".git/config"),
    "below a file": new("train.py/x"),
    "beside a folder": new("a") + new("a/b"),
    "a name of 5,000 letters": new("x" * 5000),
    "carriage returns": WIDER.replace("\n", "\r\n"),
    "a merge": "diff --cc train.py\nindex 1,2..3\n--- a/train.py\n+++ b/train.py\n"
    "@@@ -1,1 -1,1 +1,1 @@@\n- a\n -b\n++c\n",
    "another file's lines": WIDER.replace("32", "31"),
    "cut off": WIDER[:-20],
    "a huge count": WIDER.replace("-3,2 +3,2", f"-3,{'9' * 40} +3,2"),
}


@pytest.mark.parametrize("kind", OF_NO_USE)
def test_a_patch_that_cannot_run_is_one_error_and_no_experiment(at_home, kind):
    written = OF_NO_USE[kind]
    place = at_home / "a.patch"
    place.write_bytes(
        written if isinstance(written, bytes) else written.encode(errors="surrogateescape")
    )
    result = invoke("propose", str(place), "-m", "try it")
    assert (result.exit_code, len(history(at_home))) == (2, 1), result.output
    assert isinstance(result.exception, SystemExit)
    [said] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert said.isprintable()


@pytest.mark.parametrize(
    "written",
    [
        WIDER.rstrip("\n"),
        f"From 1 Mon Sep 17 2001\nSubject: [PATCH v2 2/3] wider\n\n---\n\n{WIDER}-- \n2.1\n",
        WIDER + "\\ No newline at end of file\n",
    ],
    ids=["no newline at the end", "a mail", "a file without its last newline"],
)
def test_other_forms_of_a_patch_are_as_good(at_home, written):
    (at_home / "a.patch").write_text(written)
    result = invoke("propose", str(at_home / "a.patch"), "-m", "wider")
    assert result.exit_code in (0, 2), result.output
    assert result.exit_code == 0 or "does not apply" in result.output


def test_a_mail_s_place_in_its_series_is_no_part_of_its_subject():
    mail = b"From 1\nSubject: [PATCH v2 2/3] wider\n\n---\n"
    assert patch.subject(mail) == "wider"


@pytest.mark.parametrize("step", ["mkdir()", "symlink_to('/dev/zero')", "symlink_to('nothing')"])
@pytest.mark.parametrize("name", ["train.py", "HYPOTHESIS"])
def test_what_an_editor_leaves_in_a_file_s_place_is_one_error(at_home, monkeypatch, name, step):
    edits_with(at_home, monkeypatch, f"files['{name}'].unlink()\nfiles['{name}'].{step}")
    result = invoke("step", TAG, "--edit", *(["-m", "x"] if name == "train.py" else []))
    assert (result.exit_code, len(history(at_home))) == (2, 1), result.output
    assert isinstance(result.exception, SystemExit)
