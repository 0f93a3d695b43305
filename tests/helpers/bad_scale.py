"""What goes wrong where a set is scored in shards or on a cluster."""

import json
from pathlib import Path

from bad_inputs import EVALUATE, SCORE, Case, Place

RAY = "score --model MODEL --data FILE --engine ray --output OUT"
MERGE = "merge-predictions FILE --output OUT/p.jsonl"


def nothing(place: Place) -> None:
    place.file = place.folder / "none"


def no_data(place: Place) -> None:
    place.file = place.folder / "notes"
    place.file.mkdir()
    (place.file / "readme.md").touch()


def shard(number: int, of: int):
    """Make a predictions file that is one of several shards, of no questions."""

    def make(place: Place) -> None:
        from mcqa.scoring.shards import record_path
        from mcqa.system.files import write_json

        place.file = place.folder / "part.jsonl"
        place.file.touch()
        sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        record = {"shard": number, "of": of, "sha256": sha256, "work": {}, "places": []}
        record |= {"judged": {}, "threshold": 0.5}
        write_json(record_path(place.file), record)

    return make


def changed(place: Place) -> None:
    shard(1, 1)(place)
    place.file.write_text("{}\n")


def lost(place: Place) -> None:
    place.file = place.folder / "parts"
    place.file.mkdir()
    parts = [{"part": "00000-00000", "sha256": "0"}]
    Path(place.file / "manifest.json").write_text(json.dumps({"parts": parts}))


SCALE = (
    Case(
        "a shard on Ray",
        "--engine ray scores all of its files in parts: leave out --shard.",
        RAY + " --shard 1/2",
    ),
    Case(
        "some of the questions on Ray",
        "--engine ray scores all of its files in parts: leave out --limit.",
        RAY + " --limit 3",
    ),
    Case(
        "other orders on Ray",
        "--engine ray scores all of its files in parts: leave out --permutations.",
        EVALUATE + " --engine ray --permutations cyclic",
    ),
    Case("no data", "FILE: no such file or folder.", RAY, nothing),
    Case(
        "a folder without data",
        "FILE: no data file there (.jsonl, .json, .csv, .tsv, .parquet, .gz).",
        RAY,
        no_data,
    ),
    Case(
        "an address that nothing reads",
        "nowhere://questions: not an address that can be read (…).",
        RAY.replace("FILE", "nowhere://questions"),
    ),
    Case(
        "no such shard",
        "shard '3/2': must be I/N with I from 1 to N, like 1/8.",
        SCORE + " --shard 3/2",
    ),
    Case(
        "more shards than batches",
        "shard 1/9: there are only 8 batches of up to 16 questions. Take fewer shards, or a "
        "smaller --batch-size.",
        SCORE + " --shard 1/9",
    ),
    Case(
        "means over orders in shards",
        "scores that are means over orders are computed pass by pass: leave out --average, or "
        "--block, --shard and --engine ray.",
        SCORE + " --shard 1/2 --orders cyclic --average",
    ),
    Case(
        "a file that is no shard",
        "FILE: not a shard's predictions with its questions.shard.json beside it (…). Both are "
        "written by `mcqa score --shard`.",
        MERGE,
    ),
    Case(
        "a shard that was changed",
        "FILE: not the file that `mcqa score --shard` wrote; its checksum differs. Score shard 1/1 "
        "again.",
        MERGE,
        changed,
    ),
    Case(
        "a shard is missing",
        "1 of 2 shards missing: 1/2. Score them with the same command and --shard, and name their "
        "files too.",
        MERGE,
        shard(2, 2),
    ),
    Case(
        "a shard twice",
        "FILE and FILE are both shard 1/2. Name each shard once.",
        MERGE.replace("FILE", "FILE FILE"),
        shard(1, 2),
    ),
    Case(
        "a part of Ray's that is gone",
        "FILE: predictions of part 00000-00000 are gone or changed. Give the command that wrote "
        "them again; it scores this part alone.",
        MERGE,
        lost,
    ),
)
