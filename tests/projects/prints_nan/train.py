import numpy as np

data = np.load("data/points.npz")
x, y = data["x"], data["y"]
n = int(0.8 * len(x))
learning_rate = 5.0
w = np.zeros(x.shape[1])
for epoch in range(2000):
    error = x[:n] @ w - y[:n]
    w -= learning_rate * x[:n].T @ error / n
    if epoch % 200 == 0:
        print("epoch", epoch, "val loss:", np.mean((x[n:] @ w - y[n:]) ** 2))
print("final val loss:", np.mean((x[n:] @ w - y[n:]) ** 2))
