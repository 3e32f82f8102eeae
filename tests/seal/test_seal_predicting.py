"""How a script answers for new rows, as it is found and as it is written."""

from __future__ import annotations

import ast
import re

import pytest

from runner.seal.all_rows import all_rows
from runner.seal.answering import NotFoundError, answering
from runner.seal.predicting import skeleton, written
from runner.seal.script import Script

SCALED = """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

df = pd.read_csv("data/wine.csv").dropna()
df["ratio"] = df["acid"] / df["sugar"]
X = df.drop(columns=["good"])
y = df["good"]
X_train, X_test, y_train, y_test = train_test_split(X, y)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)
model = LogisticRegression()
model.fit(X_train, y_train)
print("accuracy", model.score(X_test, y_test))
"""
PIPELINE = """
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = "price"

def main():
    table = pd.read_csv("houses.csv")
    y = table.pop(TARGET)
    model = make_pipeline(StandardScaler(), Ridge())
    model.fit(table[:400], y[:400])
    print("r2", model.score(table[400:], y[400:]))

if __name__ == "__main__":
    main()
"""
SAVED = PIPELINE.replace("import pandas", "import joblib\nimport pandas").replace(
    '    print("r2"', '    joblib.dump(model, "house.joblib")\n    print("r2"'
)
BOOSTER = """
import lightgbm as lgb
import pandas as pd
train = pd.read_csv("rent.train", header=None, sep="\\t")
test = pd.read_csv("rent.test", header=None, sep="\\t")
gbm = lgb.train({}, lgb.Dataset(train.drop(0, axis=1), train[0]))
gbm.save_model("model.txt")
print("rmse", ((gbm.predict(test.drop(0, axis=1), num_iteration=3) - test[0]) ** 2).mean() ** 0.5)
"""
NET = """
import torch
class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.out = torch.nn.Linear(width, 3)
    def forward(self, x):
        return self.out(x)
"""
NETWORK = """
import argparse
import numpy as np
import torch
from net import Net
from torch.utils.data import DataLoader, TensorDataset

def evaluate(model, loader, device):
    model.eval()
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        print((model(x).argmax(1) == y).float().mean())

def main():
    args = argparse.ArgumentParser().parse_args()
    device = torch.device("cpu")
    X, y = np.load("x.npy"), np.load("y.npy")
    mean = X[:800].mean(0)
    X = torch.tensor(X - mean).float()
    test = TensorDataset(X[800:], torch.tensor(y)[800:])
    model = Net(4).to(device)
    loss = torch.nn.CrossEntropyLoss()
    evaluate(model, DataLoader(test, batch_size=args.batch, shuffle=True), device)
    torch.save(model.state_dict(), "net.pt")

if __name__ == "__main__":
    main()
"""
OWN_CLASS = NETWORK.replace("from net import Net\n", NET).replace(
    'if __name__ == "__main__":\n    main()', "main()"
)


def made(source, *, kind="binary", metric="accuracy", path="train.py", **modules):
    script = Script.read(path, source)
    others = {name: Script.read(f"{name}.py", text) for name, text in modules.items()}
    result = written(answering(script, others), others, kind=kind, metric=metric)
    ast.parse(result.script)
    return result


def body(result) -> list[str]:
    [function] = [
        one for one in ast.parse(result.predict).body
        if isinstance(one, ast.FunctionDef) and one.name == "predict"
    ]  # fmt: skip
    return [ast.unparse(one) for one in function.body[1:]]


