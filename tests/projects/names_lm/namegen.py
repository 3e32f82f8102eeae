"""
Reads a text file with one word per line and learns to make up more of them.
Everything is here: data, model, training, sampling.
"""

import argparse
import time

import torch
import torch.nn as nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler


class CharDataset(Dataset):

    def __init__(self, words, chars, max_word_length):
        self.words = words
        self.max_word_length = max_word_length
        self.stoi = {ch: i + 1 for i, ch in enumerate(chars)}  # 0 is start, stop and padding
        self.itos = {i: s for s, i in self.stoi.items()}

    def __len__(self):
        return len(self.words)

    def __getitem__(self, idx):
        ix = torch.tensor([self.stoi[w] for w in self.words[idx]], dtype=torch.long)
        x = torch.zeros(self.max_word_length + 1, dtype=torch.long)
        y = torch.zeros(self.max_word_length + 1, dtype=torch.long)
        x[1:1 + len(ix)] = ix
        y[:len(ix)] = ix
        y[len(ix) + 1:] = -1  # no loss behind the stop token
        return x, y


class RNN(nn.Module):

    def __init__(self, vocab_size, n_embd, n_hidden):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.rnn = nn.GRU(n_embd, n_hidden, batch_first=True)
        self.head = nn.Linear(n_hidden, vocab_size)

    def forward(self, idx, targets=None):
        h, _ = self.rnn(self.wte(idx))
        logits = self.head(h)
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss


@torch.no_grad()
def evaluate(model, dataset, batch_size=100):
    model.eval()
    losses = [model(X, Y)[1].item() for X, Y in DataLoader(dataset, batch_size=batch_size)]
    model.train()
    return sum(losses) / len(losses)


@torch.no_grad()
def generate(model, dataset, num):
    idx = torch.zeros((num, 1), dtype=torch.long)
    for _ in range(dataset.max_word_length):
        logits, _ = model(idx)
        probs = F.softmax(logits[:, -1, :], dim=-1)
        idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
    for row in idx[:, 1:].tolist():
        row = row[:row.index(0)] if 0 in row else row
        print('  ' + ''.join(dataset.itos[i] for i in row))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description="Make up names")
    parser.add_argument('--input-file', '-i', type=str, default='names.txt')
    parser.add_argument('--max-steps', type=int, default=600)
    parser.add_argument('--seed', type=int, default=3407)
    parser.add_argument('--n-embd', type=int, default=16)
    parser.add_argument('--n-hidden', type=int, default=48)
    parser.add_argument('--batch-size', '-b', type=int, default=32)
    parser.add_argument('--learning-rate', '-l', type=float, default=3e-4)
    parser.add_argument('--weight-decay', '-w', type=float, default=0.01)
    args = parser.parse_args()
    print(vars(args))

    with open(args.input_file) as f:
        words = [w.strip() for w in f.read().splitlines() if w.strip()]
    chars = sorted(set(''.join(words)))
    longest = max(len(w) for w in words)
    print(f"number of examples: {len(words)}, longest: {longest}, characters: {''.join(chars)}")

    # the split is always the same, whatever the seed
    test_size = min(1000, int(len(words) * 0.1))
    rp = torch.randperm(len(words), generator=torch.Generator().manual_seed(42)).tolist()
    train_dataset = CharDataset([words[i] for i in rp[:-test_size]], chars, longest)
    test_dataset = CharDataset([words[i] for i in rp[-test_size:]], chars, longest)

    torch.manual_seed(args.seed)
    model = RNN(len(chars) + 1, args.n_embd, args.n_hidden)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=args.weight_decay)
    sampler = RandomSampler(train_dataset, replacement=True, num_samples=int(1e10))
    batches = iter(DataLoader(train_dataset, batch_size=args.batch_size, sampler=sampler))

    for step in range(args.max_steps + 1):
        t0 = time.time()
        X, Y = next(batches)
        logits, loss = model(X, Y)
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step} | loss {loss.item():.4f} | step time {(time.time() - t0) * 1000:.2f}ms")
        if step > 0 and step % 200 == 0:
            train_loss = evaluate(model, train_dataset)
            test_loss = evaluate(model, test_dataset)
            print(f"step {step} train loss: {train_loss:.5f} test loss: {test_loss:.5f}")

    print('some new names:')
    generate(model, train_dataset, 10)
