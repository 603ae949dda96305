"""A Marquee artifact of kind `als` as an accelerator answers with it: numpy and safetensors, no Marquee.

What an accelerator takes and gives is in docs/accelerator.md, the files and the formula are in docs/artifact.md. The
servers beside this file put it behind Triton, KServe and MLServer.
"""

import argparse
import json
import threading
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import numpy as np
from safetensors.numpy import load_file

MOST_ITEMS = 1000
"""The contract's M: no answer is longer."""

MOST_HISTORIES = 256
"""The largest batch that the servers which ask for a limit are told."""

INPUTS = [("history", "INT32", np.int32), ("weights", "FP32", np.float32)]
OUTPUTS = [("items", "INT32", np.int32), ("scores", "FP32", np.float32)]


class Als:
    """The model of one artifact."""

    def __init__(self, directory):
        directory = Path(directory)
        config = json.loads((directory / "config.json").read_bytes())
        manifest = json.loads((directory / "manifest.json").read_bytes())
        if config["kind"] != "als":
            raise ValueError(f"{directory}: of kind {config['kind']}; this opens als")
        # The rows in requests and answers mean something only between two sides with the same catalogue, so a model goes
        # by its catalogue: a server that has another one does not know the name.
        self.name = f"marquee-{manifest['catalogue_digest'][:12]}"
        self.version = config["version"]
        self.factors = load_file(directory / "model.safetensors")["item_factors"]
        self.regularization = config["hyperparameters"]["regularization"]
        self.alpha0 = config["hyperparameters"]["alpha0"]
        self.gram = sum(part.T @ part for part in blocks_in_f64(self.factors))

    def answer(self, history, weights=None, limit=None):
        """The best items for each history, best first, and their scores: INT32 and FP32 of the shape [B, M].

        `history` is INT32 [B, L], each entry an item's row + 1; zeros pad on the left. `weights` is FP32 [B, L]; without
        it every entry weighs 1. A ValueError says what is wrong with either.
        """
        if history is None:
            raise ValueError("history: it is missing")
        if weights is None:
            weights = np.ones(history.shape, np.float32)
        self.check(history, weights)
        most = max(1, min(MOST_ITEMS, limit or MOST_ITEMS, len(self.factors)))
        queries = [self.query(row[row > 0] - 1, weight[row > 0]) for row, weight in zip(history, weights)]
        scores = np.stack(queries) @ self.factors.T
        # Stable, so that equal scores are in the order of their rows.
        items = np.argsort(-scores, axis=1, kind="stable")[:, :most]
        return items.astype(np.int32), np.take_along_axis(scores, items, axis=1)

    def query(self, rows, weights):
        """The taste of one history: (α₀ VᵀV + λ (Σw + α₀ N) I + Σ w v vᵀ)⁻¹ Σ w v, in double precision."""
        seen, weights = self.factors[rows].astype(np.float64), weights.astype(np.float64)
        ridge = self.regularization * (weights.sum() + self.alpha0 * len(self.factors))
        system = self.alpha0 * self.gram + ridge * np.eye(seen.shape[1]) + (seen.T * weights) @ seen
        return np.linalg.solve(system, weights @ seen).astype(np.float32)

    def check(self, history, weights):
        if history.ndim != 2 or 0 in history.shape or history.dtype != np.int32:
            raise ValueError(f"history: {history.dtype} {list(history.shape)}; it must be INT32 [B, L]")
        if weights.shape != history.shape or weights.dtype != np.float32:
            raise ValueError(f"weights: {weights.dtype} {list(weights.shape)}; they must be FP32 {list(history.shape)}")
        if history.min() < 0 or history.max() > len(self.factors):
            raise ValueError(f"history: its entries must be 0 to {len(self.factors)}, the number of items")
        if not np.isfinite(weights).all() or weights.min() < 0:
            raise ValueError("weights: they must be finite and 0 or more")


def blocks_in_f64(factors, rows=65536):
    """The rows in double precision, a block at a time: a catalogue need not fit into memory twice."""
    return (factors[start : start + rows].astype(np.float64) for start in range(0, len(factors), rows))


def options(server):
    """What every server here is started with."""
    parser = argparse.ArgumentParser(description=f"Serves a Marquee artifact through {server}.")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="an artifact of kind als")
    parser.add_argument("--port", type=int, required=True, help="the port, on 127.0.0.1")
    return parser.parse_args()


def say_when_ready(model, port):
    """Prints a line once the server on this port answers for the model."""
    url = f"http://127.0.0.1:{port}"

    def wait():
        while not is_ready(f"{url}/v2/models/{model.name}/ready"):
            time.sleep(0.1)
        print(f"serving {model.name} at {url}", flush=True)

    threading.Thread(target=wait, daemon=True).start()


def is_ready(url):
    try:
        # Past any proxy of the environment: this is loopback.
        with build_opener(ProxyHandler({})).open(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False