@pytest.mark.parametrize(
    ("source", "options", "lines", "added"),
    [
        pytest.param(
            SCALED,
            {},
            [
                "kept = joblib.load('sealed.joblib')",
                "scaler = kept['scaler']",
                "model = kept['model']",
                "df = pd.read_csv('data/wine.csv')",
                "df['ratio'] = df['acid'] / df['sugar']",
                "X = df.drop(columns=['good'])",
                "X_test = X",
                "X_test = scaler.transform(X_test)",
                "return model.predict(X_test)",
            ],
            2,
            id="a scaler that the script fits is asked as well",
        ),
        pytest.param(
            PIPELINE,
            {"kind": "regression", "metric": "r2"},
            [
                "kept = joblib.load('sealed.joblib')",
                "model = kept['model']",
                "TARGET = 'price'",
                "table = pd.read_csv('houses.csv')",
                "y = table.pop(TARGET)",
                "return model.predict(table)",
            ],
            2,
            id="a pipeline in a function",
        ),
        pytest.param(
            SAVED,
            {"kind": "regression", "metric": "r2"},
            [
                "model = joblib.load('house.joblib')",
                "TARGET = 'price'",
                "table = pd.read_csv('houses.csv')",
                "y = table.pop(TARGET)",
                "return model.predict(table)",
            ],
            0,
            id="a model that the script saves needs no edit",
        ),
        pytest.param(
            BOOSTER,
            {"kind": "regression", "metric": "rmse"},
            [
                "gbm = lightgbm.Booster(model_file='model.txt')",
                "test = pd.read_csv('rent.test', header=None, sep='\\t')",
                "return gbm.predict(test.drop(0, axis=1))",
            ],
            0,
            id="a booster that saves itself",
        ),
        pytest.param(
            NETWORK,
            {"kind": "multi-class", "net": NET},
            [
                "kept = joblib.load('sealed.joblib')",
                "args = kept['args']",
                "mean = kept['mean']",
                "model = Net(4)",
                "model.load_state_dict(torch.load('net.pt', map_location='cpu'))",
                "X = np.load('x.npy')",
                "y = np.load('y.npy')",
                "X = torch.tensor(X - mean).float()",
                "test = TensorDataset(X, torch.tensor(y))",
                "loader = DataLoader(test, batch_size=args.batch)",
                "x = torch.cat([batch[0] for batch in loader])",
                "return torch.softmax(model.cpu().eval()(x), 1).detach().numpy()",
            ],
            2,
            id="a network of a module, through a loader and a function; its mean is kept",
        ),
    ],
)
def test_the_smallest_predict(source, options, lines, added):
    result = made(source, **options)
    assert body(result) == lines
    assert len(result.added) == added


DUMMIES = SCALED.replace(
    'X = df.drop(columns=["good"])',
    'X = pd.get_dummies(df.drop(columns=["good"]), drop_first=True)',
)


BEFORE_PARTING = """
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder, StandardScaler
df = pd.read_csv("d.csv")
{}
y = df["y"]
X_train, X_test, y_train, y_test = train_test_split(X, y)
model = LogisticRegression()
model.fit(X_train, y_train)
print("accuracy", model.score(X_test, y_test))
"""
INPUTS = "X = df.drop(columns='y')"
FITS_ITSELF = "X = StandardScaler().fit_transform(df)"


