import random

import numpy as np
import torch
from torch import nn

# make it reproducible
random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

points = np.loadtxt("moons.txt")
random_order = list(range(len(points)))
random.shuffle(random_order)
points = points[random_order]
split = int(0.7 * len(points))
x = torch.tensor(points[:, :2], dtype=torch.float32)
y = torch.tensor(points[:, 2:], dtype=torch.float32)
x_train, x_test = x[:split], x[split:]
y_train, y_test = y[:split], y[split:]

hidden = 16
lr = 0.05
epochs = 400

model = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))
opt = torch.optim.SGD(model.parameters(), lr=lr)
for epoch in range(epochs):
    opt.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(model(x_train), y_train)
    loss.backward()
    opt.step()
    if epoch % 100 == 0:
        print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    test_loss = nn.functional.binary_cross_entropy_with_logits(model(x_test), y_test)
    test_acc = ((model(x_test) > 0) == (y_test > 0.5)).float().mean()
print("test loss", test_loss.item())
print("test accuracy", test_acc.item())
