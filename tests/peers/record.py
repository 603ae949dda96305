"""Records what a server puts on the wire: `python record.py --url http://127.0.0.1:PORT --model NAME --out PREFIX`.

Each case below is sent over a connection of its own, and the reply written to PREFIX-<case>.http as it came, headers and
body. tests/fixtures/oip holds such recordings of real servers over a catalogue of ten items.
"""

import argparse
import gzip
import json
import re
import socket
import struct
from urllib.parse import urlsplit

HISTORY = {"name": "history", "datatype": "INT32", "shape": [2, 3], "data": [[0, 3, 1], [0, 0, 7]]}
WEIGHTS = {"name": "weights", "datatype": "FP32", "shape": [2, 3], "data": [[0, 1, 0.5], [0, 0, 1]]}
PARAMETERS = {"limit": 5, "timeout": 150000}
AS_JSON = {"Content-Type": "application/json"}


def body(*inputs, **more):
    return json.dumps({"inputs": inputs or [HISTORY, WEIGHTS], **more}).encode()


def outputs(binary):
    return [{"name": name, "parameters": {"binary_data": binary}} for name in ("items", "scores")]


def binary(**more):
    """Both inputs as binary tensors: headers and body."""
    tensors = [struct.pack("<6i", 0, 3, 1, 0, 0, 7), struct.pack("<6f", 0, 1, 0.5, 0, 0, 1)]
    described = [
        {**{key: value for key, value in tensor.items() if key != "data"}, "parameters": {"binary_data_size": len(data)}}
        for tensor, data in zip([HISTORY, WEIGHTS], tensors)
    ]
    header = json.dumps({"inputs": described, **more}).encode()
    return {"Inference-Header-Content-Length": str(len(header))}, header + b"".join(tensors)


def cases(model):
    """Name, method, path, headers, body."""
    here = f"/v2/models/{model}"
    infer = ("POST", f"{here}/infer")
    yield "live", "GET", "/v2/health/live", {}, b""
    yield "ready", "GET", "/v2/health/ready", {}, b""
    yield "server", "GET", "/v2", {}, b""
    yield "model", "GET", here, {}, b""
    yield "model-ready", "GET", f"{here}/ready", {}, b""
    yield "model-config", "GET", f"{here}/config", {}, b""
    yield "json", *infer, AS_JSON, body(id="1", parameters=PARAMETERS)
    yield "json-without-weights", *infer, AS_JSON, body(HISTORY, parameters=PARAMETERS)
    yield "json-without-content-type", *infer, {}, body(parameters=PARAMETERS)
    yield "json-with-nulls", *infer, AS_JSON, body(id=None, parameters=PARAMETERS, outputs=None)
    yield "json-outputs-json", *infer, AS_JSON, body(parameters=PARAMETERS, outputs=outputs(False))
    yield "json-outputs-binary", *infer, AS_JSON, body(parameters=PARAMETERS, outputs=outputs(True))
    yield "json-all-binary", *infer, AS_JSON, body(parameters={**PARAMETERS, "binary_data_output": True})
    yield "binary", *infer, *binary(parameters=PARAMETERS, outputs=outputs(True))
    headers, tensors = binary(parameters=PARAMETERS, outputs=outputs(True))
    octets = {**headers, "Content-Type": "application/octet-stream"}
    yield "binary-octet-stream", *infer, octets, tensors
    yield "binary-as-json", *infer, {**headers, **AS_JSON}, tensors
    yield "gzip", *infer, {**AS_JSON, "Content-Encoding": "gzip"}, gzip.compress(body(parameters=PARAMETERS), mtime=0)
    yield "accept-gzip", *infer, {**AS_JSON, "Accept-Encoding": "gzip"}, body()
    yield "version-1", "POST", f"{here}/versions/1/infer", AS_JSON, body(parameters=PARAMETERS)
    yield "unknown-model", "POST", "/v2/models/marquee-000000000000/infer", AS_JSON, body()
    yield "unknown-model-ready", "GET", "/v2/models/marquee-000000000000/ready", {}, b""
    yield "malformed", *infer, AS_JSON, b'{"inputs": ['
    yield "empty", *infer, AS_JSON, b""
    yield "without-inputs", *infer, AS_JSON, b"{}"
    yield "unknown-field", *infer, AS_JSON, body(surprise=1)
    yield "unknown-row", *infer, AS_JSON, body({**HISTORY, "data": [[0, 3, 1], [0, 0, 1000]]})
    yield "wrong-shape", *infer, AS_JSON, body({**HISTORY, "shape": [2, 4]})
    yield "wrong-datatype", *infer, AS_JSON, body({**HISTORY, "datatype": "INT64"})
    yield "wrong-name", *infer, AS_JSON, body({**HISTORY, "name": "past"})


def exchange(address, method, path, headers, sent):
    head = [f"{method} {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    if method == "POST":
        head.append(f"Content-Length: {len(sent)}")
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall("\r\n".join(head + ["", ""]).encode() + sent)
        reply = b""
        while not complete(reply):
            some = connection.recv(65536)
            if not some:
                break
            reply += some
    return reply


def complete(reply):
    head, end, rest = reply.partition(b"\r\n\r\n")
    if not end:
        return False
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return len(rest) >= int(length[1]) if length else rest.endswith(b"0\r\n\r\n") and b"chunked" in head.lower()


def main():
    parser = argparse.ArgumentParser(description="Records a server's replies.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--out", required=True, metavar="PREFIX")
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    for name, *request in cases(arguments.model):
        reply = exchange((url.hostname, url.port), *request)
        with open(f"{arguments.out}-{name}.http", "wb") as file:
            file.write(reply)
        head, _, rest = reply.partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0].decode()
        print(f"{name:26} {status:36} {rest[:150]!r}")


if __name__ == "__main__":
    main()