@pytest.mark.parametrize(
    ("code", "answers", "keeps"),
    [
        pytest.param(
            f"{INPUTS}\nscaler = StandardScaler()\nX = scaler.fit_transform(X)",
            "    X = scaler.transform(X)\n", "scaler = StandardScaler()\n", id="a scaler",
        ),
        pytest.param(
            f"{INPUTS}\nX = StandardScaler().fit_transform(X)",
            "    X = fitted_1.transform(X)\n",
            "X = (fitted_1 := StandardScaler()).fit_transform(X)\n", id="a scaler without a name",
        ),
        pytest.param(
            "X = StandardScaler().fit(df[['a']]).transform(df[['a']])",
            "    X = fitted_1.transform(df[['a']])\n",
            "(fitted_1 := StandardScaler().fit(df[['a']])).transform", id="fitted in a chain",
        ),
        pytest.param(
            "le = LabelEncoder()\ndf['a'] = le.fit_transform(df['a'])\n"
            f"df['b'] = le.fit_transform(df['b'])\n{INPUTS}",
            "enumerate(fitted_2.classes_)", "fitted_2 = deepcopy(le)\n",
            id="one encoder for several columns",
        ),
        pytest.param(
            "for c in df.columns:\n    if df[c].dtype == object:\n"
            f"        df[c] = LabelEncoder().fit_transform(df[c])\n{INPUTS}",
            "    for c in fitted_1:\n        df[c] = pd.Series(df[c]).map(",
            "fitted_1 = {{}}\nfor c in df.columns:\n    if df[c].dtype == object:\n        df[c] = "
            "(fitted := LabelEncoder()).fit_transform(df[c])\n        fitted_1[c] = fitted\n",
            id="a loop over columns, under a condition",
        ),
        pytest.param(
            f"for c in ['a', 'b']:\n    df[c] = df[c].fillna(df[c].median())\n{INPUTS}",
            "    for c in kept_1:\n        df[c] = df[c].fillna(kept_1[c])\n",
            "    kept_1[c] = df[c].median()\n", id="a loop that fills gaps",
        ),
        pytest.param(
            f"for c in ['a', 'b']:\n    df[c] = df[c].str.lower()\n{INPUTS}",
            "    for c in ['a', 'b']:\n        df[c] = df[c].str.lower()\n", "",
            id="a loop that keeps nothing",
        ),
        pytest.param(
            f"{INPUTS}\nX = (X - X.mean()) / X.std(axis=0)",
            "    X = (X - kept_1) / kept_2\n", "kept_1 = X.mean()\n", id="statistics",
        ),
        pytest.param(
            f"df['s'] = df[['a', 'b']].mean(axis=1)\n{INPUTS}",
            "    df['s'] = df[['a', 'b']].mean(axis=1)\n", "", id="but not those of a row",
        ),
        pytest.param(
            f"df['a'], words = pd.factorize(df['a'])\n{INPUTS}",
            "    df['a'], words = pd.factorize(df['a'])\n", "", id="two at once",
        ),
    ],
)  # fmt: skip
def test_what_rows_are_changed_with_before_they_are_parted_is_trainings(code, answers, keeps):
    source = BEFORE_PARTING.format(code)
    made = written(answering(Script.read("train.py", source), {}), {}, kind="binary", metric="f1")
    assert answers in made.predict
    assert keeps.format() in made.script
    assert "fit_transform" not in made.predict
    for text in (made.predict, made.script):
        compile(text, "made", "exec")


ON_FOLDS = """
import pandas as pd
df = pd.read_csv("d.csv")
X, y = df.drop(columns="y"), df["y"]
{}
"""


@pytest.mark.parametrize(
    ("code", "answer", "keeps"),
    [
        pytest.param(
            "model = SVC()\nprint(cross_val_score(model, X, y, cv=5).mean())",
            "return model.predict(X)", "model.fit(X, y)\nimport joblib", id="tried on folds",
        ),
        pytest.param(
            "print(cross_val_score(SVC(), X, y, cv=5).mean())",
            "return fitted_model.predict(X)", "fitted_model = SVC().fit(X, y)\n",
            id="without a name",
        ),
        pytest.param(
            "grid = GridSearchCV(SVC(), {})\ngrid.fit(X, y)\nbest = grid.best_estimator_\n"
            "print(best.score(X, y))",
            "return best.predict(X)", '{"best": best}', id="the best of a search",
        ),
        pytest.param(
            "for n, (trn, va) in enumerate(KFold(5).split(X)):\n    model = SVC()\n"
            "    model.fit(X.iloc[trn], y[trn])\n    p = model.predict(X.iloc[va])",
            "return model.predict(X)", '{"model": model}', id="folds by hand",
        ),
    ],
)  # fmt: skip
def test_a_model_that_is_tried_on_folds_is_asked(code, answer, keeps):
    source = ON_FOLDS.replace("{}", code)
    made = written(answering(Script.read("train.py", source), {}), {}, kind="binary", metric="f1")
    assert answer in made.predict
    assert keeps in made.script


def test_that_the_last_of_several_models_is_asked_is_told():
    code = "for name, model in models.items():\n    model.fit(X, y)\n    print(model.score(X, y))"
    source = f"models = {{'svm': SVC(), 'lda': LDA()}}{ON_FOLDS.replace('{}', code)}"
    found = answering(Script.read("train.py", source), {})
    assert any(
        note.startswith("it fits several models in a loop at line 5") for note in found.notes
    )
    one = ON_FOLDS.replace("{}", "model = SVC()\nmodel.fit(X, y)\nprint(model.score(X, y))")
    assert not answering(Script.read("train.py", one), {}).notes


