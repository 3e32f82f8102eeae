import torch.nn as nn


def conv(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


class SmallNet(nn.Module):
    def __init__(self, classes, width=12):
        super().__init__()
        self.body = nn.Sequential(conv(3, width), conv(width, width * 2), conv(width * 2, width * 2))
        self.head = nn.Linear(width * 2 * 3 * 3, classes)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))
