"""Learn which of three rings a point lies on."""

import argparse

import torch
from torch import nn

from data import load
from model import Net

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--hidden", type=int, default=8)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)
points, rings = load("data/rings.csv")
cut = int(len(points) * 0.8)

net = Net(args.hidden)
optimizer = torch.optim.Adam(net.parameters(), lr=args.lr)
for epoch in range(args.epochs):
    for start in range(0, cut, 32):
        batch = slice(start, min(start + 32, cut))
        loss = nn.functional.cross_entropy(net(points[batch]), rings[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad():
    guesses = net(points[cut:]).argmax(dim=1)
accuracy = (guesses == rings[cut:]).float().mean().item()
print(f"val accuracy: {accuracy:.4f}")
torch.save(net.state_dict(), "rings.pt")
