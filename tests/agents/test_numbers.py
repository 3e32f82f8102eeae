"""Which numbers of a project `tune` finds, how far each may go, and that an edit is exact."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import paths
from runner.agents.numbers import Number, search, tunable, values, with_value
from runner.errors import ConfigError
from runner.policy.load import load_policy
from runner.records import File, Files


def project(**sources: str | bytes) -> tuple[Files, tuple[str, ...]]:
    """Return files by names in which `_` before the ending stands for a dot."""
    named = {"{}.{}".format(*name.rsplit("_", 1)): text for name, text in sources.items()}
    contents = {n: t if isinstance(t, bytes) else t.encode() for n, t in named.items()}
    return {name: File(content=text) for name, text in contents.items()}, tuple(named)


def found(**sources: str | bytes) -> dict[str, float]:
    return {each.name: each.value for each in tunable(*project(**sources))}


def only(**sources: str | bytes) -> Number:
    [number] = tunable(*project(**sources))
    return number


# -- what is found in Python ------------------------------------------------------------------

ARGPARSE = """
p = argparse.ArgumentParser()
p.add_argument("-b", "--batch-size", default=64, type=int, help="64 at first")
p.add_argument("--lr", type=float, default=1)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--log-interval", type=int, default=10)
p.add_argument("--out", default="model.pt")
p.add_argument("--no-cuda", action="store_true", default=False)
p.add_argument("--layers", type=int, default=2, choices=[1, 2])
p.add_argument("--gamma", type=float)
"""
CLICK = """
@click.command()
@click.option("--rate", "-r", default=3e-4, show_default=True)
@click.option("--depth", default=4, type=click.IntRange(1, 8))
@click.option("--wide/--narrow", default=True)
def main(rate, depth, wide): pass
"""
FIELDS = """
@dataclass
class Train:
    lr: float = 3e-4
    steps: int = field(default=500)
    name: str = "run"
    betas: tuple = (0.9, 0.999)
    device_count: int = 1

@dataclasses.dataclass(frozen=True)
class Other:
    floor: float = 1

class Model(BaseModel):
    width: int = Field(64, gt=0)
    slope: float = Field(default=0.2)

class CFG:
    epochs = 3
    n_folds = 5

class Network(nn.Module):
    expansion = 4
    dropout = 0.1
"""
DICTIONARIES = """
config = dict(lr=0.1, clever=3, optim={"weight_decay": 0.01}, eval=dict(batch_size=8))
CONFIG = {"tau": 0.07, "n_splits": 5, 7: 8}
LABELS = {"cat": 1, "dog": 2}
lgb_params = {"num_leaves": 31, "verbosity": 1, "objective": "binary", **more}
cfg["tempo"] = 5
groups = [{"params": a, "weight_decay": 0.2}]
"""
CALLS = """
model = nn.Sequential(nn.Linear(784, 128), nn.Dropout(p=0.1), nn.Dropout(0.2), nn.Conv2d(1, 32, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.8, 0.95), eps=1e-8)
forest = RandomForestClassifier(n_estimators=200, random_state=7, n_jobs=2, max_depth=None)
loader = DataLoader(data, batch_size=32, num_workers=2)
train_test_split(X, y, test_size=0.2)
KFold(n_splits=5)
plt.plot(x, alpha=0.5, width=3)
booster = lgb.train(params, data, num_boost_round=300)
torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.5)
"""
VARIABLES = """
import torch
learning_rate: float = 6e-4
dataset, c, total = "owt", 3, 17
eval_iters = 200
c = 3
warmup_iters = 100
def main():
    epochs = 5
    args.momentum = 0.9
    count = 3
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(ARGPARSE, {"batch-size": 64, "lr": 1}, id="argparse"),
        pytest.param(CLICK, {"rate": 3e-4}, id="click; a type that sets bounds is left alone"),
        pytest.param(
            'flags.DEFINE_float("lr", 0.1, "rate")\nflags.DEFINE_string("x", "1", "")\n',
            {"lr": 0.1},
            id="absl",
        ),
        pytest.param(
            FIELDS,
            {
                "Train.lr": 3e-4, "Train.steps": 500, "Train.betas.0": 0.9, "Train.betas.1": 0.999,
                "Other.floor": 1, "Model.width": 64, "Model.slope": 0.2, "CFG.epochs": 3,
                "dropout": 0.1,
            },
            id="dataclasses, pydantic and classes named after settings",
        ),
        pytest.param(
            DICTIONARIES,
            {
                "config.lr": 0.1, "config.clever": 3, "config.optim.weight_decay": 0.01,
                "CONFIG.tau": 0.07, "lgb_params.num_leaves": 31, "cfg.tempo": 5,
                "weight_decay": 0.2,
            },
            id="dictionaries",
        ),
        pytest.param(
            CALLS,
            {
                "Dropout.p": 0.1, "Dropout.p#2": 0.2, "AdamW.lr": 1e-3, "AdamW.betas.0": 0.8,
                "AdamW.betas.1": 0.95, "RandomForestClassifier.n_estimators": 200,
                "DataLoader.batch_size": 32, "train.num_boost_round": 300,
                "clip_grad_norm_.max_norm": 1.5,
            },
            id="keyword arguments of optimisers, layers and estimators",
        ),
        pytest.param(
            VARIABLES,
            {"learning_rate": 6e-4, "warmup_iters": 100, "epochs": 5, "momentum": 0.9},
            id="variables with known names",
        ),
    ],
)  # fmt: skip
def test_what_is_found_in_python(source, expected):
    assert found(train_py=source) == expected


