"""Encode a data set of any size: questions from one file, token ids into another.

The token ids of a large set are kept for the next time (`mcqa.system.kept`), under a key that
changes with the questions and with all that the encoder is made of. Two traps. Encoding in parts
must not let a question retrieve a passage of another part's question: the encoder is told of all of
them first. And processes that are forked after a tokenizer used threads would wait for ever.
"""

import contextlib
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mcqa
from mcqa.data.digests import digest_questions
from mcqa.data.stored import CHUNK, OnDisk, StoredQuestions, temporary_folder, write_rows
from mcqa.errors import EncodingError
from mcqa.prediction import Retrieved
from mcqa.prompting.encoding import PROBE, EncodedQuestion, Encoder
from mcqa.prompting.prompts import Shots, Template
from mcqa.prompting.tokens import ControlTokens
from mcqa.question import Question
from mcqa.retrieval.contexts import Contexts
from mcqa.system.files import not_written, whole_folder
from mcqa.system.kept import make_room, private_folder
from mcqa.system.workers import cores, run_in_workers

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

THREADS = "TOKENIZERS_PARALLELISM"
KEPT_FROM = 10_000  # questions; fewer are encoded faster than they are looked up
PER_PROCESS = 10_000  # questions that are worth starting a process for
ENCODING = 3  # one more, whenever the same encoder and questions come to other tokens
LISTS = ("prefix", "continuations", "characters", "tail")
NUMBERS = ("truncated", "tokens", "longest", "options")


class EncodedSet(OnDisk[EncodedQuestion]):
    """Hold encoded questions on disk, as a sequence; made by `encode_set`.

    `asked` are the questions that they are, or that they were split from.
    """

    def __init__(
        self,
        questions: StoredQuestions,
        tokens: "Dataset",
        encoder: Encoder,
        asked: StoredQuestions,
    ):
        self.questions, self.asked = questions, asked
        self._tokens, self._table = tokens, tokens.with_format("arrow")
        self._alike = {"neutral_prefix": encoder.neutral_prefix, "letters": encoder.letters}

    @property
    def was_split(self) -> bool:
        """Whether there are parts of questions among them."""
        return self.asked is not self.questions

    def __len__(self) -> int:
        return len(self.questions)

    def read(self, places: Sequence[int] | slice) -> list[EncodedQuestion]:
        """Return the questions at these places."""
        rows = self._table[places].to_pylist()
        return list(map(self._encoded, self.questions.read(places), rows))

    __getitems__ = read  # what torch's DataLoader asks for

    def _encoded(self, question: Question, row: Mapping) -> EncodedQuestion:
        if row["fault"]:
            raise EncodingError(row["fault"])
        lists = {name: tuple(row[name]) for name in LISTS}
        lists["continuations"] = tuple(map(tuple, row["continuations"]))
        found = row["retrieved"]
        if found is not None:
            found = tuple(Retrieved(**passage) for passage in found)
        others = {"truncated": row["truncated"], "retrieved": found, **self._alike}
        return EncodedQuestion(question=question, **lists, **others)

    def column(self, name: str) -> list:
        """Return one of `NUMBERS` for each question, 0 where it has a `fault`, or the faults."""
        return self._tokens.data.column(name).to_pylist()


