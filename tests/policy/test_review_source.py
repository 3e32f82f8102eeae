from __future__ import annotations

import time

import pytest
from policy_samples import TRAIN, WORKSPACE, changed, nothing

from runner.policy import Earlier, parse_policy, review
from runner.policy.checks import FORBIDDEN
from runner.policy.schema import FORBIDDEN as FORBIDDEN_NAMES
from runner.records import File, Proposal

TORCH = "import torch\n"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import torch.nn.functional as F\n", id="below a listed module"),
        pytest.param("from torch import nn, optim\n", id="out of a listed module"),
        pytest.param("from concurrent.futures import ThreadPoolExecutor\n", id="dotted entry"),
        pytest.param("from concurrent import futures\n", id="a dotted entry by its parent"),
        pytest.param("import math, sys\n", id="two at once"),
    ],
)
def test_listed_modules_may_be_imported(source_rules, source):
    assert source_rules(source) == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import shutil\n", id="another module"),
        pytest.param("import torch_geometric\n", id="a module whose name begins the same"),
        pytest.param("import concurrent\n", id="the parent of a listed module"),
        pytest.param("from . import model\n", id="a relative import"),
        pytest.param("from concurrent.interpreters import create\n", id="a sibling"),
        pytest.param("def f():\n    import shutil\n", id="inside a function"),
        pytest.param("s = '#'; import shutil\n", id="after a hash in a string"),
        pytest.param("if 0: pass\nelse: import shutil as math\n", id="under another name"),
        pytest.param("import math, shutil\n", id="beside a listed one"),
    ],
)
def test_other_modules_may_not(source_rules, source):
    assert source_rules(source) == ["import-not-allowed"]


@pytest.mark.parametrize("length", [119, 120, 121, 1_000, 30_000])
@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("process", "import {long} as y, subprocess\nsubprocess.{long}(y)"),
        ("dynamic-code", "f(x.{long}, {long}_({long}__=eval('1')))"),
        ("import-not-allowed", "import math.{long}, {long}"),
        ("import-not-allowed", "from {long} import x"),
    ],
)
def test_a_rule_sees_a_name_to_its_end_however_long_it_is(
    source_rules, large_files, rule, source, length
):
    """The message shows both ends of it."""
    assert rule in source_rules(f"{source.format(long='a' * length)}\n", policy=large_files)


def test_a_long_name_is_shown_by_its_ends(messages):
    source = f"import subprocess\nsubprocess.{'a' * 1_000}.end\n"
    found = messages(changed("model.py", source.encode()))["process"]
    assert ".end (line 2)" in found
    assert len(found) < 400


@pytest.mark.slow
def test_names_that_grow_without_end_are_answered_in_time(source_rules, large_files):
    """Each line makes a chain of attributes a little longer."""
    chain = "import math\na0 = math.x\n" + "".join(
        f"a{n} = a{n - 1}{'.os' * 20}\n" for n in range(1, 1_000)
    )
    begun = time.monotonic()
    source_rules(chain, policy=large_files)
    assert time.monotonic() - begun < 15


