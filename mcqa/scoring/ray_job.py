"""Score whole folders of files on a Ray cluster, in parts, going on from those that are there.

Ray Data places the workers, hands out the parts, starts workers that died again and slows down what
is too fast; here is only what a worker does, and what is asked of Ray. The trap: Ray gives a dead
worker's part to the next one for ever. What bounds that is `mcqa.scoring.tries`.
"""

import contextlib
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mcqa.data.digests import digest, tell_changes
from mcqa.data.reader import Rejected
from mcqa.errors import (
    ConfigError,
    DataError,
    EncodingError,
    McqaError,
    MissingDependencyError,
    RunError,
)
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.scoring.parts import (
    FOLDERS,
    MANIFEST,
    WORK,
    Place,
    data_files,
    file_checksum,
    finished_part,
    questions_of,
    read_file,
    write_part,
    write_rejected,
)
from mcqa.scoring.ray import Score
from mcqa.scoring.tries import Tries, score_part

BLOCK = 2048
DEATHS_WHILE_LOADING = 3  # in a row
AT_ONCE = 10_000  # pieces of work that Ray is told of, each of several parts where need be


class ScoreParts:
    """Score the parts of a folder; as `Score`, but in and out go the parts' records."""

    def __init__(self, folder: Place, skip_invalid: bool, how: dict):
        self.folder, self.skip_invalid = folder, skip_invalid
        self.score = Score(**how)

    def __call__(self, batch: dict) -> Iterator[dict]:
        for packed in batch["item"]:
            part = pickle.loads(packed)
            record = finished_part(self.folder, part) or self._score(part)
            yield {"item": [pickle.dumps(record)]}

    def _score(self, part: dict) -> dict:
        tries = Tries(self.folder / f"tries/{part['part']}.json")
        rejected: list[Rejected] = []

        def to_blame(encoded: EncodedQuestion, deaths: int) -> None:
            name = f"question {encoded.question.id!r}"
            reason = f"its worker died of it, {deaths} times."
            if not self.skip_invalid:
                raise RunError(f"{name}: {reason} Pass --skip-invalid to leave it out.")
            rejected.append(Rejected(part["part"], name, reason, vars(encoded.question)))

        encoded = self._encode(part, rejected)
        how = self.score.batch_size, tries, to_blame
        predictions = score_part(self.score.scorer, encoded, *how)
        write_rejected(self.folder / f"rejected/{part['part']}.jsonl", rejected)
        record = write_part(self.folder, part, predictions, rejected=len(rejected))
        tries.done()
        return record

    def _encode(self, part: dict, rejected: list[Rejected]) -> list[EncodedQuestion]:
        questions, encoder = questions_of(self.folder, part), self.score.scorer.encoder
        try:
            return encoder.encode(questions)
        except EncodingError:
            if not self.skip_invalid:
                raise
        encoded = []
        for question in questions:
            try:
                encoded += encoder.encode([question])
            except EncodingError as error:
                name = f"question {question.id!r}"
                rejected.append(Rejected(part["part"], name, str(error), vars(question)))
        return encoded


class Machines(NamedTuple):
    """Say what to score with: how many workers, and what each of them takes."""

    workers: int = 1
    gpus: float = 0
    cpus: float = 1


ONE = Machines()


def score_on_ray(
    how: dict,
    data: str,
    output: str,
    *,
    reading: dict,
    block: int = BLOCK,
    address: str = "local",
    machines: Machines = ONE,
    overwrite: bool = False,
    announce: Callable[[str], None] = print,
    on_progress: Callable[[int, int, str], None] = lambda count, total, note: None,
) -> dict:
    """Score files into a folder of parts, going on from the parts that are there.

    Args:
        how: the arguments of `Score` but for those of reading; the model must mean the same on all
            machines.
        data: a file, folder or pattern, local (on all machines) or `s3://`, `gs://`, ...
        output: a folder, likewise.
        reading: arguments of `mcqa.data.open_questions`.
        block: questions a part.
        address: `local` starts Ray here; else as `ray.init` takes it.
        machines: what to score with.
        overwrite: start anew.
        announce: called with lines to print.
        on_progress: called with how many more questions are done, of how many, and a remark.

    Returns:
        The manifest: the parts' records, and their sums.

    Raises:
        ConfigError: the folder is of other work, or there is no cluster at the address.
        RunError: a question kills its worker, or workers cannot be had.
    """
    folder, files = Place.of(output), data_files(data)
    with _cluster(address, announce):
        if overwrite:
            _forget(folder)
        scoring = _scoring(how, machines)
        work = _reading(files, reading) | {"block": block} | scoring
        before = (folder / WORK).read_json()
        changes = tell_changes(before, work) if before else ""
        if changes:
            raise ConfigError(
                f"{folder} holds parts of other work:\n{changes}\nGive the settings of then to go "
                "on, choose another --output, or pass --overwrite to start anew."
            )
        (folder / WORK).write_json(work)
        how = {**how, "expected": scoring}
        settings = {**reading, "skip_invalid": reading.get("skip_invalid", False)}
        read = _read(folder, files, block, settings)
        parts = [part for record in read for part in record["parts"]]
        if not parts:
            raise DataError(f"{data}: no question is left.")
        total = sum(part["n"] for part in parts)
        announce(f"{total:,} questions in {len(parts):,} parts of {len(files):,} files")
        done = {r["part"]: r for r in _checked(folder, parts) if r}
        on_progress(sum(record["n"] for record in done.values()), total, "")
        if done:
            announce(f"{len(done):,} parts are there already")
        missing = [part for part in parts if part["part"] not in done]
        for record in _scored(folder, missing, settings["skip_invalid"], how, machines):
            done[record["part"]] = record
            on_progress(record["n"] + record["rejected"], total, f"part {record['part']}")
        manifest = _manifest(read, [done[part["part"]] for part in parts])
        (folder / MANIFEST).write_json(manifest)
        return manifest


