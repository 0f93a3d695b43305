"""Score whole folders of files on a Ray cluster, in parts, going on from those that are there.

Ray Data places the workers, hands out the parts, starts workers that died again and slows down what
is too fast; here is only what a worker does, and what is asked of Ray. The trap: Ray gives a dead
worker's part to the next one for ever. What bounds that is `mcqa.scoring.tries`.

The driver holds, of each part, its name, number of questions and checksums, and nothing of a
question.
"""

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import PurePosixPath

from mcqa.data.digests import describe_changes, digest
from mcqa.data.joined import prefixes_of, subjects_of
from mcqa.data.reader import Rejected
from mcqa.data.sources import source_name
from mcqa.errors import ConfigError, DataError, EncodingError, McqaError, RunError
from mcqa.formulations.judged import owners, split
from mcqa.kinds import KINDS
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.question import Question
from mcqa.scoring.cutting import ids_file, read_file
from mcqa.scoring.ids import BUCKETS, SIZE, shared
from mcqa.scoring.pace import Pace
from mcqa.scoring.parts import (
    FOLDERS,
    MANIFEST,
    WORK,
    Place,
    data_files,
    file_checksum,
    finished_part,
    questions_of,
    write_part,
    write_rejected,
)
from mcqa.scoring.ray import Score
from mcqa.scoring.tries import Tries, score_part
from mcqa.system.cluster import ONE, Machines, cluster, packed, pieces, run_tasks, unpacked

BLOCK = 2048
IDS_AT_ONCE = 2**26  # bytes of hashes that a task compares
SUMS = ("n", "tokens", "rejected")


class ScoreParts:
    """Score the parts of a folder; as `Score`, but in and out go the parts' records."""

    def __init__(self, folder: Place, skip_invalid: bool, how: dict):
        self.folder, self.skip_invalid = folder, skip_invalid
        self.score = Score(**how)
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def __call__(self, batch: dict) -> Iterator[dict]:
        for item in batch["item"]:
            part, began = unpacked({"item": item}), time.monotonic()
            try:
                record = finished_part(self.folder, part) or self._score(part)
                done = packed((record, self.name, time.monotonic() - began))
            except McqaError as error:
                done = packed(error)
            yield {name: [value] for name, value in done.items()}

    def _score(self, part: dict) -> dict:
        scorer, tries = self.score.scorer, Tries(self.folder / f"tries/{part['part']}.json")
        rejected: list[Rejected] = []
        asked, encoded = self._encode(part, tries, rejected)
        owner_of, blamed = list(owners(asked) if scorer.split else range(len(asked))), set()

        def to_blame(place: int, deaths: int) -> None:
            owner = owner_of[place]
            if owner not in blamed:
                rejected.append(self._to_blame(part, asked[owner], deaths))
            blamed.add(owner)

        with scorer.keeping():  # also for a single question, as the other parts do
            found = score_part(scorer, encoded, self.score.batch_size, tries, to_blame)
        kept = [found[place] for place in sorted(found) if owner_of[place] not in blamed]
        rest = [question for number, question in enumerate(asked) if number not in blamed]
        predictions = scorer.join(rest if scorer.split else None, kept)
        write_rejected(self.folder / f"rejected/{part['part']}.jsonl", rejected)
        record = write_part(self.folder, part, predictions, rejected=len(rejected))
        tries.done()
        return record

    def _to_blame(self, part: dict, question: Question, deaths: int) -> Rejected:
        name, reason = f"question {question.id!r}", f"its worker died of it, {deaths} times."
        if not self.skip_invalid:
            raise RunError(f"{name}: {reason} Pass --skip-invalid to leave it out.")
        return Rejected(part["part"], name, reason, vars(question))

    def _encode(
        self, part: dict, tries: Tries, rejected: list[Rejected]
    ) -> tuple[list, list[EncodedQuestion]]:
        """Return the questions of a part that can be encoded, and what is asked of them."""
        questions, scorer = questions_of(self.folder, part), self.score.scorer

        def encode(some: Sequence[Question]) -> list[EncodedQuestion]:
            asked = chain.from_iterable(map(split, some)) if scorer.split else some
            return scorer.encoder.encode(list(asked))

        if not tries.deadly("prompts"):
            if tries.careful:
                tries.at("prompts")
            try:
                return questions, encode(questions)
            except EncodingError:
                if not self.skip_invalid:
                    raise
        kept, encoded = [], []
        for number, question in enumerate(questions):
            name = f"prompt {number}"
            if tries.deadly(name):
                rejected.append(self._to_blame(part, question, tries.deaths[name]))
                continue
            if tries.careful:
                tries.at(name)
            try:
                encoded += encode([question])
                kept.append(question)
            except EncodingError as error:
                name = f"question {question.id!r}"
                rejected.append(Rejected(part["part"], name, str(error), vars(question)))
        return kept, encoded


