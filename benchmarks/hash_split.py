"""Split a JSON lines file in two by a hash of each row's id: the same rows every time.

    python benchmarks/hash_split.py --data data/medmcqa_dev.jsonl --share 0.8 --output data/split

writes `train.jsonl` (about that share) and `test.jsonl`.
"""

import argparse
import hashlib
import json
from pathlib import Path


def split(data: str, share: float, output: str | Path) -> tuple[Path, Path]:
    """Write both parts into a folder and return their paths."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.jsonl", folder / "test.jsonl"
    with (
        open(data, encoding="utf-8") as rows,
        paths[0].open("w", encoding="utf-8") as train,
        paths[1].open("w", encoding="utf-8") as test,
    ):
        for row in rows:
            digest = hashlib.sha256(str(json.loads(row)["id"]).encode()).digest()
            place = int.from_bytes(digest[:8], "big") / 2**64
            (train if place < share else test).write(row)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    split(arguments.data, arguments.share, arguments.output)