# -- and in configuration ---------------------------------------------------------------------

YAML = """\
# learning
optim: &o
  lr: 1e-3          # a string for PyYAML, a number for everybody
  betas: [0.9, 0.99]
  milestones: [30, 60]
model: {hidden: 64, dropout: 0.0, name: "64"}
again:
  <<: *o
layers:
  - units: 32
note: |
  lr: 5
when: 2024-01-01
text: "lr: 5, 6"
seed: 3
data: {path: /x, batch_size: 8, test_size: 0.2}
eval: {batch_size: 64}
negative: -1
1: 5
"""
TOML = """\
title = "lr = 5"
[optim]
lr = 3e-4  # small
steps = 1_000
born = 1979-05-27
[[layers]]
units = 32
[logging]
every_so_often = 5
"""
JSON = '{"lr":0.1, "text": "lr: 5 ,", "net": {"hidden": [64, 32], "ids": [1, 2]},\t"port": 80}'


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        (
            "conf_yaml",
            YAML,
            {
                "optim.lr": 1e-3, "optim.betas.0": 0.9, "optim.betas.1": 0.99, "model.hidden": 64,
                "model.dropout": 0.0, "layers.0.units": 32, "data.batch_size": 8,
            },
        ),
        ("conf_toml", TOML, {"optim.lr": 3e-4, "optim.steps": 1000, "layers.0.units": 32}),
        ("conf_json", JSON, {"lr": 0.1, "net.hidden.0": 64, "net.hidden.1": 32}),
    ],
)  # fmt: skip
def test_what_is_found_in_configuration(name, source, expected):
    assert found(**{name: source}) == expected


def test_all_mutable_files_are_searched_and_no_other():
    files, _ = project(train_py="LR = 0.1\n", conf_yaml="dropout: 0.1\n", other_py="WIDTH = 8\n")
    numbers = tunable(files, ("train.py", "conf.yaml"))
    assert {str(each) for each in numbers} == {"train.py:1 LR = 0.1", "conf.yaml:1 dropout = 0.1"}


def test_settings_that_everybody_tunes_come_first():
    assert list(found(a_py="FLOOR = 2\nCEILING = 3\n", b_yaml="lr: 0.1\n")) == [
        "lr", "FLOOR", "CEILING",
    ]  # fmt: skip


# -- what is never tuned ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("seed", "data_seed", "random_state", "SEED", "rngSeed"),
        *("test_size", "n_splits", "val_fraction", "validation_split", "train_size", "cv"),
        *("eval_iters", "eval_interval", "eval_batch_size", "test_batch_size", "num_folds"),
        *("num_workers", "n_jobs", "device", "gpu", "port", "threads", "world_size"),
        *("verbose", "verbosity", "log_interval", "print_every", "save_every", "logging_steps"),
        *("out_dir", "data_path", "checkpoint_interval", "num_classes", "vocab_size", "max_rows"),
        *("n_samples", "in_channels", "image_size", "data_size", "train_seconds", "time_limit"),
        *("use_amp", "timeout", "dpi", "target_column", "sample_rate"),
    ],
)
def test_paths_splits_seeds_and_sizes_of_data_are_never_tuned(name):
    option = f'p.add_argument("--{name}", type=int, default=5)\n'
    for sources in (
        {"a_py": option},
        {"a_yaml": f"{name}: 5\n"},
        {"a_py": f"config = dict({name}=5)"},
    ):
        assert found(**sources) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("lr", "learning_rate", "min_samples_split", "max_features", "label_smoothing"),
        *("drop_path_rate", "per_device_train_batch_size", "num_train_epochs", "logit_scale"),
        *("fewest_rows_in_a_leaf", "colsample_bytree", "epochs", "tau", "blocks"),
    ],
)
def test_a_word_that_only_looks_like_one_of_them_is_tuned(name):
    assert found(a_yaml=f"{name}: 5\n") == {name: 5}