def test_the_message_names_module_line_and_list(messages):
    found = messages(changed("model.py", b"import math\nimport shutil\n"))
    assert found["import-not-allowed"].startswith("imports shutil (line 2); allowed: math,")


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        pytest.param("dynamic-code", "eval('1')", id="eval"),
        pytest.param("dynamic-code", "exec('1')", id="exec"),
        pytest.param("dynamic-code", "compile('1', '', 'eval')", id="compile"),
        pytest.param("dynamic-code", "__import__('os')", id="import by name"),
        pytest.param("dynamic-code", "list(map(eval, ['1']))", id="eval passed on"),
        pytest.param("dynamic-code", "\uff45\uff56\uff41\uff4c('1')", id="a folded eval"),
        pytest.param("dynamic-code", "x = 1; s = '#'; eval('1')", id="eval behind a hash"),
        pytest.param("dynamic-code", "x = f'{eval(\"1\")}'", id="eval in a formatted string"),
        pytest.param("dynamic-code", "@eval\ndef f(): ...", id="eval as a decorator"),
        pytest.param("dynamic-code", "exec = exec\nexec('1')", id="exec under its own name"),
        pytest.param("dynamic-code", "def f(eval=eval): ...", id="eval as a default of its name"),
        pytest.param("dynamic-code", "def f(*, eval=eval): ...", id="eval as a named default"),
        pytest.param(
            "dynamic-code",
            "class C:\n    def eval(self): ...\neval('1')",
            id="eval beside a method",
        ),
        pytest.param(
            "dynamic-code", "class C:\n    compile = True\ncompile('1')", id="beside an attribute"
        ),
        pytest.param("dynamic-code", "import pickle as p\np.load(f)", id="pickles"),
        pytest.param("dynamic-code", TORCH + "import torch.utils.cpp_extension", id="C++"),
        pytest.param("process", "import os\nos.system('x')", id="a shell"),
        pytest.param("process", "import os as o\no.fork()", id="a fork by an alias"),
        pytest.param("process", "from os import execv as run\nrun('x', [])", id="from an import"),
        pytest.param("process", "import os\nos.posix_spawn('x', [], {})", id="a spawn"),
        pytest.param("process", TORCH + "torch.multiprocessing.spawn(f)", id="torch's own"),
        pytest.param(
            "process",
            "from concurrent.futures import ProcessPoolExecutor",
            id="a pool of processes",
        ),
        pytest.param("network", TORCH + "torch.hub.load('a', 'b')", id="torch hub"),
        pytest.param("network", TORCH + "torch.distributed.init_process_group()", id="distributed"),
    ],
)
def test_a_rule_refuses(source_rules, rule, source):
    found = source_rules(source + "\n")
    assert rule in found
    assert set(found) <= {rule, "hidden-characters", "import-not-allowed"}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("model.eval()\nself.compile()", id="methods of these names"),
        pytest.param(TORCH + "torch.compile(model)", id="torch's compiler"),
        pytest.param(
            TORCH + "compile = True\nif compile:\n    model = torch.compile(model)", id="a switch"
        ),
        pytest.param(
            "def f(eval=False, *, compile=1):\n    return eval or compile", id="arguments"
        ),
        pytest.param("def compile(x): ...\ncompile(3)\nwrap(compile.x)", id="a function"),
        pytest.param("class C:\n    compile: bool = True\nC().compile", id="a setting of a class"),
        pytest.param("for eval in rounds:\n    print(eval)", id="a variable of a loop"),
        pytest.param(TORCH + "torch.load('x')", id="weights"),
        pytest.param(TORCH + "torch.load('x', weights_only=True)", id="weights and nothing else"),
        pytest.param("import numpy as np\nnp.load('x', allow_pickle=False)", id="arrays"),
        pytest.param(TORCH + "torch.utils.data.DataLoader(d, num_workers=2)", id="workers"),
        pytest.param(TORCH + "torch.signal.windows.hann(8)", id="signal processing"),
        pytest.param(TORCH + "torch.backends.cudnn.benchmark = True", id="a module's setting"),
        pytest.param("def f(input, socket):\n    return input.view(socket.close())", id="locals"),
        pytest.param("getattr(x, name)\nsetattr(x, name, 1)", id="attributes by computed names"),
        pytest.param("torch.nn.Linear.forward = f\nx.__dict__.update(a=1)", id="patches"),
        pytest.param("globals()\ndef f(): ...\nf.__code__", id="looking at oneself"),
        pytest.param(TORCH + "torch.load('x', weights_only=False)", id="an object of one's own"),
        pytest.param("self.weight = 1\nx.a.b = 2", id="attributes of values"),
        pytest.param("print(vars(args))\nprint(args.__dict__)", id="reading arguments"),
        pytest.param("x.__class__.__name__", id="a class's name"),
        pytest.param("import os\nos.environ['SEED']\nos.path.join('a', 'b')", id="harmless os"),
        pytest.param("import sys\nsys.exit(1)\nsys.argv", id="harmless sys"),
        pytest.param("# eval('1'); import socket", id="words in a comment"),
        pytest.param("x = 'os.system(1)'", id="words in a string"),
        pytest.param("from concurrent.futures import ThreadPoolExecutor", id="threads"),
    ],
)
def test_and_its_near_miss_is_allowed(source_rules, source):
    found = source_rules(source + "\n")
    assert [rule for rule in found if rule != "no-change"] == []


def test_each_rule_can_be_switched_off(source_rules, policy_text):
    source = (
        "import shutil\neval('1')\nimport os\nos.system('x')\nimport torch\ntorch.hub.load('x')\n"
    )
    on = ["import-not-allowed", "dynamic-code", "process", "network"]
    assert source_rules(source) == on
    off = policy_text.replace("imports: {allow:", "imports: null #")
    off = off.replace("[dynamic-code, process, network, seed-only-change]", "[]")
    assert source_rules(source, policy=parse_policy(off).policy) == []


