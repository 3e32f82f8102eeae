"""Training projects in the styles that people have, and what adopting each should come to.

Each folder here is a project as its author has it: nothing in it knows of the runner.
Its data are not in it; `projects.data.write(name, folder)` makes them.
`recorded/NAME.txt` is what its command printed in that image, or the end of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent

Outcome = Literal[
    "runs",
    "gpu only",  # the rest each get a sentence
    "download",
    "asks for input",
    "endless output",
    "not finite",
    "no metric",
    "absent packages",
]
Seeds = Literal[
    "argument",  # `{seed}` in the command
    "fixed",  # the script sets its own, and two runs are equal to the last bit
    "none",  # two runs differ
]


@dataclass(frozen=True, kw_only=True)
class Better:
    """One edit that a good agent finds: `old` stands once in `file`, and `score` is what it got."""

    file: str
    old: str
    new: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Sealing:
    """How a person seals it: what they type, and what they write where `runner seal` cannot."""

    options: tuple[str, ...] = ()
    predict: str | None = None
    """Where what is in `sealed/NAME.py` goes, by hand."""
    edits: tuple[tuple[str, str, str], ...] = ()
    """File, what stands once in it, and what the person makes of that."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """One project and how it is adopted; paths are relative to its folder."""

    name: str
    style: str
    entry: str
    """The file that the command starts; a notebook's command starts what it is converted to."""
    run: str
    metric: str
    """A pattern with one `{}` for the number, or `FILE.json:dotted.key`."""
    minimize: bool
    data: tuple[str, ...] = ()
    change: tuple[str, ...]
    image: Literal["cpu", "tabular"] = "cpu"
    needs: tuple[str, ...]
    """The distributions that its code cannot do without."""
    seeds: Seeds = "none"
    outcome: Outcome = "runs"
    score: float | None = None
    """What the recorded run came to; None where there is no score."""
    better: Better | None = None
    culprits: tuple[str, ...] = ()
    """Lines of the entry file, one of which the sentence should name."""
    private: tuple[str, ...] = ()
    """Files that must not travel."""
    sealing: Sealing | None = Sealing()
    """None where it takes more than a person does in a quarter of an hour."""

    @property
    def folder(self) -> Path:
        return HERE / self.name

    def write_by_hand(self, template: Path) -> int:
        """Write into a sealed template what a person does, and return how many lines."""
        if self.sealing is None or self.sealing.predict is None:
            return 0
        answers = (HERE / "sealed" / f"{self.name}.py").read_text()
        (template / self.sealing.predict).write_text(answers)
        lines = [line for line in answers.splitlines() if line.strip()]
        for file, old, new in self.sealing.edits:
            text = (template / file).read_text()
            if text.count(old) != 1:
                raise ValueError(f"{file} has {old!r} {text.count(old)} times, not once")
            (template / file).write_text(text.replace(old, new))
            lines += [line for line in new.splitlines() if line not in old.splitlines()]
        return len(lines)

    @property
    def recorded(self) -> bytes:
        return (HERE / "recorded" / f"{self.name}.txt").read_bytes()

    @property
    def json_key(self) -> tuple[str, str] | None:
        """The file and the dotted key of a metric that is no pattern."""
        file, _, key = self.metric.rpartition(":")
        return (file, key) if file.endswith(".json") else None


