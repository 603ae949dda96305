"""Nothing tracked names a machine's folders or carries MovieLens data, whose licence keeps it out of the repository."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

# A folder of one machine: not a part of a longer path or of a URL.
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:work|root|home/[a-z][\w-]*|Users/[A-Za-z][\w-]*)/")
# The names under which data sets come, and what training makes of them.
DATA_FILE = re.compile(r"(?:^|/)(?:ratings|tags|links|movies)\.(?:csv|dat)$|(?:^|/)u\.data$|\.(?:zip|safetensors|gz)$")
MOVIELENS = Path("..") / "shared" / "data" / "ml-latest-small.zip"
# A test may quote a line or two to show the format.
LINES_QUOTED = 5
MIB = 1 << 20


def main() -> int:
    names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    files = [Path(name) for name in names.split("\0") if name]
    if not files:
        print("git tracks no file here", file=sys.stderr)
        return 1
    data = movielens_lines()
    faults = [fault for file in files for fault in faults_of(file, data)]
    for fault in faults:
        print(fault, file=sys.stderr)
    compared = f"compared with {len(data)} lines of MovieLens" if data else f"{MOVIELENS} is not at hand to compare with"
    print(f"{len(files)} tracked files, {len(faults)} faults; {compared}")
    return 1 if faults else 0


def faults_of(file: Path, data: set[str]):
    if DATA_FILE.search(file.as_posix()):
        yield f"{file}: data is not tracked"
    if file.is_symlink() or not file.is_file():
        return
    if file.stat().st_size > MIB:
        yield f"{file}: above 1 MiB"
    text = file.read_text(encoding="utf-8", errors="replace")
    copied = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if MACHINE_PATH.search(line):
            yield f"{file}:{number}: a path of one machine: {line.strip()[:100]}"
        copied += line.strip() in data
    if copied > LINES_QUOTED:
        yield f"{file}: {copied} lines of MovieLens data"


def movielens_lines() -> set[str]:
    """Every line of the data set's tables but their headers; none where there is no copy beside the checkout."""
    if not MOVIELENS.is_file():
        return set()
    with zipfile.ZipFile(MOVIELENS) as archive:
        tables = [name for name in archive.namelist() if name.endswith(".csv")]
        return {line for name in tables for line in archive.read(name).decode().splitlines()[1:]}


if __name__ == "__main__":
    sys.exit(main())