def test_a_comment_says_more_than_a_name_but_a_seed_stays():
    source = "THREADS = 2  # tune: 1..4\nSEED = 2  # tune: 1..4\nLR = 0.1\n"
    assert found(a_py=source) == {"THREADS": 2}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("foo = 3  # tune: 1..9", "foo"),
        ("def main():\n    foo = 3  # tune: 1..9", "foo"),
        ("model = Network(blobs=3)  # tune: 1..9", "Network.blobs"),
        ("BLOBS: Final = 3", "BLOBS"),
        ("optimizer = Adam(lr=3, eps=4)  # tune: 1..9", "Adam.lr"),
    ],
)
def test_a_comment_is_enough_whatever_the_number_is_called(line, name):
    assert found(a_py=f"{line}\nbar = 3\n") == {name: 3}


def test_zero_beside_a_range_over_the_logarithm_is_outside_of_it():
    span = only(a_py="X = 0.0  # tune: 0.1..1 log\n").range
    assert (span.low, span.high) == (0.1, 1.0)


def test_a_comment_in_one_file_leaves_the_numbers_of_all_others_alone():
    numbers = tunable(*project(a_py="LR = 0.1\n", b_toml="tau = 2 # tune: 1..9 log\n"))
    assert [(each.name, each.range.low, each.range.high) for each in numbers] == [("tau", 1, 9)]


def test_a_range_that_is_none_is_refused_in_configuration_too():
    with pytest.raises(ConfigError, match="the range of tau is none"):
        tunable(*project(b_yaml="tau: 2 # tune: 9..1\n"))


# -- how far ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "low", "high", "log", "odd"),
    [
        ("lr = 0.004", 0.001, 0.016, True, None),
        ("epochs = 10", 2, 40, True, None),
        ("dropout = 0.1", 0.0, 0.5, False, None),
        ("dropout = 0.0", 0.0, 0.5, False, None),
        ("dropout = 0.5", 0.0, 0.8, False, None),
        ("momentum = 0.9", 0.6, 0.975, False, None),
        ("subsample = 0.8", 0.2, 1.0, True, None),
        ("subsample = 1.0", 0.25, 1.0, True, None),
        ("m = XGBClassifier(subsample=1)", 0.25, 1.0, True, None),
        ("optimizer = SGD(momentum=1.0)", 0.25, 1.0, True, None),
        ("momentum = 1", 0.25, 1.0, True, None),
        ("max_features = 1", 1, 4, True, None),
        ("gamma = 2.0", 0.5, 8.0, True, None),
        ("batch_size = 64", 16, 256, True, 1),
        ("n_embd = 384", 96, 1536, True, 3),
        ("num_heads = 6", 3, 24, True, 3),
    ],
)
def test_a_range_follows_from_name_and_value(line, low, high, log, odd):
    span = only(a_py=f"{line}\n").range
    assert (span.low, span.high) == pytest.approx((low, high))
    assert (span.log, span.odd) == (log, odd)


@pytest.mark.parametrize(
    "line", ["lr = 0", "lr = 0.0", "dropout = 0", "lr = -1", f"lr = {10**400}"]
)
def test_a_number_that_says_nothing_of_its_range_is_left_alone(line):
    assert found(a_py=f"{line}\n") == {}


def test_all_of_something_may_become_a_share_of_it():
    number = only(a_yaml="feature_fraction: 1\n")
    assert (number.whole, number.rounded(0.812345)) == (False, 0.812)


def test_a_size_is_halved_and_doubled():
    number = only(a_py="n_embd = 384\n")
    assert {number.rounded(value) for value in range(96, 1537)} == {96, 192, 384, 768, 1536}


# -- why none ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ({"a_py": "print(1)\n"}, "a.py: it holds no setting that is a number"),
        ({"a_py": "def f(:\n"}, "a.py: invalid syntax"),
        ({"a_py": b"\xff = 1"}, "a.py: 'utf-8' codec"),
        ({"a_py": "SEED = 1\nTHREADS = 2\n"}, "a.py: never tuned are SEED, THREADS"),
        ({"a_yaml": "a: [1\n"}, "a.yaml: while parsing"),
        ({"a_json": "{"}, "a.json: Expecting"),
        ({"a_toml": "a ="}, "a.toml: "),
        ({"a_json": "[" * 100_000}, "a.json: "),
        ({"a_json": json.dumps({f"k{i}": i for i in range(1, 300)})}, "so it is data"),
        ({"a_txt": "lr = 1"}, "a.txt: it is neither Python nor a configuration"),
        ({"pyproject_toml": "[tool.ruff]\nline-length = 100\n"}, "neither Python nor"),
    ],
)
def test_it_says_why_there_is_none(sources, why):
    said = str(search(*project(**sources)))
    assert said.startswith("no number worth tuning: ")
    assert why in said
    assert "\n" not in said


def test_a_file_that_is_missing_is_named():
    assert str(search({}, ("a.py",))) == "no number worth tuning: a.py: it is missing"