def score_on_ray(
    how: dict,
    data: str | Sequence[str],
    output: str,
    *,
    reading: dict,
    kinds: Collection[str] = tuple(KINDS),
    block: int = BLOCK,
    address: str = "local",
    machines: Machines = ONE,
    overwrite: bool = False,
    announce: Callable[[str], None] = print,
    on_progress: Callable[[int, Pace], None] = lambda count, pace: None,
) -> dict:
    """Score files into a folder of parts, going on from the parts that are there.

    Args:
        how: the arguments of `Score` but for those of reading; the model must mean the same on all
            machines.
        data: a file, folder or pattern, local (on all machines) or `s3://`, `gs://`, ...; or some.
        output: a folder, likewise.
        reading: arguments of `mcqa.data.open_questions`.
        kinds: what kinds of questions are taken.
        block: questions a part.
        address: `local` starts Ray here; else as `ray.init` takes it.
        machines: what to score with.
        overwrite: start anew.
        announce: called with lines to print.
        on_progress: called with how many more questions are done, and how fast that is.

    Returns:
        The manifest: the parts' records, and their sums.

    Raises:
        ConfigError: the folder is of other work, there are questions of another kind, or there is
            no cluster at the address.
        RunError: a question kills its worker, or workers cannot be had.
    """
    folder, files = Place.of(output), data_files(data)
    with cluster(address, announce):
        if overwrite:
            _forget(folder)
        scoring = _scoring(how, machines)
        work = _reading(files, reading) | {"block": block} | scoring
        before = (folder / WORK).read_json()
        changes = describe_changes(before, work) if before else ""
        if changes:
            raise ConfigError(
                f"{folder} holds parts of other work:\n{changes}\nGive the settings of then to go "
                "on, choose another --output, or pass --overwrite to start anew."
            )
        (folder / WORK).write_json(work)
        how = {**how, "expected": scoring}
        settings = {**reading, "skip_invalid": reading.get("skip_invalid", False)}
        read = _read(folder, files, block, settings)
        parts = [part for record in read for part in record.pop("parts")]
        if not parts:
            raise DataError(f"{source_name(data)}: no question is left.")
        if others := sorted({kind for part in parts for kind in part["kinds"]} - set(kinds)):
            raise ConfigError(
                f"{source_name(data)}: questions of the kinds {', '.join(others)} are scored on "
                "Ray, not evaluated. Score them with `mcqa score --engine ray`, put the parts "
                "together with `mcqa merge-predictions`, and compare files with `mcqa compare`."
            )
        total = sum(part["n"] for part in parts)
        announce(f"{total:,} questions in {len(parts):,} parts of {len(files):,} files")
        sums, done = Counter[str](), {}
        for number, record in run_tasks(lambda part: finished_part(folder, part), parts):
            if record:
                done[number] = _counted(record, sums)
        pace = Pace(total, sums["n"] + sums["rejected"])
        on_progress(pace.done, pace)
        if done:
            announce(f"{len(done):,} parts are there already")
        missing = [number for number in range(len(parts)) if number not in done]
        scored = _scored(folder, parts, missing, settings["skip_invalid"], how, machines)
        for number, record, worker, seconds in scored:
            done[number] = _counted(record, sums)
            n = record["n"] + record["rejected"]
            pace.add(worker, n, seconds)
            on_progress(n, pace)
        for record in read:
            sums.update({name: record[name] for name in ("rejected", "skipped")})
        manifest = {name: sums[name] for name in (*SUMS, "skipped")}
        manifest["kinds"] = {
            kind: {name: sums[kind, name] for name in ("n", "labelled", "right")}
            for kind in KINDS
            if sums[kind, "n"]
        }
        manifest["parts"] = [done[number] for number in range(len(parts))]
        (folder / MANIFEST).write_json(manifest)
        return manifest