def test_what_numbers_or_fits_the_asked_rows_anew_is_told_of():
    code = f"df['a'] = df['a'].astype('category').cat.codes\n{INPUTS}"
    found = answering(Script.read("train.py", BEFORE_PARTING.format(code)), {})
    assert any(".cat.codes" in note for note in found.notes)
    code = f"df['lag'] = df['a'].shift(1)\n{INPUTS}"
    found = answering(Script.read("train.py", BEFORE_PARTING.format(code)), {})
    assert any("neighbouring rows" in note for note in found.notes)
    code = "from sklearn.datasets import load_files\nX = load_files('x').data"
    found = answering(Script.read("train.py", BEFORE_PARTING.format(code)), {})
    assert "X = load_files('x', shuffle=False).data" in found.lines
    code = (
        "def load():\n    return StandardScaler().fit_transform(pd.read_csv('d.csv'))\nX = load()"
    )
    found = answering(Script.read("train.py", BEFORE_PARTING.format(code)), {})
    assert any(note.startswith("load() fits") for note in found.notes)


def test_a_statement_that_stands_twice_is_done_twice_and_columns_may_be_drawn():
    code = "cols = random.sample(list(df.columns), 3)\ndf = df[cols]\n" + 2 * "df['a'] *= 2\n"
    source = f"import random{BEFORE_PARTING.format(code + INPUTS)}"
    found = answering(Script.read("train.py", source), {})
    assert found.lines.count("df['a'] *= 2") == 2
    assert "cols = random.sample(list(df.columns), 3)" in found.lines


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(BEFORE_PARTING.format(f"x = '''\x0c'''\n{FITS_ITSELF}"), id="a form feed"),
        pytest.param(BEFORE_PARTING.format(f"x = '\u2028'\n{FITS_ITSELF}"), id="a line separator"),
        pytest.param(
            BEFORE_PARTING.format(FITS_ITSELF).replace("\n", "\r\n"), id="lines of Windows"
        ),
        pytest.param(
            f'{BEFORE_PARTING.format(FITS_ITSELF)}"""\nend"""; print(1)', id="a last line"
        ),
    ],
)
def test_lines_go_where_the_parser_counts_them(source):
    result = written(answering(Script.read("train.py", source), {}), {}, kind="binary", metric="f1")
    compile(result.script, "made", "exec")
    assert "X = (fitted_1 := StandardScaler()).fit_transform(df)" in result.script


ASKING = BEFORE_PARTING.replace('print("accuracy", model.score(X_test, y_test))', "ask(X_test)")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            BEFORE_PARTING.replace("train_test_split(X, y)", "train_test_split(*both)"),
            "line 9 parts rows",
        ),
        (BEFORE_PARTING.replace("{}", "X = s.fit_transform()"), "what fit_transform() at line 7"),
        (
            ASKING.replace("{}", "def ask(d):\n    print(model.predict(d))\n    ask(d)\nX = df"),
            "where 'd' of ask() comes from",
        ),
    ],
)
def test_what_is_not_followed_is_said(source, why):
    with pytest.raises(NotFoundError, match=re.escape(why)):
        answering(Script.read("train.py", source), {})


@pytest.mark.parametrize("code", ["StandardScaler().fit_transform(X=df)", "s.fit_transform(X=df)"])
def test_what_is_given_by_name_is_given(code):
    source = BEFORE_PARTING.format(f"s = StandardScaler()\nX = {code}")
    assert any(
        ".transform(df)" in line for line in answering(Script.read("a.py", source), {}).lines
    )


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("df['a'].str[:2]", "df['a'].str[:2]"),
        ("df['a'].str.split().str[1:][:90]", "df['a'].str.split().str[1:]"),
        ("df['a'].apply(lambda s: s[:2])", "df['a'].apply(lambda s: s[:2])"),
        ("[s.strip()[-2:] for s in df['a'][:90]]", "[s.strip()[-2:] for s in df['a']]"),
        ("[s[1:] for s in df['a']]", "[s[1:] for s in df['a']]"),
        ("[x[test_idx] for x in (df, y)]", "[x for x in (df, y)]"),
    ],
)
def test_a_part_of_each_text_is_no_part_of_the_rows(value, kept):
    assert ast.unparse(all_rows(ast.parse(value, mode="eval").body)) == kept


