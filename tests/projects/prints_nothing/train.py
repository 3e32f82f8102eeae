import numpy as np

data = np.load("data/points.npz")
x, y = data["x"], data["y"]
w = np.zeros(x.shape[1])
print("training on", len(x), "rows")
for _ in range(3000):
    w -= 0.01 * x.T @ (x @ w - y) / len(x)
np.save("weights.npy", w)
print("saved weights.npy")