PROJECTS = (
    Project(
        name="mnist_cnn",
        style="PyTorch with argparse: idx files, a CNN, a line for each epoch, saves its weights",
        entry="main.py",
        run="python main.py --epochs 3 --seed {seed}",
        metric="Average loss: {}",
        minimize=True,
        data=("data",),
        change=("main.py",),
        needs=("numpy", "torch"),
        seeds="argument",
        score=2.1177,
        better=Better(
            file="main.py",
            old="'--lr', type=float, default=0.01",
            new="'--lr', type=float, default=0.05",
            score=0.1235,
        ),
    ),
    Project(
        name="tiny_gpt",
        style="a GPT trainer of several files: globals that exec() overrides, memmapped tokens",
        entry="train.py",
        run="python train.py config/train_tales.py --seed={seed}",
        metric="val loss {}",
        minimize=True,
        data=("data/tales",),
        change=("train.py", "model.py", "config/*.py"),
        needs=("numpy", "torch"),
        seeds="argument",
        score=2.0683,
        better=Better(
            file="config/train_tales.py",
            old="learning_rate = 3e-4",
            new="learning_rate = 3e-3",
            score=0.6099,
        ),
        sealing=None,
    ),
    Project(
        name="names_lm",
        style="everything in one file: a character model of names, with samples",
        entry="namegen.py",
        run="python namegen.py -i names.txt --seed {seed}",
        metric="test loss: {}",
        minimize=True,
        data=("names.txt",),
        change=("namegen.py",),
        needs=("torch",),
        seeds="argument",
        score=1.42864,
        better=Better(
            file="namegen.py",
            old="default=3e-4",
            new="default=5e-3",
            score=0.9954,
        ),
        sealing=Sealing(
            options=("--text", "names.txt"),
            predict="predict.py",
            edits=(
                (
                    "namegen.py",
                    "    print('some new names:')",
                    "    torch.save((chars, args, model.state_dict()), 'names.pt')\n"
                    "    print('some new names:')",
                ),
            ),
        ),
    ),
    Project(
        name="lightgbm_rent",
        style="a library's example: tables without header at ../data, early stopping, RMSE",
        entry="python/train.py",
        run="cd python && python train.py",
        metric="The RMSE of prediction is: {}",
        minimize=True,
        data=("data",),
        change=("python/train.py",),
        image="tabular",
        needs=("lightgbm", "pandas", "scikit-learn"),
        score=106.96890914751263,
        better=Better(
            file="python/train.py",
            old='"learning_rate": 0.005',
            new='"learning_rate": 0.1',
            score=44.96542028983489,
        ),
    ),
    Project(
        name="kaggle_churn",
        style="an exported Kaggle notebook: cells as comments, folds, a submission file",
        entry="churn-baseline.py",
        run="python churn-baseline.py",
        metric="CV score: {}",
        minimize=False,
        data=("input",),
        change=("churn-baseline.py",),
        image="tabular",
        needs=("numpy", "pandas", "scikit-learn"),
        seeds="fixed",
        score=0.75953,
        better=Better(
            file="churn-baseline.py",
            old="'max_depth': 2",
            new="'max_depth': 12",
            score=0.83384,
        ),
    ),
    Project(
        name="wine_svm",
        style="scikit-learn with a scaler that the script fits, and a classification report",
        entry="train_model.py",
        run="python train_model.py",
        metric="Test accuracy: {}",
        minimize=False,
        data=("data/wine.csv",),
        change=("train_model.py",),
        image="tabular",
        needs=("joblib", "pandas", "scikit-learn"),
        seeds="fixed",
        score=0.5213333333333333,
        better=Better(
            file="train_model.py",
            old="PCA(n_components=3)",
            new="PCA(n_components=9)",
            score=0.7693333333333333,
        ),
    ),
    Project(
        name="spirals_yaml",
        style="a package with relative imports, started as a module, configured by YAML",
        entry="src/train.py",
        run="python -m src.train --config configs/base.yaml --seed {seed}",
        metric="val_loss={}",
        minimize=True,
        data=("data/spirals.npz",),
        change=("src/**/*.py", "configs/*.yaml"),
        needs=("PyYAML", "numpy", "torch"),
        seeds="argument",
        score=0.6049,
        better=Better(
            file="configs/base.yaml",
            old="lr: 0.0003",
            new="lr: 0.003",
            score=0.0188,
        ),
        sealing=Sealing(predict="src/predict.py"),
    ),
    Project(
        name="signals_tqdm",
        style="progress bars, plots, and logs, checkpoints and plots beside the script",
        entry="train_classifier.py",
        run="python train_classifier.py",
        metric="Final validation accuracy: {}%",
        minimize=False,
        data=("data",),
        change=("train_classifier.py",),
        needs=("matplotlib", "numpy", "torch", "tqdm"),
        score=22.5,
        better=Better(
            file="train_classifier.py",
            old="LR = 5e-5",
            new="LR = 2e-3",
            score=99.25,
        ),
    ),
    Project(
        name="forecast_wandb",
        style="wandb and tensorboard where there are any; a key in .env",
        entry="train.py",
        run="python train.py --csv demand.csv --seed {seed}",
        metric="val_mae={}",
        minimize=True,
        data=("demand.csv",),
        change=("train.py",),
        needs=("numpy", "torch"),
        seeds="argument",
        score=20.1967,
        better=Better(
            file="train.py",
            old='"--lr", type=float, default=1e-4',
            new='"--lr", type=float, default=5e-3',
            score=6.1772,
        ),
        private=(".env",),
        sealing=None,
    ),
    Project(
        name="housing_json",
        style="tabular regression in PyTorch whose numbers are in a JSON file only",
        entry="regress.py",
        run="python regress.py",
        metric="results/metrics.json:test.rmse",
        minimize=True,
        data=("data/houses.csv",),
        change=("regress.py",),
        needs=("pandas", "torch"),
        score=61527.16796875,
        better=Better(
            file="regress.py",
            old="learning_rate: float = 0.00002",
            new="learning_rate: float = 0.003",
            score=17534.994140625,
        ),
        sealing=Sealing(
            predict="predict.py",
            edits=(
                (
                    "regress.py",
                    "    df = df.fillna(df.median())",
                    '    df.median().to_json("medians.json")\n    df = df.fillna(df.median())',
                ),
                (
                    "regress.py",
                    "    return (X_train - mu) / sigma",
                    '    torch.save((mu, sigma), "scale.pt")\n    return (X_train - mu) / sigma',
                ),
                (
                    "regress.py",
                    "    return lambda inputs:",
                    '    torch.save((net, mean, scale), "net.pt")\n    return lambda inputs:',
                ),
            ),
        ),
    ),
    Project(
        name="moons_fixed_seed",
        style="a beginner's script that fixes every seed, so that all runs are equal",
        entry="main.py",
        run="python main.py",
        metric="test accuracy {}",
        minimize=False,
        data=("moons.txt",),
        change=("main.py",),
        needs=("numpy", "torch"),
        seeds="fixed",
        score=0.903333306312561,
        better=Better(
            file="main.py",
            old="lr = 0.05",
            new="lr = 1.0",
            score=0.9977777600288391,
        ),
    ),
    Project(
        name="wells_data_dir",
        style="data wherever a variable or an option says; started by a run.sh of its own",
        entry="run.sh",
        run="./run.sh {seed}",
        metric="log loss: {}",
        minimize=True,
        data=("datasets/wells",),
        change=("fit.py",),
        image="tabular",
        needs=("numpy", "pandas", "scikit-learn"),
        seeds="argument",
        score=0.5686,
        better=Better(
            file="fit.py",
            old='"--learning-rate", type=float, default=0.01',
            new='"--learning-rate", type=float, default=0.1',
            score=0.44777,
        ),
        sealing=Sealing(options=("--table", "datasets/wells/wells.csv", "--group", "village")),
    ),
    Project(
        name="image_folders",
        style="images in a folder for each class, read by workers; with setup.cfg and tests",
        entry="train.py",
        run="python train.py images --seed {seed}",
        metric="val error {} %",
        minimize=True,
        data=("images",),
        change=("train.py", "shapes/*.py"),
        needs=("numpy", "torch"),
        seeds="argument",
        score=66.67,
        better=Better(
            file="train.py",
            old="'--lr', type=float, default=0.01",
            new="'--lr', type=float, default=0.05",
            score=3.47,
        ),
    ),
    Project(
        name="flowers_notebook",
        style="a notebook with plots and a line magic",
        entry="flowers.ipynb",
        run="python flowers.py",
        metric="accuracy on test: {}",
        minimize=False,
        data=("flowers.csv",),
        change=("flowers.py",),
        image="tabular",
        needs=("matplotlib", "numpy", "pandas", "scikit-learn"),
        score=0.3466666666666667,
        better=Better(
            file="flowers.py",
            old="learning_rate_init=0.00005",
            new="learning_rate_init=0.005",
            score=0.8111111111111111,
        ),
    ),
    Project(
        name="evolve_no_data",
        style="a search without data or packages, seeded by the clock",
        entry="evolve.py",
        run="python evolve.py",
        metric="Best value: {}",
        minimize=False,
        change=("evolve.py",),
        needs=(),
        score=0.222549,
        better=Better(
            file="evolve.py",
            old="MUTATION_SIZE = 0.25",
            new="MUTATION_SIZE = 0.02",
            score=0.298963,
        ),
        sealing=None,
    ),
    Project(
        name="needs_gpu",
        style="cuda without a question",
        entry="train.py",
        run="python train.py",
        metric="val mse {}",
        minimize=True,
        data=("data",),
        change=("train.py",),
        needs=("numpy", "torch"),
        outcome="gpu only",
        culprits=("torch.device('cuda')", "nn.Linear(64, 1)).cuda()"),
    ),
    Project(
        name="downloads_url",
        style="fetches its table from an address when it starts",
        entry="train.py",
        run="python train.py",
        metric="MAE: {}",
        minimize=True,
        change=("train.py",),
        image="tabular",
        needs=("pandas", "scikit-learn"),
        outcome="download",
        culprits=("urllib.request.urlretrieve(URL, CACHE)", "https://data.example.org"),
    ),
    Project(
        name="downloads_dataset",
        style="torchvision, which no image has, downloads its data set: two things are in the way",
        entry="train.py",
        run="python train.py",
        metric="test accuracy {}",
        minimize=False,
        change=("train.py",),
        needs=("torch", "torchvision"),
        outcome="download",
        culprits=("train=True, download=True",),
    ),
    Project(
        name="downloads_sklearn",
        style="scikit-learn downloads its data set",
        entry="california.py",
        run="python california.py",
        metric="R2 score: {}",
        minimize=False,
        change=("california.py",),
        image="tabular",
        needs=("scikit-learn",),
        seeds="fixed",
        outcome="download",
        culprits=("= fetch_california_housing(",),
    ),
    Project(
        name="asks_input",
        style="asks the person at the keyboard",
        entry="fit.py",
        run="python fit.py",
        metric="rms error: {}",
        minimize=True,
        data=("measured.txt",),
        change=("fit.py",),
        needs=("numpy",),
        outcome="asks for input",
        culprits=('input("Degree of the polynomial? ")',),
    ),
    Project(
        name="never_ends",
        style="prints until somebody stops it",
        entry="train.py",
        run="python train.py",
        metric="loss {}",
        minimize=True,
        change=("train.py",),
        needs=("numpy",),
        outcome="endless output",
        culprits=("while True:", 'print(f"step {step:08d}'),
    ),
    Project(
        name="prints_nan",
        style="diverges, and prints nan as its result after numbers that are none",
        entry="train.py",
        run="python train.py",
        metric="final val loss: {}",
        minimize=True,
        data=("data",),
        change=("train.py",),
        needs=("numpy",),
        outcome="not finite",
    ),
    Project(
        name="prints_nothing",
        style="trains and saves, but never says how good it is",
        entry="train.py",
        run="python train.py",
        metric="val loss: {}",
        minimize=True,
        data=("data",),
        change=("train.py",),
        needs=("numpy",),
        outcome="no metric",
    ),
    Project(
        name="needs_packages",
        style="imports three packages that no image has",
        entry="finetune.py",
        run="python finetune.py",
        metric="val_acc: {}",
        minimize=False,
        data=("data",),
        change=("finetune.py",),
        needs=("einops", "numpy", "timm", "torch", "torchmetrics"),
        outcome="absent packages",
        culprits=("import timm", "from einops import", "from torchmetrics"),
    ),
)
