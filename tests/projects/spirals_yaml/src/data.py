from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset, random_split


def load_splits(path: str, val_fraction: float, split_seed: int):
    """Return the training and the validation part of an .npz file."""
    arrays = np.load(Path(path))
    dataset = TensorDataset(
        torch.from_numpy(arrays["points"]).float(), torch.from_numpy(arrays["labels"]).long()
    )
    n_val = int(len(dataset) * val_fraction)
    generator = torch.Generator().manual_seed(split_seed)
    return random_split(dataset, [len(dataset) - n_val, n_val], generator=generator)
