#!/usr/bin/env python3
"""Forecast tomorrow's electricity demand from the last two weeks."""

import argparse
import csv
import random

import numpy as np
import torch
import torch.nn as nn

try:
    import wandb
except ImportError:
    wandb = None
try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    SummaryWriter = None


class Logger:
    """Logs to whatever there is."""

    def __init__(self, config, use_wandb):
        self.run = wandb.init(project="demand-forecast", config=config) if wandb and use_wandb else None
        self.writer = SummaryWriter("runs") if SummaryWriter else None
        if self.run is None and self.writer is None:
            print("neither wandb nor tensorboard here, logging to the console only")

    def log(self, values, step):
        if self.run is not None:
            self.run.log(values, step=step)
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)
        print("  ".join([f"[{step:4d}]"] + [f"{k}={v:.4f}" for k, v in values.items()]))


def load(path):
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    return np.array([[float(r["demand"]), float(r["temperature"])] for r in rows], dtype=np.float32)


def windows(series, length):
    xs = np.stack([series[i : i + length] for i in range(len(series) - length)])
    ys = series[length:, 0]
    return torch.from_numpy(xs), torch.from_numpy(ys)


class Forecaster(nn.Module):
    def __init__(self, hidden, layers, dropout):
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, layers, batch_first=True, dropout=dropout)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.out(out[:, -1]).squeeze(-1)


def main():
    ap = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--csv", default="demand.csv")
    ap.add_argument("--epochs", type=int, default=8)
    ap.add_argument("--window", type=int, default=14)
    ap.add_argument("--hidden", type=int, default=32)
    ap.add_argument("--layers", type=int, default=1)
    ap.add_argument("--dropout", type=float, default=0.0)
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--batch_size", type=int, default=32)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--wandb", action="store_true", default=True)
    ap.add_argument("--no-wandb", dest="wandb", action="store_false")
    args = ap.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    series = load(args.csv)
    cut = int(len(series) * 0.8)  # the last fifth is the future
    mean, std = series[:cut].mean(0), series[:cut].std(0)
    scaled = (series - mean) / std
    x_train, y_train = windows(scaled[:cut], args.window)
    x_val, y_val = windows(scaled[cut - args.window :], args.window)

    logger = Logger(vars(args), args.wandb)
    model = Forecaster(args.hidden, args.layers, args.dropout)
    opt = torch.optim.Adam(model.parameters(), lr=args.lr)
    loss_fn = nn.L1Loss()
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        order = torch.randperm(len(x_train))
        for idx in order.split(args.batch_size):
            opt.zero_grad()
            loss = loss_fn(model(x_train[idx]), y_train[idx])
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
        model.eval()
        with torch.no_grad():
            mae = (model(x_val) - y_val).abs().mean().item() * float(std[0])
        logger.log({"train_loss": total / len(order), "val_mae": mae}, step=epoch)


if __name__ == "__main__":
    main()