@pytest.mark.parametrize(
    ("value", "of_rows"),
    [
        ("df['a'].tolist()", True),
        ("list(df['a'])", True),
        ("df[df.columns].values.tolist()", True),
        ("df['a'].unique()[:9].tolist()", False),
        ("df['a'].value_counts().head(9).index.tolist()", False),
        ("list(df.columns.drop('y'))", False),
        ("df[['a', 'b']].sum(axis=1)", True),
        ("df.max(axis='columns')", True),
        ("df[['a', 'b']].sum(axis=1).tolist()", True),
        ("np.mean(df, 1)", True),
        ("df.min(1)", True),
        ("df['a'].str.len()", True),
        ("df['a'].sum()", False),
        ("df['a'].quantile(1)", False),
        ("max(len(df), 1)", False),
    ],
)
def test_what_has_something_of_each_row_is_not_kept_from_training(value, of_rows):
    code = f"import numpy as np\nnew = {value}\ndf['new'] = new\n{INPUTS}"
    found = answering(Script.read("train.py", BEFORE_PARTING.format(code)), {})
    assert (f"new = {value}" in found.lines) == of_rows
    assert ("new" in found.kept) != of_rows


CHANGED = """
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder, StandardScaler
df = pd.read_csv("d.csv")
X = df.drop(columns=["price"])
{}
X_train, X_test, y_train, y_test = train_test_split(X, y)
model = Ridge().fit(X_train, y_train)
{}
"""
SCALES = (
    "scaler = StandardScaler()\ny = scaler.fit_transform(df[['price']].values)",
    "y_mean = df['price'].mean()\ny_std = df['price'].std()\ny = (df['price'] - y_mean) / y_std",
)
SAYS = "print('rmse', ((model.predict(X_test) - y_test) ** 2).mean())"


@pytest.mark.parametrize(
    ("made_so", "asked", "answer"),
    [
        pytest.param(
            "y = np.log1p(df['price'])", "p = np.expm1(model.predict(X_test))",
            "np.expm1(model.predict(X_test))", id="in the line",
        ),
        pytest.param(
            "y = np.log(df['price'])", "p = model.predict(X_test)\nprint(mse(np.exp(p), y_test))",
            "np.exp(model.predict(X_test))", id="in a later line",
        ),
        pytest.param(
            SCALES[0], "p = scaler.inverse_transform(model.predict(X_test).reshape(-1, 1)).ravel()",
            "scaler.inverse_transform(model.predict(X_test).reshape(-1, 1)).ravel()", id="a scaler",
        ),
        pytest.param(
            SCALES[1], "p = model.predict(X_test) * y_std + y_mean",
            "model.predict(X_test) * y_std + y_mean", id="by hand",
        ),
        pytest.param("y = df['price']", SAYS, "model.predict(X_test)", id="a plain column"),
        pytest.param(
            "df = df.replace('?', 0)\ny = df['price'].values", SAYS, "model.predict(X_test)",
            id="a changed table",
        ),
        pytest.param(
            "y = LabelEncoder().fit_transform(df['price'])", SAYS, "model.predict(X_test)",
            id="places of words",
        ),
    ],
)  # fmt: skip
def test_answers_are_changed_back_as_the_script_does(made_so, asked, answer):
    script = Script.read("train.py", CHANGED.replace("{}", made_so, 1).replace("{}", asked))
    found = answering(script, {})
    result = written(found, {}, kind="regression", metric="rmse")
    assert body(result)[-1] == f"return {answer}"
    assert not found.notes
    compile(result.script, "made", "exec")


@pytest.mark.parametrize(
    ("made_so", "step"),
    [
        ("y = np.log1p(df['price'])", "np.log1p(df['price'])"),
        ("df['price'] = df['price'] / 1000\ny = df['price'].values", "df['price'] / 1000"),
        ("y = (df['price'] == 'low').astype(int)", "df['price'] == 'low'"),
        ("y = df['price'].map(places)", "df['price'].map(places)"),
    ],
)
def test_a_changed_target_that_nothing_changes_back_is_told_of(made_so, step):
    script = Script.read("train.py", CHANGED.replace("{}", made_so, 1).replace("{}", SAYS))
    assert any(f"changed target, {step}:" in note for note in answering(script, {}).notes)


