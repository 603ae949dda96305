"""The sequence model in PyTorch: what a team would write that follows PyTorch's documentation, to be measured beside.

The benches start it; it needs torch and nothing else. Each line on standard input is a question, each on standard output its
answer, a JSON array of numbers. From a shell:

    echo 100 | python sasrec.py answer MODEL HISTORIES             seconds of each of 100 histories, on one thread
    yes step | head -20 | python sasrec.py train HISTORIES --items 3416    seconds of each of 20 training steps

HISTORIES is a text file, a history a line, of rows with spaces between. Attention is scaled_dot_product_attention, which
nn.MultiheadAttention calls too, after some checks of its own.
"""

import argparse
import json
import math
import random
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

TOP = 100


class Block(nn.Module):
    def __init__(self, d, feed_forward, heads, dropout, epsilon):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm = nn.LayerNorm(d, epsilon)
        self.query_key_value = nn.Linear(d, 3 * d)
        self.attention_output = nn.Linear(d, d)
        self.feed_forward_norm = nn.LayerNorm(d, epsilon)
        self.feed_forward_in = nn.Linear(d, feed_forward)
        self.feed_forward_out = nn.Linear(feed_forward, d)

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def forward(self, x):
        count, n, d = x.shape
        packed = self.query_key_value(self.attention_norm(x)).view(count, n, 3, self.heads, d // self.heads)
        queries, keys, values = packed.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        # Histories are padded behind: attention that looks back alone never sees the padding.
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=True, dropout_p=dropout)
        x = x + self.drop(self.attention_output(attended.transpose(1, 2).reshape(count, n, d)))
        inner = self.drop(F.relu(self.feed_forward_in(self.feed_forward_norm(x))))
        return x + self.drop(self.feed_forward_out(inner))


class Network(nn.Module):
    def __init__(self, items, length, d, feed_forward, blocks, heads, dropout=0.0, epsilon=1e-5):
        super().__init__()
        self.scale, self.dropout = math.sqrt(d), dropout
        self.item_embeddings = nn.Embedding(items, d)
        self.position_embeddings = nn.Embedding(length, d)
        self.blocks = nn.ModuleList(Block(d, feed_forward, heads, dropout, epsilon) for _ in range(blocks))
        self.norm = nn.LayerNorm(d, epsilon)

    def forward(self, rows, positions):
        x = self.scale * self.item_embeddings(rows) + self.position_embeddings(positions)
        x = F.dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def artifact(folder):
    """The network in an artifact's folder."""
    config = json.loads((folder / "config.json").read_text())["hyperparameters"]
    data = bytearray((folder / "model.safetensors").read_bytes())
    header = int.from_bytes(data[:8], "little")
    state = {}
    for name, tensor in json.loads(data[8 : 8 + header]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + header + offset for offset in tensor["data_offsets"])
        numbers = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(tensor["shape"])
        if name.endswith("_embeddings"):
            name += ".weight"
        elif numbers.dim() == 2:
            numbers = numbers.t().contiguous()  # an artifact's layers are [in, out]
        state[name] = numbers
    items, d = state["item_embeddings.weight"].shape
    sizes = (items, config["length"], d, config["feed_forward"], config["blocks"], config["heads"])
    network = Network(*sizes, epsilon=config["norm_epsilon"])
    network.load_state_dict(state)
    return network.eval(), config["length"]


def answer(options):
    torch.set_num_threads(1)
    network, length = artifact(options.model)
    inputs = []
    for history in read(options.histories):
        history = history[-length:]
        inputs.append((torch.tensor([history]), torch.arange(length - len(history), length)))

    def best(number):
        rows, positions = inputs[number % len(inputs)]
        query = network(rows, positions)[0, -1]
        return torch.topk(network.item_embeddings.weight @ query, TOP).indices.tolist()

    with torch.inference_mode():
        for question in questions():
            if question == "best":
                tell(best(0))
                continue
            best(0)  # the others had the caches
            seconds = []
            for number in range(1, int(question) + 1):
                before = time.thread_time_ns()
                best(number)
                seconds.append((time.thread_time_ns() - before) / 1e9)
            tell(seconds)
            sum_up(seconds, "history")


