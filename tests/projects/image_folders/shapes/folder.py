"""Images in one folder for each class, like root/circle/0001.ppm."""

import os

import numpy as np
from torch.utils.data import Dataset

EXTENSIONS = ('.ppm', '.pgm', '.npy')


def read_ppm(path):
    with open(path, 'rb') as f:
        magic, size, depth = f.readline().strip(), f.readline().split(), f.readline().strip()
        if magic != b'P6' or depth != b'255':
            raise ValueError('not an 8 bit colour ppm file: ' + path)
        w, h = int(size[0]), int(size[1])
        return np.frombuffer(f.read(w * h * 3), np.uint8).reshape(h, w, 3)


def find_classes(root):
    classes = sorted(d.name for d in os.scandir(root) if d.is_dir())
    if not classes:
        raise FileNotFoundError("Couldn't find any class folder in " + root)
    return classes, {name: i for i, name in enumerate(classes)}


class ImageFolder(Dataset):
    def __init__(self, root, transform=None):
        self.classes, self.class_to_idx = find_classes(root)
        self.samples = []
        for name in self.classes:
            folder = os.path.join(root, name)
            for fname in sorted(os.listdir(folder)):
                if fname.lower().endswith(EXTENSIONS):
                    self.samples.append((os.path.join(folder, fname), self.class_to_idx[name]))
        self.transform = transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        path, target = self.samples[i]
        image = np.load(path) if path.endswith('.npy') else read_ppm(path)
        if self.transform is not None:
            image = self.transform(image)
        return image, target