def test_every_rule_on_names_has_its_table():
    assert {*FORBIDDEN, "seed-only-change"} == set(FORBIDDEN_NAMES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("def f(:\n", ["not-python"], id="a syntax error"),
        pytest.param("x = " + "-" * 160 + "1\n", ["not-python"], id="nested too deeply"),
        pytest.param("x = " + "1+" * 80 + "1\n", [], id="a long sum"),
        pytest.param("x = 1\n\u0435 = 2\n", ["hidden-characters"], id="a Cyrillic name"),
        pytest.param("\ufb01 = 2\n", ["hidden-characters"], id="a name that Python folds"),
        pytest.param("x = f'{\u0435}'\n", ["hidden-characters"], id="in a formatted string"),
        pytest.param("x = 'e\u0301\u4e2d'  # \u00fc\n", [], id="text of any language"),
    ],
)
def test_source_is_python_as_it_looks(source_rules, source, expected):
    assert source_rules(source) == expected


def replaced(old: str, new: str) -> str:
    text = TRAIN.decode()
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(replaced("SEED = 1", "SEED = 2"), id="a constant"),
        pytest.param(replaced("SEED = 1", "SEED = 7 * 6"), id="a computed one"),
        pytest.param(replaced("manual_seed(SEED)", "manual_seed(1337)"), id="an argument"),
        pytest.param(replaced("    torch.manual_seed(SEED)\n", ""), id="seeding no more"),
        pytest.param(TRAIN.decode() + "torch.manual_seed(5)\n", id="seeding once more"),
        pytest.param(replaced("SEED = 1", "SEED = 2  # lucky\n\n"), id="and a comment"),
    ],
)
def test_a_change_of_nothing_but_a_seed(source_rules, source):
    assert source_rules(source) == ["seed-only-change"]


@pytest.mark.parametrize(
    ("before", "after", "seed_only"),
    [
        pytest.param("f(x, seed=1)", "f(x, seed=2)", True, id="a keyword"),
        pytest.param("f(x, steps=1)", "f(x, steps=2)", False, id="another keyword"),
        pytest.param("def f(seed=1): ...", "def f(seed=2): ...", True, id="a default"),
        pytest.param("def f(*, seed=1): ...", "def f(*, seed=2): ...", True, id="named default"),
        pytest.param("def f(a=1): ...", "def f(a=2): ...", False, id="another default"),
        pytest.param("c = {'seed': 1}", "c = {'seed': 2}", True, id="an entry"),
        pytest.param("c['seed'] = 1", "c['seed'] = 2", True, id="an item"),
        pytest.param("self.seed = 1", "self.seed = 2", True, id="an attribute"),
        pytest.param("data_seed: int = 1", "data_seed: int = 2", True, id="annotated"),
        pytest.param(
            "r = np.random.default_rng(1)", "r = np.random.default_rng(2)", True, id="rng"
        ),
        pytest.param(
            "g = Generator(PCG64(1))", "g = Generator(PCG64(2))", True, id="bit generator"
        ),
        pytest.param("Forest(random_state=1)", "Forest(random_state=2)", True, id="sklearn's name"),
        pytest.param("SEEDS = [0, 1]", "SEEDS = [2, 3]", True, id="as many others"),
        pytest.param("SEEDS = [0]", "SEEDS = [0, 1, 2]", False, id="more of them"),
        pytest.param("SEEDS = [0, -1]", "SEEDS = (2, rank)", True, id="signs and names"),
        pytest.param("seed = rank + 1", "seed = args.seed + 2", True, id="computed from names"),
        pytest.param("seed = 1 if big else 2", "seed = 3 if big else 4", True, id="one of two"),
        pytest.param(
            "seed: int = field(default=1)", "seed: int = field(default=2)", True, id="field"
        ),
        pytest.param("seed = c.get('seed', 1)", "seed = c.get('seed', 2)", True, id="a lookup"),
        pytest.param("seed = int(e['S']) + 1", "seed = int(e['S']) + 2", True, id="a conversion"),
        pytest.param("SEEDS = range(3)", "SEEDS = range(5)", False, id="more of a range"),
        pytest.param("SEEDS = [1] * 2", "SEEDS = [1] * 3", False, id="more of a repeated list"),
        pytest.param("f(seeds=range(3))", "f(seeds=range(5))", False, id="more by a keyword"),
        pytest.param("seeds = [s for s in x]", "seeds = [s for s in y]", False, id="more, listed"),
        pytest.param("seeds = centres(x, k=8)", "seeds = centres(x, k=9)", False, id="a method"),
        pytest.param("init_seeds = far(x)", "init_seeds = rows(x)", False, id="another method"),
        pytest.param("n_seeds = 1", "n_seeds = 5", False, id="how many there are"),
        pytest.param("f(num_of_seeds=1)", "f(num_of_seeds=5)", False, id="a count by a keyword"),
        pytest.param(
            "a('--seed', type=int, default=1)",
            "a('--seed', type=int, default=2)",
            True,
            id="an option",
        ),
        pytest.param(
            "a('-s', '--data-seed', default=1)",
            "a('-s', '--data-seed', default=2)",
            True,
            id="an option of two names",
        ),
        pytest.param(
            "a('--num-seeds', default=1)",
            "a('--num-seeds', default=2)",
            False,
            id="an option that counts",
        ),
        pytest.param("a('--rate', default=1)", "a('--rate', default=2)", False, id="another"),
        pytest.param("lr, seed = 0.1, 1", "lr, seed = 0.1, 2", True, id="one of a pair"),
        pytest.param("lr, seed = 0.1, 1", "lr, seed = 0.2, 1", False, id="the other of a pair"),
        pytest.param("for seed in (1, 2): f()", "for seed in (3, 4): f()", True, id="a loop"),
        pytest.param("for seed in [1]: f()", "for seed in [1, 2]: f()", False, id="a longer loop"),
        pytest.param(
            "[f(seed) for seed in (1, 2)]",
            "[f(seed) for seed in (3, 4)]",
            True,
            id="a loop in a list",
        ),
        pytest.param(
            "for seed, lr in [(1, 2)]: f()",
            "for seed, lr in [(3, 2)]: f()",
            True,
            id="a loop over pairs",
        ),
        pytest.param(
            "for seed, lr in [(1, 2)]: f()",
            "for seed, lr in [(1, 3)]: f()",
            False,
            id="the other of such a pair",
        ),
        pytest.param("seedling = 1", "seedling = 2", False, id="another word"),
        pytest.param("x = rand(1)", "x = rand(2)", False, id="a draw"),
    ],
)
def test_what_counts_as_a_seed(rules, before, after, seed_only):
    files = {**WORKSPACE, "model.py": File(content=before.encode())}
    found = rules(changed("model.py", after.encode()), files=files)
    assert found == (["seed-only-change"] if seed_only else [])