def train(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(42)
    chance = random.Random(42)
    histories = read(options.histories)
    sizes = (options.items, options.length, options.dimensions, options.feed_forward or options.dimensions)
    network = Network(*sizes, options.blocks, options.heads, options.dropout)
    for embedding in (network.item_embeddings, network.position_embeddings):
        nn.init.normal_(embedding.weight, std=0.02)
    adam = torch.optim.Adam(network.parameters(), lr=options.learning_rate, betas=(0.9, 0.98))
    epoch, seconds = [], []
    for _ in questions():
        begun = time.perf_counter()
        if not epoch:
            epoch = batches(histories, options, chance)
        step(network, adam, *padded(epoch.pop(), options.length))
        seconds.append(time.perf_counter() - begun)
        tell(seconds[-1:])
    sum_up(seconds, "step")


def step(network, adam, rows, positions, targets, real):
    hidden = network(rows, positions)[real]
    loss = F.cross_entropy(hidden @ network.item_embeddings.weight.t(), targets)
    adam.zero_grad()
    loss.backward()
    adam.step()


def batches(histories, options, chance):
    """An epoch: each history in windows, the first cut at a random place where there are several; shuffled."""
    windows = []
    for history in histories:
        predicted = len(history) - 1
        cut = chance.randrange(options.length) if predicted > options.length else 0
        starts = ([0] if cut else []) + list(range(cut, predicted, options.length))
        ends = starts[1:] + [predicted]
        windows += [history[start : end + 1] for start, end in zip(starts, ends)]
    chance.shuffle(windows)
    return [windows[at : at + options.batch] for at in range(0, len(windows), options.batch)]


def padded(windows, length):
    longest = max(map(len, windows)) - 1
    rows = torch.zeros(len(windows), longest, dtype=torch.long)
    positions = torch.zeros_like(rows)
    for place, window in enumerate(windows):
        n = len(window) - 1
        rows[place, :n] = torch.tensor(window[:-1])
        positions[place, :n] = torch.arange(length - n, length)
    lengths = torch.tensor([len(window) - 1 for window in windows])
    real = torch.arange(longest) < lengths[:, None]
    targets = torch.tensor([row for window in windows for row in window[1:]])
    return rows, positions, targets, real


def read(path):
    return [[int(row) for row in line.split()] for line in path.read_text().splitlines()]


def questions():
    return (line.strip() for line in iter(sys.stdin.readline, ""))


def tell(numbers):
    print(json.dumps(numbers), flush=True)


def sum_up(seconds, what):
    """For whoever started it from a shell."""
    if sys.stderr.isatty() and seconds:
        ordered, peak = sorted(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        p50, p99 = (ordered[int(share * (len(ordered) - 1))] * 1e3 for share in (0.5, 0.99))
        print(f"ms a {what}: p50 {p50:.3f}, p99 {p99:.3f}; peak {peak / 1024:.0f} MiB", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description="The sequence model in PyTorch, to be measured beside")
    parts = parser.add_subparsers(required=True)
    answering = parts.add_parser("answer")
    answering.set_defaults(run=answer)
    answering.add_argument("model", type=Path)
    answering.add_argument("histories", type=Path)
    training = parts.add_parser("train")
    training.set_defaults(run=train)
    training.add_argument("histories", type=Path)
    training.add_argument("--items", type=int, required=True)
    training.add_argument("--threads", type=int, default=2)
    training.add_argument("--batch", type=int, default=128)
    training.add_argument("--length", type=int, default=200)
    training.add_argument("--dimensions", type=int, default=64)
    training.add_argument("--feed-forward", type=int)
    training.add_argument("--blocks", type=int, default=2)
    training.add_argument("--heads", type=int, default=1)
    training.add_argument("--dropout", type=float, default=0.2)
    training.add_argument("--learning-rate", type=float, default=1e-3)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
