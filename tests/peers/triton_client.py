"""Calls an accelerator with Triton's own client: `python triton_client.py --url http://HOST:PORT --model NAME`.

Prints one JSON object a check, and exits with 1 if one failed. The catalogue must have seven items or more; what the server
under test does not have, `--without` names.
"""

import argparse
import json
import sys
from urllib.parse import urlsplit

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

HISTORY = np.array([[0, 3, 1], [0, 0, 7], [5, 2, 4]], np.int32)
WEIGHTS = np.array([[0, 1, 0.5], [0, 0, 1], [1, 0.2, 0.3]], np.float32)
UNKNOWN = "marquee-000000000000"


class Checks:
    def __init__(self, client, model):
        self.client = client
        self.model = model

    def infer(self, history=HISTORY, weights=WEIGHTS, binary_inputs=True, binary_outputs=True, model=None, **more):
        inputs = [tensor("history", history, binary_inputs)]
        if weights is not None:
            inputs.append(tensor("weights", weights, binary_inputs))
        outputs = [InferRequestedOutput(name, binary_data=binary_outputs) for name in ("items", "scores")]
        result = self.client.infer(model or self.model, inputs, outputs=outputs, **more)
        return result.as_numpy("items"), result.as_numpy("scores")

    def live(self):
        assert self.client.is_server_live()

    def ready(self):
        assert self.client.is_server_ready()

    def server_metadata(self):
        metadata = self.client.get_server_metadata()
        assert metadata["name"] and metadata["version"] and isinstance(metadata["extensions"], list), metadata
        return metadata

    def model_ready(self):
        assert self.client.is_model_ready(self.model)
        assert not self.client.is_model_ready(UNKNOWN)

    def model_metadata(self):
        metadata = self.client.get_model_metadata(self.model)
        assert metadata["name"] == self.model, metadata
        described = {key: [(t["name"], t["datatype"], t["shape"]) for t in metadata[key]] for key in ("inputs", "outputs")}
        assert described["inputs"] == [("history", "INT32", [-1, -1]), ("weights", "FP32", [-1, -1])], metadata
        assert described["outputs"] == [("items", "INT32", [-1, -1]), ("scores", "FP32", [-1, -1])], metadata
        return metadata

    def model_config(self):
        config = self.client.get_model_config(self.model)
        assert config["name"] == self.model and config["max_batch_size"] >= 1, config
        assert [tensor["name"] for tensor in config["input"]] == ["history", "weights"], config
        assert [tensor["name"] for tensor in config["output"]] == ["items", "scores"], config

    def json(self):
        items, scores = self.infer(binary_inputs=False, binary_outputs=False)
        assert (items.dtype, scores.dtype) == (np.int32, np.float32), (items.dtype, scores.dtype)
        assert items.shape == scores.shape and items.shape[0] == len(HISTORY) and items.shape[1] <= 1000, items.shape
        assert items.min() >= 0 and all(len(set(row)) == len(row) for row in items.tolist()), items
        assert np.isfinite(scores).all() and (np.diff(scores, axis=1) <= 0).all(), scores
        return list(items.shape)

    def binary_inputs(self):
        self.same_as_json(binary_outputs=False)

    def binary_outputs(self):
        self.same_as_json(binary_inputs=False)

    def binary_both_ways(self):
        self.same_as_json()

    def binary_of_all_outputs(self):
        """Without naming the outputs, as the client asks where nobody told it what to ask for."""
        inputs = [tensor("history", HISTORY, True), tensor("weights", WEIGHTS, True)]
        result = self.client.infer(self.model, inputs)
        items, scores = self.infer(binary_inputs=False, binary_outputs=False)
        assert np.array_equal(result.as_numpy("items"), items) and np.allclose(result.as_numpy("scores"), scores)

    def request_gzip(self):
        self.same_as_json(binary_inputs=False, binary_outputs=False, request_compression_algorithm="gzip")

    def request_deflate(self):
        self.same_as_json(binary_inputs=False, binary_outputs=False, request_compression_algorithm="deflate")

    def request_gzip_binary(self):
        self.same_as_json(request_compression_algorithm="gzip")

    def response_gzip(self):
        self.same_as_json(binary_inputs=False, binary_outputs=False, response_compression_algorithm="gzip")

    def response_deflate(self):
        self.same_as_json(binary_inputs=False, binary_outputs=False, response_compression_algorithm="deflate")

    def response_gzip_binary(self):
        self.same_as_json(response_compression_algorithm="gzip")

    def parameters_and_id(self):
        self.same_as_json(
            binary_inputs=False,
            binary_outputs=False,
            request_id="17",
            timeout=150_000,
            parameters={"limit": 1000},
        )

    def without_weights(self):
        items, _ = self.infer(weights=None, binary_inputs=False, binary_outputs=False)
        assert items.shape[0] == len(HISTORY), items.shape

    def each_alone(self):
        """A history is answered the same in a batch, alone, and without its padding."""
        together = self.infer(binary_inputs=False, binary_outputs=False)[1]
        for row, (history, weights) in enumerate(zip(HISTORY, WEIGHTS)):
            alone, known = slice(row, row + 1), slice(np.count_nonzero(history == 0), None)
            for some in (slice(None), known):
                history, weights = HISTORY[alone, some], WEIGHTS[alone, some]
                scores = self.infer(history, weights, binary_inputs=False, binary_outputs=False)[1]
                assert np.allclose(scores, together[alone], rtol=1e-4, atol=1e-6), row

    def unknown_model(self):
        return self.refused({400, 404}, model=UNKNOWN)

    def wrong_shape(self):
        return self.refused(history=HISTORY[0], weights=WEIGHTS[0])

    def wrong_shape_of_weights(self):
        return self.refused(weights=WEIGHTS[:, 1:])

    def wrong_datatype(self):
        return self.refused(history=HISTORY.astype(np.int64))

    def unknown_row(self):
        return self.refused(history=np.full_like(HISTORY, 2**31 - 1))

    def same_as_json(self, **form):
        expected = self.infer(binary_inputs=False, binary_outputs=False)
        found = self.infer(**form)
        assert np.array_equal(found[0], expected[0]), "other items"
        assert np.allclose(found[1], expected[1], rtol=1e-6), "other scores"

    def refused(self, statuses=range(400, 600), **request):
        try:
            self.infer(binary_inputs=False, binary_outputs=False, **request)
        except InferenceServerException as error:
            status = int(error.status() or 0)
            assert status in statuses, f"{status}: {error.message()}"
            return f"{status}: {str(error.message())[-200:]}"
        raise AssertionError("it was answered")


