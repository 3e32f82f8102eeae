"""
Trains a character level GPT. Settings are the globals below; override them with
$ python train.py config/train_tales.py --batch_size=8
"""
import math
import os
import pickle
import time

import numpy as np
import torch

from model import GPT, GPTConfig

# -----------------------------------------------------------------------------
out_dir = 'out'
eval_interval = 250
eval_iters = 20
log_interval = 10
dataset = 'tales'
# model
block_size = 64
n_layer = 4
n_head = 4
n_embd = 128
dropout = 0.0
# optimisation
batch_size = 12
learning_rate = 1e-4
max_iters = 2000
weight_decay = 1e-1
beta2 = 0.99
grad_clip = 1.0
warmup_iters = 10
min_lr_ratio = 0.1
# system
seed = 1337
device = 'cuda' if torch.cuda.is_available() else 'cpu'
compile = False
# -----------------------------------------------------------------------------
config_keys = [k for k, v in globals().items() if not k.startswith('_') and isinstance(v, (int, float, bool, str))]
exec(open('configurator.py').read())  # overrides from a file or the command line
config = {k: globals()[k] for k in config_keys}
# -----------------------------------------------------------------------------

os.makedirs(out_dir, exist_ok=True)
torch.manual_seed(seed)
data_dir = os.path.join('data', dataset)
with open(os.path.join(data_dir, 'meta.pkl'), 'rb') as f:
    meta = pickle.load(f)


def get_batch(split):
    data = np.memmap(os.path.join(data_dir, f'{split}.bin'), dtype=np.uint16, mode='r')
    ix = torch.randint(len(data) - block_size, (batch_size,))
    x = torch.stack([torch.from_numpy(data[i:i + block_size].astype(np.int64)) for i in ix])
    y = torch.stack([torch.from_numpy(data[i + 1:i + 1 + block_size].astype(np.int64)) for i in ix])
    return x.to(device), y.to(device)


@torch.no_grad()
def estimate_loss():
    out = {}
    model.eval()
    for split in ['train', 'val']:
        losses = torch.zeros(eval_iters)
        for k in range(eval_iters):
            X, Y = get_batch(split)
            _, loss = model(X, Y)
            losses[k] = loss.item()
        out[split] = losses.mean()
    model.train()
    return out


def get_lr(it):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    ratio = (it - warmup_iters) / max(1, max_iters - warmup_iters)
    coeff = 0.5 * (1.0 + math.cos(math.pi * ratio))
    return learning_rate * (min_lr_ratio + coeff * (1 - min_lr_ratio))


model = GPT(GPTConfig(block_size=block_size, vocab_size=meta['vocab_size'], n_layer=n_layer,
                      n_head=n_head, n_embd=n_embd, dropout=dropout))
model.to(device)
print(f'number of parameters: {model.get_num_params() / 1e6:.2f}M')
optimizer = model.configure_optimizers(weight_decay, learning_rate, (0.9, beta2))
if compile:
    print('compiling the model... (takes a ~minute)')
    model = torch.compile(model)

best_val_loss = 1e9
t0 = time.time()
for iter_num in range(max_iters + 1):
    for group in optimizer.param_groups:
        group['lr'] = get_lr(iter_num)

    if iter_num % eval_interval == 0:
        losses = estimate_loss()
        print(f"step {iter_num}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")
        if losses['val'] < best_val_loss:
            best_val_loss = losses['val']
            if iter_num > 0:
                torch.save({'model': model.state_dict(), 'config': config}, os.path.join(out_dir, 'ckpt.pt'))

    X, Y = get_batch('train')
    logits, loss = model(X, Y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    if iter_num % log_interval == 0:
        t1 = time.time()
        print(f'iter {iter_num}: loss {loss.item():.4f}, time {(t1 - t0) * 1000:.2f}ms')
        t0 = t1
