"""What `sam build` built runs on Lambda's arm64: each function's bootstrap is an ELF for it that asks for no newer glibc
than Amazon Linux 2023 has.

    built.py FOLDER FUNCTION...
"""

import re
import sys
from pathlib import Path

# Amazon Linux 2023, on which provided.al2023 stands.
GLIBC = (2, 34)
AARCH64 = 183


def main(folder: Path, functions: list[str]) -> None:
    for function in functions:
        binary = folder / function / "bootstrap"
        content = binary.read_bytes()
        assert content[:4] == b"\x7fELF" and content[4] == 2, f"{binary} is no 64-bit ELF"
        machine = int.from_bytes(content[18:20], "little")
        assert machine == AARCH64, f"{binary} is for machine {machine}, not for arm64"
        wanted = {tuple(map(int, found)) for found in re.findall(rb"GLIBC_(\d+)\.(\d+)", content)}
        assert wanted, f"{binary} names no version of glibc"
        assert max(wanted) <= GLIBC, f"{binary} asks for glibc {'.'.join(map(str, max(wanted)))}"
        assert binary.stat().st_mode & 0o111, f"{binary} is not executable"
        print(f"{function}: {len(content) / 1e6:.1f} MB for arm64, glibc {'.'.join(map(str, max(wanted)))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