def test_a_seed_beside_a_real_change_is_no_seed_only_change(rules):
    seed = replaced("SEED = 1", "SEED = 2").encode()
    assert rules(changed("train.py", seed), changed("model.py", b"WIDTH = 65\n")) == []
    assert rules(changed("train.py", seed), changed("config.json", b"[]\n")) == []


def test_seeds_may_change_where_the_policy_does_not_mind(source_rules, policy_text):
    lax = parse_policy(policy_text.replace(", seed-only-change", "")).policy
    assert source_rules(replaced("SEED = 1", "SEED = 2"), policy=lax) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([], id="no change at all"),
        pytest.param([changed("train.py", TRAIN)], id="the same bytes"),
        pytest.param([changed("train.py", TRAIN + b"\n# words\n")], id="a comment"),
        pytest.param([changed("train.py", TRAIN.replace(b"Train.", b"Learn."))], id="a docstring"),
        pytest.param([changed("scratchpad.md", b"more notes")], id="only notes"),
    ],
)
def test_there_is_nothing_to_run(rules, changes):
    assert rules(*changes) == ["no-change"]


@pytest.mark.parametrize("words", ["", "  \n", "...", "\u200b"])
def test_a_proposal_has_a_hypothesis(rules, words):
    assert rules(changed("model.py", b"WIDTH = 2\n"), hypothesis=words) == ["no-hypothesis"]


def test_a_repeat_names_the_earlier_experiment_and_its_result(messages, policy):
    tried = changed("model.py", b"WIDTH = 128\n")
    before = review(
        Proposal(hypothesis="wider", changes=(tried,)),
        policy,
        files=WORKSPACE,
        earlier=nothing,
    )
    assert before.violations == ()
    assert before.fingerprint is not None
    known = [
        Earlier(number=3, fingerprint=before.fingerprint, outcome="reverted, mean_rank 41.5"),
        Earlier(number=4, fingerprint="0" * 64, outcome="kept"),
    ]
    earlier = {each.fingerprint: each for each in known}.get
    again = changed("model.py", b'"""Wide."""\nWIDTH = (128)  # again\n')
    found = messages(again, earlier=earlier)
    assert list(found) == ["repeat"]
    assert "experiment 3 again (reverted, mean_rank 41.5)" in found["repeat"]
    other_seed = changed("train.py", replaced("SEED = 1", "SEED = 9").encode())
    assert list(messages(again, other_seed, earlier=earlier)) == ["repeat"]
    assert (
        messages(
            changed("model.py", b"WIDTH = 129\n"),
            earlier=earlier,
        )
        == {}
    )


def test_a_file_that_is_no_python_counts_by_its_bytes(rules):
    assert rules(changed("config.json", b"{} \n")) == []
