"""Calls an accelerator with KServe's own client: `python kserve_client.py --url http://HOST:PORT --model NAME`.

Prints one JSON object a check, and exits with 1 if one failed. The catalogue must have seven items or more.
"""

import argparse
import asyncio
import json
import sys

import numpy as np
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

HISTORY = np.array([[0, 3, 1], [0, 0, 7]], np.int32)
WEIGHTS = np.array([[0, 1, 0.5], [0, 0, 1]], np.float32)


class Checks:
    def __init__(self, url, model):
        self.client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
        self.url = url
        self.model = model

    async def infer(self, binary_inputs=False, binary_outputs=False, model=None, history=HISTORY):
        inputs = [tensor("history", history, binary_inputs), tensor("weights", WEIGHTS, binary_inputs)]
        outputs = [RequestedOutput(name, {"binary_data": binary_outputs}) for name in ("items", "scores")]
        request = InferRequest(model or self.model, inputs, request_id="17", request_outputs=outputs)
        answer = await self.client.infer(self.url, request, model_name=model or self.model)
        tensors = {output.name: output.as_numpy() for output in answer.outputs}
        return tensors["items"], tensors["scores"]

    async def live(self):
        assert await self.client.is_server_live(self.url)

    async def ready(self):
        assert await self.client.is_server_ready(self.url)

    async def model_ready(self):
        assert await self.client.is_model_ready(self.url, self.model)

    async def json(self):
        items, scores = await self.infer()
        assert (items.dtype, scores.dtype) == (np.int32, np.float32), (items.dtype, scores.dtype)
        assert items.shape == scores.shape and len(items) == len(HISTORY), (items.shape, scores.shape)
        assert (np.diff(scores, axis=1) <= 0).all(), scores
        return list(items.shape)

    async def binary_inputs(self):
        await self.same_as_json(binary_inputs=True)

    async def binary_outputs(self):
        await self.same_as_json(binary_outputs=True)

    async def binary_both_ways(self):
        await self.same_as_json(binary_inputs=True, binary_outputs=True)

    async def unknown_model(self):
        return await self.refused({400, 404}, model="marquee-000000000000")

    async def wrong_shape(self):
        return await self.refused(history=HISTORY[:, 1:])

    async def same_as_json(self, **form):
        expected, found = await self.infer(), await self.infer(**form)
        assert np.array_equal(found[0], expected[0]), "other items"
        assert np.allclose(found[1], expected[1], rtol=1e-6), "other scores"

    async def refused(self, statuses=range(400, 600), **request):
        try:
            await self.infer(**request)
        except HTTPStatusError as error:
            assert error.response.status_code in statuses, str(error)
            return str(error)[-200:]
        raise AssertionError("it was answered")


def tensor(name, data, binary):
    made = InferInput(name, list(data.shape), {"int32": "INT32", "float32": "FP32"}[data.dtype.name])
    made.set_data_from_numpy(data, binary_data=binary)
    return made


CHECKS = [
    *("live", "ready", "model_ready", "json", "binary_inputs", "binary_outputs", "binary_both_ways"),
    *("unknown_model", "wrong_shape"),
]


async def run():
    parser = argparse.ArgumentParser(description="Calls an accelerator with KServe's own client.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True, help="the model's name, such as marquee-0123456789ab")
    parser.add_argument("--without", default="", metavar="CHECK,…", help="checks of what the server doesn't have")
    arguments = parser.parse_args()
    without = set(filter(None, arguments.without.split(",")))
    if unknown := without.difference(CHECKS):
        parser.error(f"no such checks: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    checks = Checks(arguments.url, arguments.model)
    failed = False
    for name in (name for name in CHECKS if name not in without):
        try:
            outcome = {"ok": True, "detail": await getattr(checks, name)()}
        # Whatever goes wrong in one check is a finding about the server, and the others still run.
        except Exception as error:
            outcome = {"ok": False, "detail": f"{type(error).__name__}: {error}"}
            failed = True
        print(json.dumps({"check": name, **outcome}), flush=True)
    await checks.client.close()
    sys.exit(failed)


if __name__ == "__main__":
    asyncio.run(run())
