"""The stack that most teams would write: FastAPI and numpy over the same artifact, the same request and the same answer.

    MODEL=DIR gunicorn --workers 2 --worker-class uvicorn.workers.UvicornWorker serve:app

The history is folded in by the formula of docs/artifact.md in double precision, scores are one product of a matrix and a
vector, and the best are found by argpartition. Rules, receipts and all else that ours does are left out.
"""

import json
import os
import struct
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, Field
from safetensors.numpy import load_file

MODEL = Path(os.environ["MODEL"])


def texts(data, offsets):
    data = data.tobytes()
    return [data[start:end].decode() for start, end in zip(offsets[:-1], offsets[1:])]


def metadata(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"]


columns = load_file(MODEL / "catalogue.safetensors")
ids = texts(columns["id_bytes"], columns["id_offsets"])
titles = texts(columns["title_bytes"], columns["title_offsets"])
years = columns["year"].tolist()
names = json.loads(metadata(MODEL / "catalogue.safetensors")["genres"])
genres = [[name for bit, name in enumerate(names) if bits >> bit & 1] for bits in columns["genres"].tolist()]
rows = {item: row for row, item in enumerate(ids)}
factors = load_file(MODEL / "model.safetensors")["item_factors"]
config = json.loads((MODEL / "config.json").read_text())["hyperparameters"]
alpha0, regularization = config["alpha0"], config["regularization"]
gram = factors.T.astype("float64") @ factors
LIKE = 1.0

app = FastAPI()


class Request(BaseModel):
    history: list[str] = Field(max_length=500)
    k: int = Field(default=10, ge=1, le=500)


class Item(BaseModel):
    item_id: str
    rank: int
    score: float
    title: str
    year: int
    genres: list[str]


class Answer(BaseModel):
    items: list[Item]


@app.post("/v1/recommendations")
async def recommend(request: Request) -> Answer:
    seen = [rows[item] for item in request.history if item in rows]
    mine = factors[seen].astype("float64")
    a = alpha0 * gram + mine.T @ mine * LIKE
    a.flat[:: len(a) + 1] += regularization * (LIKE * len(seen) + alpha0 * len(ids))
    query = np.linalg.solve(a, LIKE * mine.sum(0)).astype("float32")
    scores = factors @ query
    scores[seen] = -np.inf
    best = np.argpartition(-scores, request.k)[: request.k]
    best = best[np.argsort(-scores[best], kind="stable")]
    items = [
        Item(item_id=ids[row], rank=rank, score=scores[row], title=titles[row], year=years[row], genres=genres[row])
        for rank, row in enumerate(best.tolist(), 1)
    ]
    return Answer(items=items)
