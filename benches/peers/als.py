"""implicit's alternating least squares over the same interactions, as a peer: a line in is a question, a line out its answer.

Arguments: a file of histories (a line a user, item numbers with spaces between), the number of items, of factors, of threads
and of iterations, and the regularisation and alpha0 of ours. Questions, answered by a JSON array of numbers:

    train         seconds of each iteration of a training, three steps of conjugate gradients a row, as ours
    loss          the loss of what the last training left, as defined below
    loss FILE     the same of item factors in a file (little-endian f32, row-major)

Both minimise the same normal equations but for the regularisation, which ours scales with how often a row was seen: a
confidence c of 1 + 1 / alpha0 here is a weight of 1 there. Item factors are compared by our loss a pair,

    sum over pairs of (1 - wv)^2 + alpha0 * sum over all of (wv)^2 + lambda_u |w|^2 + lambda_i |v|^2,

with the users' factors w solved for exactly, and the scale of v that makes the loss least: what a history would be folded in by.
"""

import json
import os
import sys

THREADS = sys.argv[4]
# Its own threads share the work out; BLAS must not have more of them inside.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS=THREADS, MKL_NUM_THREADS="1")

import numpy as np
import scipy.sparse
from implicit.cpu.als import AlternatingLeastSquares


# At most, of the alternation that settles a scale.
ROUNDS = 8


def read(path, items):
    rows = [[int(item) for item in line.split()] for line in open(path)]
    starts = np.cumsum([0] + [len(row) for row in rows])
    columns = np.concatenate(rows).astype("int32")
    return scipy.sparse.csr_matrix((np.ones(len(columns), "float32"), columns, starts), (len(rows), items))


def loss(pairs, items, regularization, alpha0):
    """Ours, a pair; the alternation settles the scale in a few rounds, to a hundredth: at its least a loss is flat."""
    v = items.astype("float64")
    seen_by_user = np.diff(pairs.indptr)
    seen_by_item = np.bincount(pairs.indices, minlength=len(v))
    lambda_u = regularization * (seen_by_user + alpha0 * len(v))
    lambda_i = regularization * (seen_by_item + alpha0 * pairs.shape[0])
    for _ in range(ROUNDS):
        gram = alpha0 * v.T @ v
        w = np.empty((pairs.shape[0], v.shape[1]))
        fit = 0.0
        for user in range(len(w)):
            mine = v[pairs.indices[pairs.indptr[user] : pairs.indptr[user + 1]]]
            a = gram + mine.T @ mine + lambda_u[user] * np.eye(v.shape[1])
            w[user] = np.linalg.solve(a, mine.sum(0))
            fit += ((1 - mine @ w[user]) ** 2).sum() + w[user] @ gram @ w[user]
        of_users, of_items = (lambda_u * (w**2).sum(1)).sum(), (lambda_i * (v**2).sum(1)).sum()
        scale = (of_users / of_items) ** 0.25
        if abs(scale - 1) < 0.01:
            break
        v *= scale
    return (fit + of_users + of_items) / pairs.nnz


def main(path, items, factors, threads, iterations, regularization, alpha0):
    items, factors, threads, iterations = int(items), int(factors), int(threads), int(iterations)
    regularization, alpha0 = float(regularization), float(alpha0)
    pairs = read(path, items)
    # Theirs is the same for every row: the mean of ours, in their scale.
    mean = regularization * (pairs.nnz / pairs.shape[0] + alpha0 * items) / alpha0
    last = None
    for line in sys.stdin:
        question, *file = line.split()
        if question == "train":
            model = AlternatingLeastSquares(
                factors=factors, regularization=mean, iterations=iterations, num_threads=threads, random_state=42
            )
            seconds = []
            confidence = pairs * np.float32(1 + 1 / alpha0)
            model.fit(confidence, show_progress=False, callback=lambda _, elapsed, *rest: seconds.append(elapsed))
            last = model.item_factors
            answer = seconds
        else:
            given = np.fromfile(file[0], "<f4").reshape(items, factors) if file else last
            answer = [loss(pairs, given, regularization, alpha0)]
        print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
