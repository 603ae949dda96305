"""What each function's zip weighs, and how long it takes to start and to give its first answer, under the Lambda runtime emulator.

    starts.py FOLDER MODEL [STARTS]

FOLDER has the functions' stripped binaries (`cargo build --release --package NAME` for each), MODEL is an artifact. Runs in
the environment that the tests make, target/venv, with moto for AWS. Prints a table of medians: milliseconds of the emulator's
INIT REPORT, and from handing over the first event to its answer, the start among them.
"""

import io
import json
import logging
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "emulator",
    "AWS_SECRET_ACCESS_KEY": "emulator",
    "AWS_EC2_METADATA_DISABLED": "true",
}
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:batches"
NOBODY = "nobody-made-this"
# What each function is asked: a file of events/, or an event.
EVENTS = {
    "authorize": "authorize/wrong-key",
    "recommend": "recommend/history",
    "rank": "rank/history",
    "similar": "similar/similar",
    "items": "items/search",
    "health": "health/ready",
    "events": "events/accepted",
    "users": "users/show",
    "update-profiles": {"Records": []},
    "probe-accelerator": "probe-accelerator/by-hand",
    "verify-release": "verify-release/before-traffic",
    "batches": "batches/list",
    "plan-batch": {"event": {"batch_id": NOBODY}, "run": NOBODY},
    "score-batch": {
        "task": {
            "batch_id": NOBODY,
            "key": "requests/none",
            "tag": None,
            "layout": "json",
            "format": "marquee",
            "k": None,
            "backend": "function",
            "model": "",
        },
        "range": {"from": 0, "to": 0, "first_line": 1},
    },
    "finish-batch": {"planned": {"batch_id": NOBODY, "go": False, "task": None, "ranges": []}},
}
# Their main work needs what is not here (an accelerator, CodeDeploy): their start is measured, and no answer.
WITHOUT_ANSWER = {"probe-accelerator", "verify-release"}


def main(folder: Path, model: Path, starts: int = 15) -> None:
    variables = cloud() | {
        "MARQUEE_MODEL_DIR": str(model),
        "MARQUEE_TABLE": "people",
        "MARQUEE_ERASURE_SECRET": "erasure",
        "MARQUEE_KEYS_SECRET": "keys",
        "MARQUEE_BUCKET": "batches",
        "MARQUEE_STATE_MACHINE": MACHINE,
        "MARQUEE_RELEASE_VERSIONS": f"recommend={MACHINE}",
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in EVENTS}
    built = {name: event for name, event in EVENTS.items() if (folder / name).exists()}
    # By turns, so that a busy moment falls on several.
    for _ in range(starts):
        for name, event in built.items():
            own = {"MARQUEE_ACCELERATOR_URL": "http://127.0.0.1:9"} if name == "probe-accelerator" else {}
            found[name].append(start(folder / name, variables | own, given(event)))
    print(f"{'function':18} {'binary MB':>9} {'zip MB':>7} {'init ms':>8} {'first answer ms':>16}")
    for name, times in found.items():
        if not times:
            print(f"{name:18} not built")
            continue
        init, answer = (statistics.median(column) for column in zip(*times, strict=True))
        binary = (folder / name).read_bytes()
        answered = "-" if name in WITHOUT_ANSWER else f"{answer:.1f}"
        print(f"{name:18} {len(binary) / 1e6:9.2f} {zipped(binary) / 1e6:7.2f} {init:8.2f} {answered:>16}")


def given(event: str | dict) -> bytes:
    text = json.dumps(event) if isinstance(event, dict) else (ROOT / "events" / f"{event}.json").read_text()
    return text.encode()


def zipped(binary: bytes) -> int:
    """The size of the function's package: its binary, as `bootstrap`."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("bootstrap", binary)
    return package.tell()


def cloud() -> dict[str, str]:
    """Starts moto with what the functions look for; the variables by which they find it."""
    # A line for each request, and a traceback for each action that moto lacks.
    logging.disable(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address, port = server.get_host_and_port()
    variables = ACCOUNT | {"AWS_ENDPOINT_URL": f"http://{address}:{port}"}
    os.environ.update(variables)
    keys = ["pk", "sk"]
    boto3.client("dynamodb").create_table(
        TableName="people",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="erasure", SecretString="0123456789abcdef" * 4)
    secrets.create_secret(Name="keys", SecretString='{"keys":[]}')
    place = {"LocationConstraint": "eu-central-1"}
    boto3.client("s3").create_bucket(Bucket="batches", CreateBucketConfiguration=place)
    return variables


def start(binary: Path, variables: dict[str, str], event: bytes) -> tuple[float, float]:
    """Milliseconds of a start by the emulator's report, and until its first answer is there."""
    held = [socket.socket() for _ in range(2)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    address, runtime_api = (f"127.0.0.1:{one.getsockname()[1]}" for one in held)
    for one in held:
        one.close()
    emulator = Path(find_spec("samcli").origin).parent / "local/rapid/aws-lambda-rie-x86_64"
    command = [emulator, "--runtime-interface-emulator-address", address, "--runtime-api-address", runtime_api, binary]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait(address)
            asked = time.perf_counter()
            url = f"http://{address}/2015-03-31/functions/function/invocations"
            with urllib.request.urlopen(urllib.request.Request(url, event)) as reply:
                answer = reply.read()
            took = (time.perf_counter() - asked) * 1e3
        finally:
            process.terminate()
        log = process.stdout.read().decode(errors="replace")
    report = re.search(r"INIT REPORT\(durationMs: ([0-9.]+)\)", log)
    assert report, f"{binary.name} did not start:\n{log}"
    assert binary.name in WITHOUT_ANSWER or b'"errorType"' not in answer, f"{binary.name}: {answer!r}\n{log}"
    return float(report[1]), took


def wait(address: str) -> None:
    host, port = address.split(":")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port))).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.005)
    raise TimeoutError(f"the emulator does not listen at {address}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), *map(int, sys.argv[3:]))