def encode_set(
    encoder: Encoder,
    questions: Iterable[Question],
    *,
    learning: bool = False,
    num_proc: int | None = None,
    faults: bool = False,
    split: Callable[[StoredQuestions], StoredQuestions] | None = None,
) -> EncodedSet:
    """Encode questions onto disk, or take over what is there of an earlier time.

    Args:
        encoder, questions, learning: as for `Encoder.encode`, but of any number.
        num_proc: how many processes work at once; by default one for each core, where it pays.
        faults: leave questions in that cannot be encoded; looking at one raises then.
        split: returns what is asked of questions, the same ones where nothing is split.

    Raises:
        EncodingError: a question's options do not fit into `encoder.max_length`; the first one.
        RunError: there is no room for the tokens.
    """
    if not isinstance(questions, StoredQuestions):
        questions = StoredQuestions(questions)
    asked, questions = questions, split(questions) if split else questions
    num_proc = num_proc or min(cores(), len(questions) // PER_PROCESS)
    # A part of a question cannot tell which passages belong to it, so nobody sees them.
    if not learning or questions is not asked:
        encoder = encoder.holding_out(asked)
    work = encoder, learning, questions
    key = _key(*work) if len(questions) >= KEPT_FROM else None
    if key:
        tokens = _kept_tokens(private_folder() / key, work, num_proc)
    else:
        folder = temporary_folder()
        _write(Path(folder.name), work, num_proc)
        tokens = _open(Path(folder.name), len(questions))
        weakref.finalize(tokens, folder.cleanup)
    encoded = EncodedSet(questions, tokens, encoder, asked)
    fault = None if faults else next(filter(None, encoded.column("fault")), None)
    if fault:
        raise EncodingError(fault)
    return encoded


def _kept_tokens(folder: Path, work: tuple, num_proc: int) -> "Dataset":
    """Return the tokens in the cache, after putting them there where they are not."""
    n = len(work[-1])
    tokens = _open(folder, n)
    if tokens is not None:
        os.utime(folder)
        return tokens
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with whole_folder(folder) as temporary:
            _write(temporary, work, num_proc)
            for path in temporary.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
    except OSError as error:  # the folder cannot be made, or another process was faster
        if not folder.is_dir():
            raise not_written(folder, error) from error
    make_room(folder)
    return _open(folder, n)


def _open(folder: Path, n: int) -> "Dataset | None":
    """Return the tokens in a folder, None where they are not those of n questions."""
    import datasets
    import pyarrow as pa

    try:
        parts = [datasets.Dataset.from_file(str(path)) for path in sorted(folder.glob("*.arrow"))]
    except (OSError, pa.ArrowInvalid):
        return None
    complete = parts and sum(map(len, parts)) == n
    return datasets.concatenate_datasets(parts) if complete else None


def _write(folder: Path, work: tuple, num_proc: int) -> None:
    """Write the tokens of questions into a folder, as one file for each process."""
    n = len(work[-1])
    num_proc = max(1, min(num_proc, n))
    shards = [
        (folder / f"{part:05}.arrow", *work, n * part // num_proc, n * (part + 1) // num_proc)
        for part in range(num_proc)
    ]
    if num_proc == 1:
        _encode_shard(*shards[0])
    else:
        with _one_thread_each():
            run_in_workers(_encode_shard, shards)


def _encode_shard(
    path: Path, encoder: Encoder, learning: bool, questions: StoredQuestions, start: int, end: int
) -> None:
    """Write the tokens of the questions from start to end into a file."""
    encoded = (
        _row(one)
        for first in range(start, end, CHUNK)
        for one in encode_each(encoder, questions[first : min(first + CHUNK, end)], learning)
    )
    write_rows(path, encoded, _schema())


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "false"
    try:
        yield
    finally:
        del os.environ[THREADS]
        if before is not None:
            os.environ[THREADS] = before


def _row(encoded: EncodedQuestion | EncodingError) -> dict:
    if isinstance(encoded, EncodingError):
        nothing = dict.fromkeys(LISTS, ()) | dict.fromkeys(NUMBERS, 0)
        return nothing | {"fault": str(encoded)}
    found = encoded.retrieved
    return {
        **{name: getattr(encoded, name) for name in (*LISTS, "truncated", "tokens", "longest")},
        "options": len(encoded.continuations),
        "retrieved": None if found is None else [passage._asdict() for passage in found],
    }


def encode_each(
    encoder: Encoder, questions: Sequence[Question], learning: bool = False
) -> Iterator[EncodedQuestion | EncodingError]:
    """Yield each question encoded, or why it cannot be."""
    try:
        yield from encoder.encode(questions, learning=learning)
    except EncodingError as error:
        if len(questions) == 1:
            yield error
            return
        half = len(questions) // 2
        yield from encode_each(encoder, questions[:half], learning)
        yield from encode_each(encoder, questions[half:], learning)


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    ids, passage = pa.list_(pa.int32()), {"id": pa.string(), "score": pa.float64()}
    return pa.schema(
        {
            "fault": pa.string(),
            **dict.fromkeys(LISTS, ids),
            "continuations": pa.list_(ids),
            **dict.fromkeys(NUMBERS, pa.int32()),
            "retrieved": pa.list_(pa.struct(passage)),
        }
    )


def _key(encoder: Encoder, learning: bool, questions: StoredQuestions) -> str | None:
    """Return what changes with questions and encoder, None where the tokenizer cannot tell."""
    if not hasattr(encoder.tokenizer, "backend_tokenizer"):
        return None
    settings = {name: _settled(value) for name, value in vars(encoder).items()}
    example = [str(encoded) for encoded in encode_each(encoder, [PROBE])]
    versions = (mcqa.__version__, ENCODING, str(_schema()))
    parts = (*versions, questions.sha256, learning, settings, example)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _settled(value) -> Any:
    """Return a part of an encoder as JSON that changes with it."""
    if isinstance(value, Template):
        return value.name
    if isinstance(value, Shots):
        return value.k, value.seed, digest_questions(value.pool)
    if isinstance(value, Contexts):
        return value.checksum
    if isinstance(value, ControlTokens):
        return value.pattern.pattern
    if hasattr(value, "backend_tokenizer"):
        rules = hashlib.sha256(value.backend_tokenizer.to_str().encode()).hexdigest()
        return rules, value.chat_template, value.split_special_tokens
    return value
