"""Bytes of names to the model's letters and back; a new line is its stop token."""

import torch
from namegen import RNN

chars, args, weights = torch.load("names.pt", weights_only=False)
model = RNN(len(chars) + 1, args.n_embd, args.n_hidden)
model.load_state_dict(weights)
bytes_of = [10, *map(ord, chars)]
letters = torch.zeros(256, dtype=torch.long)
letters[bytes_of] = torch.arange(len(bytes_of))


@torch.no_grad()
def predict(tokens):
    found, state = letters[torch.from_numpy(tokens)], torch.zeros(1, len(tokens), args.n_hidden)
    answer = torch.full((*tokens.shape, 256), -20.0)
    for place in range(found.shape[1]):
        letter = found[:, place : place + 1]
        state = state * (letter.T != 0).unsqueeze(2)  # each name begins anew
        out, state = model.rnn(model.wte(letter), state)
        answer[:, place, bytes_of] = model.head(out)[:, 0]
    return answer.numpy()
