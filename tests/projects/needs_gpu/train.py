import numpy as np
import torch
import torch.nn as nn

torch.backends.cudnn.benchmark = True
device = torch.device('cuda')

data = np.load('data/points.npz')
x = torch.from_numpy(data['x']).float()
y = torch.from_numpy(data['y']).float()
n = int(0.8 * len(x))

net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 1)).cuda()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(20):
    for i in range(0, n, 64):
        xb, yb = x[i:i + 64].to(device), y[i:i + 64].to(device)
        loss = ((net(xb).squeeze(1) - yb) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        val = ((net(x[n:].cuda()).squeeze(1) - y[n:].cuda()) ** 2).mean()
    print(f'epoch {epoch}: val mse {val.item():.5f}')
