import numpy as np

rng = np.random.default_rng()
w = np.zeros(8)
target = rng.normal(size=8)
step = 0
# stop it with ctrl-c when the loss looks good
while True:
    x = rng.normal(size=(16, 8))
    grad = x.T @ (x @ (w - target)) / len(x)
    w -= 1e-4 * grad
    step += 1
    print(f"step {step:08d} loss {np.mean((x @ (w - target)) ** 2):.6f}")