def test_it_says_how_many_and_where():
    assert search(*project(a_py="LR = 0.1\n", b_yaml="# c\ndropout: 0.5\n")).listed == (
        "2 numbers in a.py, b.yaml: a.py:1 LR = 0.1, b.yaml:2 dropout = 0.5"
    )


SHIPPED = {
    "cifar10": 7, "eclip": 10, "eclip-ukiyo": 11, "heart": 1, "nanochat": 9, "packing": 5,
    "shakespeare": 7, "tabular": 8,
}  # fmt: skip


def test_in_the_tasks_that_ship_the_numbers_with_a_range_are_tuned():
    assert tuple(sorted(SHIPPED)) == paths.tasks()
    for task, count in SHIPPED.items():
        mutable = load_policy(paths.policy_path(task)).policy.files.mutable
        numbers = tunable(paths.template(task), mutable)
        assert len(numbers) == count
        assert {each.kind for each in numbers} == {"constant"}


# -- an edit is exact -------------------------------------------------------------------------

PYTHON = st.sampled_from([ARGPARSE, FIELDS, DICTIONARIES, CALLS, VARIABLES])
PREFIX = st.sampled_from(
    ["", "# \u00e9\u4e2d\n", "'''a\x0c\u2028\n\tb'''\n", "s = '\u00e9'; lr = 0.5\n"]
)
ENDS = st.sampled_from(["\n", "\r\n"])
BOM = st.sampled_from([b"", b"\xef\xbb\xbf"])


def parsed(path: str, content: bytes) -> object:
    """Return a program or configuration as something that two equal ones share."""
    text = content.decode("utf-8-sig")
    readers = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
    if path.endswith(".py"):
        return [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)]
    return readers[path.rpartition(".")[2]](text)


def leaves(value: object, keys: str = "") -> Mapping[str, object]:
    match value:
        case dict():
            pairs = [(str(key), each) for key, each in value.items()]
        case list():
            pairs = [(str(key), each) for key, each in enumerate(value)]
        case _:
            return {keys: value}
    return {k: v for key, each in pairs for k, v in leaves(each, f"{keys}.{key}").items()}


def check_edit(path: str, content: bytes, pick: int, share: float) -> None:
    numbers = tunable({path: File(content=content)}, (path,))
    assert numbers
    number = numbers[pick % len(numbers)]
    span = number.range
    value = number.rounded(span.low + share * (span.high - span.low))
    edited = with_value(content, number, value)
    assert edited[: number.start] == content[: number.start]
    assert edited.endswith(content[number.end :])
    after = values(path, edited)
    assert after.get(number.key, 0) == value
    before, now = leaves(parsed(path, content)), leaves(parsed(path, edited))
    assert before.keys() == now.keys()
    changed = [key for key in before if before[key] != now[key]]
    assert len(changed) <= (2 if "again" in str(changed) else 1)  # an alias of YAML shows it twice


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    source=PYTHON, prefix=PREFIX, end=ENDS, bom=BOM, pick=st.integers(0, 50), share=st.floats(0, 1)
)
def test_an_edit_of_python_changes_one_number(source, prefix, end, bom, pick, share):
    content = bom + (prefix + source.lstrip("\n")).replace("\n", end).encode()
    check_edit("train.py", content, pick, share)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([("a.yaml", YAML), ("a.toml", TOML), ("a.json", JSON)]),
    end=ENDS, bom=BOM, pick=st.integers(0, 50), share=st.floats(0, 1),
)  # fmt: skip
def test_an_edit_of_configuration_changes_one_number(kind, end, bom, pick, share):
    path, source = kind
    comment = "" if path == "a.json" else "# \u00e9\u4e2d, 5\n"
    check_edit(path, bom + (comment + source).replace("\n", end).encode(), pick, share)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.one_of(st.floats(1e-9, 1e9), st.integers(1, 10**6), st.text(), st.none(), st.booleans()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["lr", "net", "hidden", "x y", "5"]), inner, max_size=4
            ),
        ),
        max_leaves=12,
    ),
    form=st.sampled_from(["json", "yaml"]),
    pick=st.integers(0, 20),
)
def test_whatever_a_configuration_holds_an_edit_changes_one_value(value, form, pick):
    whole = {"lr": 0.5, "more": value}
    text = (
        json.dumps(whole, indent=1) if form == "json" else yaml.safe_dump(whole, allow_unicode=True)
    )
    content, path = text.encode(), f"a.{form}"
    check_edit(path, content, pick, 0.25)


@pytest.mark.parametrize("value", [3e-05, 1e22, 0.1, 2.0])
def test_a_number_in_yaml_stays_one_for_pyyaml(value):
    content = b"lr: 0.1\n"
    number = only(a_yaml=content)
    assert yaml.safe_load(with_value(content, number, value)) == {"lr": value}
