"""The container of the Dockerfile without Docker: its files in an empty directory, run there as the Dockerfile says.

    container.py BINARY MODEL

What a FROM scratch image is: a root with the copied files and nothing else, that whoever runs in it can't write to. Starts
the service, asks its health as the image's health check does, asks for a recommendation with a key, and ends it by SIGTERM
with a request in flight.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PATIENCE_SECONDS = 60


def main(binary: Path, model: Path) -> None:
    check_static(binary)
    image = Image((ROOT / "Dockerfile").read_text())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sources = {"marquee": binary, "model": model, "ca-certificates.crt": AUTHORITIES}
        image.copy({f"target/container/{name}": path for name, path in sources.items()}, root)
        key = make_key(binary, root / "keys.json")
        before = listing(root)
        service = Service(image, root)
        try:
            service.is_healthy()
            service.answers(key, model)
            service.ends_in_order(key)
        finally:
            service.process.kill()
        assert listing(root) == before, f"it wrote into its image: {set(listing(root)) ^ set(before)}"
    print("the container starts with nothing but itself, answers, and ends in order")


def check_static(binary: Path) -> None:
    """No interpreter is named in it, so that none has to be there."""
    with open(binary, "rb") as file:
        header = file.read(64)
        assert header[:4] == b"\x7fELF" and header[4] == 2, f"{binary} is no 64-bit ELF"
        offset, size, count = (int.from_bytes(header[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
        for number in range(count):
            file.seek(offset + number * size)
            assert int.from_bytes(file.read(4), "little") != 3, f"{binary} is linked dynamically"


class Image:
    """What a Dockerfile says, of the words that ours uses."""

    def __init__(self, text: str) -> None:
        self.copies, self.variables = [], {}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            match word:
                case "FROM":
                    assert rest == "scratch", f"the image is not empty: {line}"
                case "COPY":
                    self.copies.append(rest.split())
                case "ENV":
                    name, _, value = rest.partition("=")
                    self.variables[name] = value
                case "USER":
                    self.user, self.group = map(int, rest.split(":"))
                case "ENTRYPOINT":
                    self.entry = json.loads(rest)
                case "CMD":
                    self.arguments = json.loads(rest)
                case "HEALTHCHECK":
                    self.health = json.loads(rest.partition("CMD ")[2])
                case "EXPOSE" | "STOPSIGNAL" | "#" | "":
                    pass
                case _:
                    raise AssertionError(f"not known here: {line}")
        assert self.user != 0, "the image runs as root"

    def copy(self, sources: dict[str, Path], root: Path) -> None:
        for source, target in self.copies:
            to = root / target.lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            if sources[source].is_dir():
                shutil.copytree(sources[source], to)
            else:
                shutil.copy(sources[source], to)
        # Whoever runs in it may read everything and write nothing, as with --read-only.
        for path in [root, *root.rglob("*")]:
            path.chmod(0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444)


class Service:
    def __init__(self, image: Image, root: Path) -> None:
        self.image, self.root = image, root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = self.run([*image.entry, *image.arguments])

    def run(self, command: list[str]) -> subprocess.Popen:
        def enter() -> None:
            os.chroot(self.root)
            os.chdir("/")
            if os.environ.get("MARQUEE_IN_NAMESPACE") != "1":
                os.setgroups([])
                os.setgid(self.image.group)
                os.setuid(self.image.user)

        return subprocess.Popen(
            command,
            preexec_fn=enter,
            env=self.image.variables | {"PORT": str(self.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def is_healthy(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            asked = self.run(self.image.health)
            said, _ = asked.communicate(timeout=PATIENCE_SECONDS)
            if asked.returncode == 0:
                return
            assert self.process.poll() is None, f"it ended: {self.process.communicate()[0]}"
            assert time.monotonic() < end, f"{shlex.join(self.image.health)}: {said}"
            time.sleep(0.05)

    def answers(self, key: str, model: Path) -> None:
        digest = json.loads((model / "manifest.json").read_text())["digest"]
        answer = self.ask({"k": 3}, key)
        assert len(answer["items"]) == 3 and answer["receipt"]["model"]["digest"] == digest, answer
        history = [item["item_id"] for item in answer["items"]]
        answer = self.ask({"history": history, "k": 5}, key)
        assert len(answer["items"]) == 5 and answer["receipt"]["rung"] == "function", answer
        try:
            self.ask({"k": 1}, "mq_nobody")
            raise AssertionError("a key that nobody has was let in")
        except urllib.error.HTTPError as refused:
            assert refused.code == 401, refused

    def ask(self, body: dict, key: str) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/recommendations",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def ends_in_order(self, key: str) -> None:
        """SIGTERM comes between the two halves of a request, which is answered all the same."""
        body = b'{"k":2}'
        head = (
            f"POST /v1/recommendations HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            connection.sendall(head.encode() + body[:3])
            # It is being read: another one was answered meanwhile.
            self.ask({"k": 1}, key)
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            connection.sendall(body[3:])
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        said, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert self.process.returncode == 0, f"status {self.process.returncode}: {said}"
        assert "every request was answered" in said, said


def make_key(binary: Path, ring: Path) -> str:
    made = subprocess.run(
        [binary, "keys", "new", "--scopes", "recommend", "--ring", ring], check=True, capture_output=True, text=True
    )
    ring.chmod(0o444)
    return next(word for word in made.stdout.split() if word.startswith("mq_"))


def listing(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(root)), path.stat().st_size) for path in root.rglob("*") if path.is_file())


if __name__ == "__main__":
    if os.geteuid() != 0:
        # To change the root one has to be root, if only of a namespace of one's own.
        os.environ["MARQUEE_IN_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", sys.executable, *sys.argv])
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
