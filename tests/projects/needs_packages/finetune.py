import argparse

import numpy as np
import timm
import torch
from einops import rearrange
from torchmetrics.classification import MulticlassAccuracy

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-3)
args = parser.parse_args()

data = np.load("data/points.npz")
x = rearrange(torch.from_numpy(data["x"]).float(), "n f -> n f 1 1")
y = torch.from_numpy(data["y"] > 0).long()
model = timm.create_model("resnet18", num_classes=2, in_chans=x.shape[1])
metric = MulticlassAccuracy(num_classes=2)
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
for epoch in range(3):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x[:800]), y[:800]).backward()
    optimizer.step()
    print("val_acc:", metric(model(x[800:]), y[800:]).item())
