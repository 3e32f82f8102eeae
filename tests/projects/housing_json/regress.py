import json
import os
import time
from dataclasses import asdict, dataclass, field

import pandas as pd
import torch
from torch import nn


@dataclass
class Config:
    csv_path: str = os.path.join("data", "houses.csv")
    target: str = "price"
    categorical: list = field(default_factory=lambda: ["district", "heating"])
    hidden_dim: int = 64
    learning_rate: float = 0.00002
    weight_decay: float = 1e-4
    num_epochs: int = 30
    batch_size: int = 64
    test_frac: float = 0.2
    results_dir: str = "results"


def prepare(cfg):
    df = pd.read_csv(cfg.csv_path)
    df = df.sample(frac=1, random_state=2024).reset_index(drop=True)
    y = torch.tensor(df.pop(cfg.target).values, dtype=torch.float32)
    df = pd.get_dummies(df, columns=cfg.categorical, dtype=float)
    df = df.fillna(df.median())
    n_test = int(len(df) * cfg.test_frac)
    X = torch.tensor(df.values, dtype=torch.float32)
    X_test, X_train, y_test, y_train = X[:n_test], X[n_test:], y[:n_test], y[n_test:]
    mu, sigma = X_train.mean(0), X_train.std(0) + 1e-6
    return (X_train - mu) / sigma, y_train, (X_test - mu) / sigma, y_test


def fit(cfg, X, y):
    mean, scale = y.mean(), y.std()
    net = nn.Sequential(
        nn.Linear(X.shape[1], cfg.hidden_dim), nn.SiLU(),
        nn.Linear(cfg.hidden_dim, cfg.hidden_dim), nn.SiLU(),
        nn.Linear(cfg.hidden_dim, 1),
    )
    optim = torch.optim.AdamW(net.parameters(), lr=cfg.learning_rate, weight_decay=cfg.weight_decay)
    for _ in range(cfg.num_epochs):
        for batch in torch.randperm(len(X)).split(cfg.batch_size):
            loss = nn.functional.mse_loss(net(X[batch]).squeeze(1), (y[batch] - mean) / scale)
            optim.zero_grad()
            loss.backward()
            optim.step()
    return lambda inputs: net(inputs).squeeze(1) * scale + mean


def metrics(pred, y):
    err = pred - y
    return {
        "rmse": err.pow(2).mean().sqrt().item(),
        "mae": err.abs().mean().item(),
        "r2": (1 - err.pow(2).sum() / (y - y.mean()).pow(2).sum()).item(),
    }


if __name__ == "__main__":
    cfg = Config()
    start = time.time()
    X_train, y_train, X_test, y_test = prepare(cfg)
    predict = fit(cfg, X_train, y_train)
    with torch.no_grad():
        results = {
            "config": asdict(cfg),
            "train": metrics(predict(X_train), y_train),
            "test": metrics(predict(X_test), y_test),
            "seconds": round(time.time() - start, 2),
        }
    os.makedirs(cfg.results_dir, exist_ok=True)
    with open(os.path.join(cfg.results_dir, "metrics.json"), "w") as fh:
        json.dump(results, fh, indent=2)
    print("Done. See", os.path.join(cfg.results_dir, "metrics.json"))