def tensor(name, data, binary):
    datatype = {"int32": "INT32", "int64": "INT64", "float32": "FP32"}[data.dtype.name]
    made = InferInput(name, list(data.shape), datatype)
    made.set_data_from_numpy(data, binary_data=binary)
    return made


CHECKS = [
    *("live", "ready", "server_metadata", "model_ready", "model_metadata", "model_config"),
    *("json", "binary_inputs", "binary_outputs", "binary_both_ways", "binary_of_all_outputs"),
    *("request_gzip", "request_deflate", "request_gzip_binary"),
    *("response_gzip", "response_deflate", "response_gzip_binary"),
    *("parameters_and_id", "without_weights", "each_alone"),
    *("unknown_model", "wrong_shape", "wrong_shape_of_weights", "wrong_datatype", "unknown_row"),
]


def main():
    parser = argparse.ArgumentParser(description="Calls an accelerator with Triton's own client.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True, help="the model's name, such as marquee-0123456789ab")
    parser.add_argument("--without", default="", metavar="CHECK,…", help="checks of what the server doesn't have")
    arguments = parser.parse_args()
    without = set(filter(None, arguments.without.split(",")))
    if unknown := without.difference(CHECKS):
        parser.error(f"no such checks: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    checks = Checks(InferenceServerClient(urlsplit(arguments.url).netloc), arguments.model)
    failed = False
    for name in (name for name in CHECKS if name not in without):
        try:
            outcome = {"ok": True, "detail": getattr(checks, name)()}
        # Whatever goes wrong in one check is a finding about the server, and the others still run.
        except Exception as error:
            outcome = {"ok": False, "detail": f"{type(error).__name__}: {error}"}
            failed = True
        print(json.dumps({"check": name, **outcome}), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
