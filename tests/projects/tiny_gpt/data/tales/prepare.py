"""Turns input.txt into train.bin, val.bin (uint16 characters) and meta.pkl."""
import os
import pickle

import numpy as np

here = os.path.dirname(__file__)
with open(os.path.join(here, 'input.txt')) as f:
    data = f.read()
chars = sorted(set(data))
stoi = {ch: i for i, ch in enumerate(chars)}
n = int(len(data) * 0.9)
for name, part in (('train', data[:n]), ('val', data[n:])):
    np.array([stoi[c] for c in part], dtype=np.uint16).tofile(os.path.join(here, name + '.bin'))
with open(os.path.join(here, 'meta.pkl'), 'wb') as f:
    pickle.dump({'vocab_size': len(chars), 'stoi': stoi, 'itos': dict(enumerate(chars))}, f)
