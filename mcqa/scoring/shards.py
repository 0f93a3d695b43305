"""Score a set in shards, processes that know nothing of each other, and put the answers together.

What else is in a batch shows in a score's last bits. So a shard is every Nth batch of those that
one process would form: chosen out of the whole set, such questions come to the very same batches
again, and not a bit depends on how many shards there are. A question that is split into parts, one
for each of its options, may have them in several shards: it comes out whole once these are merged.

    part-1.jsonl          the predictions of a shard, a predictions file like any other
    part-1.shard.json     which shard of what, its places in the whole set, and what was split
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.data.digests import describe_changes
from mcqa.errors import ConfigError, DataError
from mcqa.formulations.judged import is_judged, join
from mcqa.prediction import Prediction, read_predictions, write_predictions
from mcqa.prompting.encoded_sets import EncodedSet, encode_set
from mcqa.question import Question
from mcqa.scoring.partial import Partial, describe_work, partial_path
from mcqa.scoring.scorer import Scorer
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
    encoded = encode_set(scorer.encoder, questions, split=scorer.split)
    batches = scorer.batches(encoded, batch_size, block)
    if len(batches) < shard.of:
        raise ConfigError(
            f"shard {shard}: there are only {len(batches)} batches of up to {batch_size} "
            "questions. Take fewer shards, or a smaller --batch-size."
        )
    work = describe_work(scorer, encoded, batch_size, block)
    mine = batches[shard.number - 1 :: shard.of]
    places = sorted(place for batch in mine for place in batch)
    report = on_progress or (lambda count: None)
    with Partial(partial_path(output), work | {"shard": str(shard)}, scorer, **how) as partial:
        part = partial.part("questions")
        predictions = scorer.join(None, scorer.score_batches(encoded, mine, report, part))
        if processes.is_main():
            write_predictions(output, predictions)
            sha256 = hashlib.sha256(output.read_bytes()).hexdigest()
            kept = {"shard": shard.number, "of": shard.of, "sha256": sha256, "work": work}
            kept |= {"places": places, **_judged(scorer, encoded, places)}
            write_json(record_path(output), kept)
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
    merged, judged = {}, {}
    for file, record in zip(files, records, strict=True):
        merged.update(zip(record["places"], read_predictions(file), strict=True))
        judged.update(record["judged"])
    return list(_joined(merged, judged, first["threshold"]))


def _judged(scorer: Scorer, encoded: EncodedSet, places: Sequence[int]) -> dict:
    """Return what joins the parts of questions that were split: by their first places, and how."""
    judged: dict[int, dict] = {}
    if encoded.was_split:
        mine, place = set(places), 0
        for question in encoded.asked:
            n = len(question.options) if is_judged(question) else 1
            if is_judged(question) and not mine.isdisjoint(range(place, place + n)):
                judged[place] = vars(question)
            place += n
    return {"judged": judged, "threshold": scorer.threshold_of("several")}


def _joined(
    merged: Mapping[int, Prediction], judged: Mapping[str, dict], threshold: float
) -> Iterator[Prediction]:
    """Yield the predictions of whole questions."""
    place = 0
    while place < len(merged):
        row, n = judged.get(str(place)), 1  # JSON's keys are texts
        if row:
            question = Question(**row)
            n = len(question.options)
            yield from join([question], [merged[place + nth] for nth in range(n)], threshold)
        else:
            yield merged[place]
        place += n


def _read_record(file: Path) -> dict:
    path = record_path(file)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        whole = record["sha256"] == sha256
        _ = [record[name] for name in ("shard", "of", "work", "places", "judged", "threshold")]
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