def _counted(record: Mapping, sums: Counter) -> dict:
    """Add a part's record to the sums, and return what the manifest says of it."""
    sums.update({name: record[name] for name in SUMS})
    for kind, counts in record["kinds"].items():
        sums.update({(kind, name): count for name, count in counts.items()})
    return {name: record[name] for name in ("part", "n", "questions_sha256", "sha256")}


def _scoring(how: dict, machines: Machines) -> dict:
    """Return what decides the scores, found out where they will be computed."""
    describe = {"gpus": machines.gpus, "cpus": machines.cpus}
    ((_, described),) = run_tasks(lambda how: Score(**how).describe(), [how], **describe)
    return described


def _reading(files: Sequence[Place], reading: dict) -> dict:
    """Return what decides which questions there are."""
    sums = dict(run_tasks(file_checksum, files))
    checksum = digest((file.path, sums[number]) for number, file in enumerate(files))
    rules = {k: v for k, v in reading.items() if k != "skip_invalid" and v is not None}
    return {"data": f"{len(files):,} files with checksum {checksum}", **rules}


def _read(folder: Place, files: Sequence[Place], block: int, settings: dict) -> list[dict]:
    """Return the files' records; where an id stands in two, with the files' names before all."""

    def read(items: Sequence[tuple]) -> list[dict]:
        done = dict(run_tasks(lambda item: read_file(folder, *item), items))
        return [done[number] for number in range(len(items))]

    stems = [PurePosixPath(file.path.removesuffix(".gz")).stem for file in files]
    subjects = enumerate(zip(files, subjects_of(stems), strict=True))
    numbered = [(number, file, block, settings, subject) for number, (file, subject) in subjects]
    records = read(numbered)
    if any(record["prefix"] for record in records) or _ids_shared(folder, records):
        names = prefixes_of(stems, list(map(str, files)))
        records = read([(*item, name) for item, name in zip(numbered, names, strict=True)])
    return records


def _ids_shared(folder: Place, records: Sequence[dict]) -> bool:
    if len(records) == 1:
        return False
    ids = [ids_file(folder, number) for number in range(len(records))]
    n = sum(part["n"] for record in records for part in record["parts"])
    step = BUCKETS
    while step > 1 and n * SIZE * step / BUCKETS > IDS_AT_ONCE:
        step //= 2
    buckets = [range(first, first + step) for first in range(0, BUCKETS, step)]
    return any(found for _, found in run_tasks(lambda some: shared(ids, some), buckets))


def _scored(
    folder: Place, parts: Sequence[dict], numbers: Sequence[int], skip_invalid, how, machines
) -> Iterator[tuple[int, dict, str, float]]:
    """Yield each part's number, record, its worker and the seconds it took, as they are done."""
    if not numbers:
        return
    from ray.data import ActorPoolStrategy

    most = machines.workers
    scored = pieces([parts[number] for number in numbers]).map_batches(
        ScoreParts,
        fn_constructor_args=(folder, skip_invalid, how),
        batch_size=1,
        compute=ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
        num_cpus=machines.cpus,
        num_gpus=machines.gpus,
    )
    number_of = {parts[number]["part"]: number for number in numbers}
    for record, worker, seconds in map(unpacked, scored.iter_rows()):
        yield number_of[record["part"]], record, worker, seconds


def _forget(folder: Place) -> None:
    """Remove the results of earlier work, and nothing else."""
    if not (folder / WORK).read_info():
        return
    for name in (WORK, MANIFEST):
        (folder / name).remove()
    for name in FOLDERS:
        place = folder / name
        if place.read_info():
            place.system.delete_dir(place.path)
