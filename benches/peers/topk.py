"""FAISS's exact inner-product index over the same items, as a peer: a line in is a question, a line out its answer.

Arguments: a file of items and one of a query (little-endian f32, row-major), the numbers of an item, and k. The answer is
a JSON array: the seconds of CPU time that a search took, in the mean of some, and the rows found, best first.
"""

import json
import sys
import time

import faiss
import numpy as np

# Searches a sample, so that it takes milliseconds.
BYTES_A_SAMPLE = 32 << 20


def main(items_path, query_path, factors, k):
    factors, k = int(factors), int(k)
    faiss.omp_set_num_threads(1)
    items = np.fromfile(items_path, dtype="<f4").reshape(-1, factors)
    query = np.fromfile(query_path, dtype="<f4").reshape(1, factors)
    index = faiss.IndexFlatIP(factors)
    index.add(items)
    batch = max(1, BYTES_A_SAMPLE // items.nbytes)
    del items
    for _ in sys.stdin:
        before = time.thread_time()
        for _ in range(batch):
            _, rows = index.search(query, k)
        seconds = (time.thread_time() - before) / batch
        print(json.dumps([seconds, *map(int, rows[0])]), flush=True)


main(*sys.argv[1:])