@pytest.mark.parametrize(
    ("mapping", "metric", "answer"),
    [
        (
            "{'Low': 0, 'Mid': 1, 'High': 2}", "accuracy",
            "[{0: 'Low', 1: 'Mid', 2: 'High'}[one] for one in model.predict(X_test)]",
        ),
        ("{'Low': 0, 'Mid': 1, 'High': 2}", "log_loss",
         "model.predict_proba(X_test)[:, [2, 0, 1]]"),
        ("{'no': 0, 'yes': 1}", "accuracy", "model.predict(X_test)"),
        ("{'no': 0, 'yes': 1}", "roc_auc", "model.predict_proba(X_test)"),
        ("{3: 0, 4: 1}", "accuracy", "[{0: 3, 1: 4}[one] for one in model.predict(X_test)]"),
    ],
)  # fmt: skip
def test_a_mapped_target_is_answered_with_what_stands_in_the_data(mapping, metric, answer):
    made_so = f"df['price'] = df['price'].map({mapping})\ny = df['price']"
    source = CHANGED.replace("{}", made_so, 1).replace("{}", SAYS)
    script = Script.read("train.py", source.replace("Ridge()", "RandomForestClassifier()"))
    found = answering(script, {})
    assert body(written(found, {}, kind="binary", metric=metric))[-1] == f"return {answer}"
    assert not found.notes


OPTIONS = """
import argparse
import joblib
import pandas as pd
from sklearn.svm import SVC
p = argparse.ArgumentParser()
p.add_argument("-o", "--out", default="model.joblib")
args = p.parse_args()
df = pd.read_csv("d.csv")
X = df.drop(columns="y")
model = SVC().fit(X, df["y"])
joblib.dump(model, args.out)
print("accuracy", model.score(X, df["y"]))
"""


@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        ("python train.py", "model = joblib.load('model.joblib')"),
        ("python train.py --out best.joblib", "model = joblib.load('best.joblib')"),
        ("python train.py --out=best.joblib --seed 1", "model = joblib.load('best.joblib')"),
        ("python train.py -o 'the best'", "model = joblib.load('the best')"),
        ("python train.py --out m{seed}.joblib", "kept = joblib.load('sealed.joblib')"),
        ("echo isn't; python train.py", "model = joblib.load('model.joblib')"),
    ],
)
def test_what_the_command_says_wins_over_an_options_default(command, loaded):
    script = Script.read("train.py", OPTIONS, command)
    result = written(answering(script, {}), {}, kind="binary", metric="accuracy")
    assert body(result)[0] == loaded


def test_a_loop_that_changes_columns_under_a_condition_is_refused():
    code = f"for c in df.columns:\n    if c != 'a':\n        df[c] = df[c].abs()\n{INPUTS}"
    with pytest.raises(NotFoundError, match="line 7 changes columns under a condition"):
        answering(Script.read("train.py", BEFORE_PARTING.format(code)), {})


def test_columns_made_of_words_are_those_that_training_had():
    result = made(DUMMIES)
    assert body(result)[4:8] == [
        "df = pd.read_csv('data/wine.csv')",
        "df['ratio'] = df['acid'] / df['sugar']",
        "X = pd.get_dummies(df.drop(columns=['good']))",
        "X = X.reindex(columns=X_columns, fill_value=0)",
    ]
    lines = result.script.splitlines()
    after = next(place for place, line in enumerate(lines) if "get_dummies" in line)
    assert lines[after + 1] == "X_columns = list(X.columns)"
    assert '"X_columns": X_columns' in lines[-1]


def test_columns_that_do_not_outlive_a_function_are_told_of():
    inside = DUMMIES.replace(
        "df = pd", "def words(table):\n    return pd.get_dummies(table)\n\ndf = pd"
    ).replace('pd.get_dummies(df.drop(columns=["good"]), drop_first=True)', "words(df).values")
    script = Script.read("train.py", inside)
    assert any("get_dummies" in note for note in answering(script, {}).notes)


def test_what_is_saved_is_saved_before_a_function_ends():
    result = made(PIPELINE, kind="regression", metric="r2")
    saved = [line for line in result.script.splitlines() if "joblib.dump" in line]
    assert saved == ['    joblib.dump({"model": model}, "sealed.joblib")']