def _manifest(read: Sequence[dict], records: Sequence[dict]) -> dict:
    names = ("n", "labelled", "right", "tokens", "rejected")
    sums = {name: sum(record[name] for record in records) for name in names}
    for name in ("rejected", "skipped"):
        sums[name] = sums.get(name, 0) + sum(record[name] for record in read)
    return sums | {"parts": list(records)}


@contextlib.contextmanager
def _cluster(address: str, announce: Callable[[str], None]) -> Iterator[None]:
    """Join a cluster, or the one that this process is in already; raise its errors as ours."""
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "--engine ray needs Ray: pip install 'mcqa[ray]', on all machines of the cluster."
        ) from error
    ours = not ray.is_initialized()
    if ours:
        try:
            quiet = {"log_to_driver": False, "logging_level": "ERROR"}
            context = ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(f"no Ray cluster at {address!r}: {error}") from error
        if getattr(context, "dashboard_url", None):
            announce(f"Ray's dashboard: http://{context.dashboard_url}")
    try:
        yield
    except Exception as error:
        raise _own_error(error) from error
    finally:
        if ours:
            ray.shutdown()


def _own_error(error: Exception) -> Exception:
    """Return the error of this package that Ray has wrapped; else the error."""
    from ray.exceptions import RayError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(getattr(seen, "cause", None), McqaError):
            return seen.cause
        if isinstance(seen, McqaError) and not isinstance(seen, RayError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, RayError):
        return RunError(
            f"Ray: {type(error).__name__}: {error}. Give the command again; it goes on from the "
            "parts that are there."
        )
    return error


def _scoring(how: dict, machines: Machines) -> dict:
    """Return what decides the scores, found out where they will be computed."""
    import ray

    describe = ray.remote(num_cpus=machines.cpus, num_gpus=machines.gpus)(_describe)
    return ray.get(describe.remote(how))


def _describe(how: dict) -> dict:
    return Score(**how).describe()


def _reading(files: Sequence[Place], reading: dict) -> dict:
    """Return what decides which questions there are."""
    sums = _map(file_checksum, files)
    checksum = digest((file.path, sha256) for file, sha256 in zip(files, sums, strict=True))
    rules = {k: v for k, v in reading.items() if k != "skip_invalid" and v is not None}
    return {"data": f"{len(files):,} files with checksum {checksum}", **rules}


def _read(folder, files, block, settings) -> list[dict]:
    numbered = list(enumerate(files))
    return _map(lambda each: read_file(folder, *each, block, settings), numbered)


def _checked(folder, parts) -> list[dict | None]:
    return _map(lambda part: finished_part(folder, part), parts)


def _data():
    """Return Ray Data, told to leave printing to us and to hand on errors as they are."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.raise_original_map_exception = True
    context.max_consecutive_actor_init_deaths = DEATHS_WHILE_LOADING
    return ray.data


def _map(function: Callable, items: Sequence) -> list:
    """Return what a function gives for each item, computed on the cluster, in order."""
    if not items:
        return []

    def apply(row: dict) -> dict:
        number, item = pickle.loads(row["item"])
        return {"item": pickle.dumps((number, function(item)))}

    packed = [{"item": pickle.dumps(pair)} for pair in enumerate(items)]
    data = _data().from_items(packed, override_num_blocks=min(len(items), AT_ONCE))
    results = dict(pickle.loads(row["item"]) for row in data.map(apply, num_cpus=1).iter_rows())
    return [results[number] for number in range(len(items))]


def _scored(folder, parts, skip_invalid, how, machines: Machines) -> Iterator[dict]:
    """Yield the records of parts as they are done."""
    if not parts:
        return
    data = _data()
    packed = [{"item": pickle.dumps(part)} for part in parts]
    pieces = data.from_items(packed, override_num_blocks=min(len(parts), AT_ONCE))
    n = machines.workers
    pool = data.ActorPoolStrategy(min_size=1, max_size=n, initial_size=n)
    scored = pieces.map_batches(
        ScoreParts,
        fn_constructor_args=(folder, skip_invalid, how),
        batch_size=1,
        compute=pool,
        num_cpus=machines.cpus,
        num_gpus=machines.gpus,
    )
    for row in scored.iter_rows():
        yield pickle.loads(row["item"])


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
