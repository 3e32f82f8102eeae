"""The table as tensors."""

import pandas as pd
import torch


def load(path):
    table = pd.read_csv(path)
    points = torch.tensor(table[["x", "y"]].values, dtype=torch.float32)
    rings = torch.tensor(table["ring"].values)
    return points, rings