def test_lines_come_before_what_a_function_returns():
    returns = SAVED.replace('    joblib.dump(model, "house.joblib")\n', "").replace(
        '    print("r2", model.score(table[400:], y[400:]))',
        "    score = model.score(table[400:], y[400:])\n    return score",
    )
    result = made(returns, kind="regression", metric="r2")
    lines = result.script.splitlines()
    assert lines.index("    return score") == 1 + lines.index(f"    {result.added[-1]}")


def test_a_class_of_a_script_that_trains_when_imported_is_saved_by_value():
    result = made(OWN_CLASS, kind="multi-class")
    assert "cloudpickle" in result.script
    assert "import Net" not in result.predict


def test_a_class_of_a_script_that_runs_nothing_when_imported_is_imported():
    result = made(NETWORK.replace("from net import Net\n", NET), kind="multi-class")
    assert "from train import Net" in result.predict


def test_a_save_that_an_option_asks_for_is_none():
    optional = SAVED.replace(
        '    joblib.dump(model, "house.joblib")',
        '    if args.save:\n        joblib.dump(model, "house.joblib")',
    )
    assert len(made(optional, kind="regression").added) == 2


def test_probabilities_are_given_where_the_metric_needs_them():
    assert body(made(SCALED, metric="roc_auc"))[-1] == "return model.predict_proba(X_test)"
    machine = SCALED.replace("LogisticRegression", "SVC")
    assert body(made(machine, metric="roc_auc"))[-1] == "return model.predict(X_test)"


def test_functions_are_copied_where_an_import_would_train():
    functions = SCALED.replace(
        "df = pd.read_csv", "def load(path):\n    return pd.read_csv(path)\n\ndf = load"
    )
    result = made(functions)
    assert "def load(path):" in result.predict
    assert "from train" not in result.predict


def test_a_copied_function_brings_the_values_that_it_uses_and_no_others():
    functions = SCALED.replace(
        "df = pd.read_csv",
        "NAMES = ['acid', 'sugar']\nSIZE = len(NAMES)\nother = 1\n"
        "def load(path):\n    other = SIZE\n    return pd.read_csv(path)\n\ndf = load",
    )
    result = made(functions)
    assert "NAMES = ['acid', 'sugar']\n\n\nSIZE = len(NAMES)\n\n\ndef load" in result.predict
    assert "other = 1" not in result.predict


@pytest.mark.parametrize(
    "imported", ["import config", "from src import config", "import src.settings as config"]
)
def test_a_module_of_settings_is_imported_and_not_kept(imported):
    source = SCALED.replace("import pandas", f"{imported}\nimport pandas")
    source = source.replace('"data/wine.csv"', "config.DATA")
    result = made(source, config="DATA = 'data/wine.csv'")
    assert '"config"' not in result.script
    assert f"{imported}\n" in result.predict
    value = made(source.replace(imported, "from settings import config"))
    assert '"config": config' in value.script


def test_neighbours_are_imported_by_their_package():
    relative = SCALED.replace("pd.read_csv", "load").replace(
        "import pandas as pd", "from .data import load"
    )
    assert "from src.data import load" in made(relative, path="src/train.py").predict


@pytest.mark.parametrize(
    ("source", "why"),
    [
        pytest.param("print('loss', 0.5)\n", "no fitted model", id="nothing is fitted"),
        pytest.param(
            "from sklearn.svm import SVC\nm = SVC()\nm.fit([[0], [1]], [0, 1])\nm.predict(rows)\n",
            "where rows comes from",
            id="rows from nowhere",
        ),
        pytest.param(
            "from sklearn.svm import SVC\nfrom sklearn.model_selection import train_test_split\n"
            "def load():\n    return train_test_split([[0], [1]], [0, 1])\n"
            "a, b, c, d = load()\nm = SVC()\nm.fit(a, c)\nm.predict(b)\n",
            "load() of train.py parts the rows",
            id="a function that parts rows",
        ),
    ],
)
def test_what_cannot_be_found_is_said(source, why):
    with pytest.raises(NotFoundError, match=why.replace("(", r"\(").replace(")", r"\)")):
        answering(Script.read("train.py", source), {})


def test_a_skeleton_says_what_to_write_and_does_not_pass_for_done():
    text = skeleton("no model", given="an array", answers="a number for each row")
    assert "TODO" in text
    assert "an array" in text
    assert "a number for each row" in text
    ast.parse(text)
