"""Score a set in shards, processes that know nothing of each other, and put the answers together.

What else is in a batch shows in a score's last bits. So a shard is every Nth batch of those that
one process would form: chosen out of the whole set, such questions come to the very same batches
again, and not a bit depends on how many shards there are.

    part-1.jsonl          the predictions of a shard, a predictions file like any other
    part-1.shard.json     which shard of what, and the places of its questions in the whole set
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.data.digests import describe_changes
from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError, DataError
from mcqa.prediction import Prediction, read_predictions, write_predictions
from mcqa.prompting.encoded_sets import encode_set
from mcqa.question import Question
from mcqa.scoring.partial import Partial, describe_work, partial_path
from mcqa.scoring.scorer import Scorer, batches_of
from mcqa.system import processes
from mcqa.system.files import write_json


class Shard(NamedTuple):
    """Name one of `of` shards, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/8`; ConfigError for what is no shard.

        >>> Shard.parse("2/8")
        Shard(number=2, of=8)
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ConfigError(f"shard {text!r}: must be I/N with I from 1 to N, like 1/8.")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def record_path(output: Path) -> Path:
    """Return where it is kept which shard a predictions file is."""
    return output.with_name(f"{output.stem}.shard.json")


def score_shard(
    scorer: Scorer,
    questions: Sequence[Question],
    output: Path,
    shard: Shard,
    *,
    batch_size: int = 16,
    block: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    **how,
) -> tuple[list[Prediction], float]:
    """Score one shard of all the questions; otherwise as `mcqa.scoring.scoring_run.score`.

    Raises:
        ConfigError: there are fewer batches than shards.
    """
    encoded = encode_set(scorer.encoder, questions)
    batches = batches_of(encoded, batch_size, block)
    if len(batches) < shard.of:
        raise ConfigError(
            f"shard {shard}: there are only {len(batches)} batches of up to {batch_size} "
            "questions. Take fewer shards, or a smaller --batch-size."
        )
    work = describe_work(scorer, encoded, batch_size, block)
    numbers = range(shard.number - 1, len(batches), shard.of)
    mine = [batches[number] for number in numbers]
    places = sorted(place for batch in mine for place in batch)
    # Batches of places in the shard: the same questions together, in the same order.
    at = {place: index for index, place in enumerate(places)}
    own = encode_set(scorer.encoder, StoredQuestions(questions[place] for place in places))
    local = [[at[place] for place in batch] for batch in mine]
    with Partial(partial_path(output), work | {"shard": str(shard)}, scorer, **how) as partial:
        part = partial.part("questions")
        predictions = scorer.score_batches(own, local, on_progress, part)
        if processes.is_main():
            write_predictions(output, predictions)
            sha256 = hashlib.sha256(output.read_bytes()).hexdigest()
            kept = {"shard": shard.number, "of": shard.of, "sha256": sha256, "work": work}
            write_json(record_path(output), kept | {"places": places})
        partial.finish()
    return predictions, part.seconds


def merge_shards(files: Sequence[Path]) -> list[Prediction]:
    """Return the predictions of all shards, in the order of the set's questions.

    Raises:
        DataError: a file is no whole shard.
        ConfigError: a shard is missing or there twice, or is of other work.
    """
    records = [_read_record(file) for file in files]
    first, of = records[0], records[0]["of"]
    found: dict[int, Path] = {}
    for file, record in zip(files, records, strict=True):
        changes = describe_changes(first["work"], record["work"])
        if changes or record["of"] != of:
            changes = changes or f"  shards: {of} then, {record['of']} now"
            raise ConfigError(f"{file} is of other work than {files[0]}:\n{changes}")
        if record["shard"] in found:
            raise ConfigError(
                f"{file} and {found[record['shard']]} are both shard {record['shard']}/{of}. "
                "Name each shard once."
            )
        found[record["shard"]] = file
    missing = [number for number in range(1, of + 1) if number not in found]
    if missing:
        told = ", ".join(f"{number}/{of}" for number in missing[:10])
        raise ConfigError(
            f"{len(missing)} of {of} shards missing: {told}. Score them with the same command "
            "and --shard, and name their files too."
        )
    merged = {}
    for file, record in zip(files, records, strict=True):
        merged.update(zip(record["places"], read_predictions(file), strict=True))
    return [merged[place] for place in range(len(merged))]


def _read_record(file: Path) -> dict:
    path = record_path(file)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        whole = record["sha256"] == sha256
        _ = record["shard"], record["of"], record["work"], record["places"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{file}: not a shard's predictions with its {path.name} beside it "
            f"({type(error).__name__}: {error}). Both are written by `mcqa score --shard`."
        ) from error
    if not whole:
        raise DataError(
            f"{file}: not the file that `mcqa score --shard` wrote; its checksum differs. Score "
            f"shard {record['shard']}/{record['of']} again."
        )
    return record
