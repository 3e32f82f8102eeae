import json
import logging
import os
from datetime import datetime

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from tqdm import tqdm, trange

HERE = os.path.dirname(os.path.abspath(__file__))
DATA_PATH = os.path.join(HERE, "data", "signals.npz")
LOG_DIR = os.path.join(HERE, "logs")
CKPT_DIR = os.path.join(HERE, "checkpoints")
PLOT_DIR = os.path.join(HERE, "plots")

EPOCHS = 8
BATCH_SIZE = 32
LR = 5e-5
WIDTH = 16
DROPOUT = 0.2
VAL_SPLIT = 0.25

for d in (LOG_DIR, CKPT_DIR, PLOT_DIR):
    os.makedirs(d, exist_ok=True)
logging.basicConfig(
    filename=os.path.join(LOG_DIR, f"train_{datetime.now():%Y%m%d_%H%M%S}.log"),
    level=logging.INFO,
    format="%(asctime)s %(message)s",
)


class SignalNet(nn.Module):
    def __init__(self, n_classes, width=WIDTH):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, width, 9, stride=4, padding=4), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, width * 2, 7, stride=2, padding=3), nn.BatchNorm1d(width * 2), nn.ReLU(),
            nn.Conv1d(width * 2, width * 2, 5, stride=2, padding=2), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(width * 2, n_classes))

    def forward(self, x):
        return self.head(self.features(x.unsqueeze(1)))


device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
print("Using device:", device)

data = np.load(DATA_PATH)
X = torch.tensor(data["signals"], dtype=torch.float32)
Y = torch.tensor(data["labels"], dtype=torch.int64)
perm = np.random.RandomState(123).permutation(len(X))
n_val = int(len(X) * VAL_SPLIT)
x_val, y_val = X[perm[:n_val]].to(device), Y[perm[:n_val]].to(device)
x_train, y_train = X[perm[n_val:]].to(device), Y[perm[n_val:]].to(device)

model = SignalNet(int(Y.max()) + 1).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=LR)
criterion = nn.CrossEntropyLoss()
history = {"loss": [], "val_acc": []}
best_acc = 0.0

for epoch in trange(EPOCHS, desc="epochs"):
    model.train()
    order = torch.randperm(len(x_train))
    running = 0.0
    bar = tqdm(range(0, len(order), BATCH_SIZE), leave=False)
    for i in bar:
        idx = order[i : i + BATCH_SIZE]
        optimizer.zero_grad()
        loss = criterion(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
        bar.set_postfix(loss=f"{loss.item():.3f}")

    model.eval()
    with torch.no_grad():
        val_acc = (model(x_val).argmax(1) == y_val).float().mean().item()
    history["loss"].append(running / len(order))
    history["val_acc"].append(val_acc)
    logging.info("epoch %d loss %.4f val_acc %.4f", epoch, history["loss"][-1], val_acc)
    tqdm.write(f"[epoch {epoch:02d}] loss: {history['loss'][-1]:.4f}  val acc: {val_acc:.4f}")
    if val_acc > best_acc:
        best_acc = val_acc
        torch.save({"epoch": epoch, "state_dict": model.state_dict()}, os.path.join(CKPT_DIR, "best.pth"))

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.plot(history["loss"])
left.set_title("training loss")
right.plot(history["val_acc"])
right.set_title("validation accuracy")
fig.savefig(os.path.join(PLOT_DIR, "history.png"))
plt.show()
with open(os.path.join(LOG_DIR, "history.json"), "w") as f:
    json.dump(history, f)

print(f"Final validation accuracy: {100 * val_acc:.2f}% (best {100 * best_acc:.2f}%)")
