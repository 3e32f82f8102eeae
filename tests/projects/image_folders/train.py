import argparse

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset

from shapes.folder import ImageFolder
from shapes.net import SmallNet


def to_tensor(image):
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float().div(255).sub(0.5)


def main(args):
    torch.manual_seed(args.seed)
    dataset = ImageFolder(args.root, transform=to_tensor)
    print('classes:', dataset.classes, 'images:', len(dataset))
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(99)).tolist()
    n_val = len(dataset) // 5
    val = DataLoader(Subset(dataset, order[:n_val]), batch_size=128)
    train = DataLoader(Subset(dataset, order[n_val:]), batch_size=args.batch, shuffle=True,
                       num_workers=args.workers, persistent_workers=args.workers > 0)

    net = SmallNet(len(dataset.classes))
    opt = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)
    for epoch in range(args.epochs):
        for x, y in train:
            loss = F.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()

        hits, nll = 0, 0.0
        with torch.no_grad():
            for x, y in val:
                out = net(x)
                hits += (out.argmax(1) == y).sum().item()
                nll += F.cross_entropy(out, y, reduction='sum').item()
        print(f'{epoch:3d}  val error {100 * (1 - hits / n_val):6.2f} %  nll {nll / n_val:.4f}')


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('root', nargs='?', default='images')
    p.add_argument('--epochs', type=int, default=10)
    p.add_argument('--batch', type=int, default=32)
    p.add_argument('--lr', type=float, default=0.01)
    p.add_argument('--workers', type=int, default=1)
    p.add_argument('--seed', type=int, default=0)
    main(p.parse_args())
