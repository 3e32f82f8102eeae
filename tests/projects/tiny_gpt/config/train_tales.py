# a baby GPT that a laptop can train while you watch
out_dir = 'out-tales'
eval_interval = 50
dataset = 'tales'
n_layer = 2
n_head = 2
n_embd = 64
block_size = 48
batch_size = 16
learning_rate = 3e-4
max_iters = 200
