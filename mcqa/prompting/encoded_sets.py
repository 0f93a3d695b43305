"""Encode a data set of any size: questions from one file, token ids into another.

`Encoder.encode` takes and gives lists, which is what answering a few questions wants. What reads a
whole data set (training, `score`, `evaluate`, `check`) takes this way instead, whatever the size:
`datasets` maps the questions to token ids, in several processes where there are many, and the
result is read from disk as needed. Item by item it equals what `Encoder.encode` gives.

The token ids of a set of 10,000 questions or more are kept for the next time (`mcqa.system.kept`),
under a key that changes with the questions and with all that the encoder is made of. Smaller sets
are encoded anew, which takes a second; their files are temporary.

Two traps. Encoding in parts must not let a question retrieve a passage of another part's question:
the encoder is told of all of them first. And processes that are forked after a tokenizer used
threads would wait for ever, or warn: so it uses none while there are several processes.
"""

import contextlib
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mcqa
from mcqa.data.digests import digest_questions
from mcqa.data.stored import (
    CHUNK,
    StoredQuestions,
    read_questions,
    store_rows,
    temporary_folder,
)
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
Work = tuple[Encoder, bool]  # what with, and whether to learn
ENCODING = 2  # one more, whenever the same encoder and questions come to other tokens


class EncodedSet(Sequence[EncodedQuestion]):
    """Hold encoded questions on disk, as a sequence; made by `encode_set`.

    Args:
        questions: what was encoded.
        tokens: the columns of `_schema`, a row per question.
        encoder: what with.
    """

    def __init__(self, questions: StoredQuestions, tokens: "Dataset", encoder: Encoder):
        self.questions = questions
        self._tokens, self._table = tokens, tokens.with_format("arrow")
        self._neutral_prefix, self._letters = encoder.neutral_prefix, encoder.letters

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index):
        if isinstance(index, slice):
            rows = self._table[index].to_pylist()
            return list(map(self._encoded, self.questions[index], rows))
        return self.read([range(len(self))[index]])[0]

    def read(self, indices: Sequence[int]) -> list[EncodedQuestion]:
        """Return the questions at these places, all at once: one by one takes as long for each."""
        rows = self._table[indices].to_pylist()
        return list(map(self._encoded, self.questions.read(indices), rows))

    def __iter__(self) -> Iterator[EncodedQuestion]:
        for start in range(0, len(self), CHUNK):
            yield from self[start : start + CHUNK]

    def _encoded(self, question: Question, row: Mapping) -> EncodedQuestion:
        if row["fault"]:
            raise EncodingError(row["fault"])
        found = row["retrieved"]
        return EncodedQuestion(
            question=question,
            prefix=tuple(row["prefix"]),
            continuations=tuple(map(tuple, row["continuations"])),
            characters=tuple(row["characters"]),
            tail=tuple(row["tail"]),
            neutral_prefix=self._neutral_prefix,
            letters=self._letters,
            truncated=row["truncated"],
            retrieved=None if found is None else tuple(Retrieved(**passage) for passage in found),
        )

    def column(self, name: str) -> list:
        """Return one number of each question: `tokens`, `longest`, `truncated` or `options`.

        Where a question has a fault (`fault`, a text, else None), its numbers are 0.
        """
        return self._tokens.data.column(name).to_pylist()


def encode_set(
    encoder: Encoder,
    questions: Iterable[Question],
    *,
    learning: bool = False,
    num_proc: int | None = None,
    faults: bool = False,
) -> EncodedSet:
    """Encode questions onto disk, or take over what is there of an earlier time.

    Args:
        encoder: what with.
        questions: best as `StoredQuestions`.
        learning: see `Encoder.encode`.
        num_proc: how many processes work at once; by default one for each core, where it pays.
        faults: leave questions in that cannot be encoded; looking at one raises then.

    Raises:
        EncodingError: a question's options do not fit into `encoder.max_length`; the first one.
        RunError: there is no room for the tokens.
    """
    if not isinstance(questions, StoredQuestions):
        questions = StoredQuestions(questions)
    if not len(questions):
        return EncodedSet(questions, store_rows((), _schema()), encoder)
    work = encoder if learning else encoder.holding_out(questions), learning
    num_proc = num_proc or min(cores(), len(questions) // PER_PROCESS)
    num_proc = max(1, min(num_proc, len(questions)))
    key = _key(*work, questions) if len(questions) >= KEPT_FROM else None
    if key:
        tokens = _kept_tokens(work, questions, num_proc, key)
    else:
        folder = temporary_folder()
        _write(work, questions, Path(folder.name), num_proc)
        tokens = _open(Path(folder.name), len(questions))
    encoded = EncodedSet(questions, tokens, encoder)
    if not key:
        weakref.finalize(encoded, folder.cleanup)
    fault = None if faults else next(filter(None, encoded.column("fault")), None)
    if fault:
        raise EncodingError(fault)
    return encoded


def _kept_tokens(work: Work, questions: StoredQuestions, num_proc: int, key: str) -> "Dataset":
    """Return the tokens in the cache, after putting them there where they are not."""
    folder = private_folder() / key
    tokens = _open(folder, len(questions))
    if tokens is not None:
        os.utime(folder)
        return tokens
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with whole_folder(folder) as temporary:
            _write(work, questions, temporary, num_proc)
            for path in temporary.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
    except OSError as error:  # the folder cannot be made, or another process was faster
        if not folder.is_dir():
            raise not_written(folder, error) from error
    make_room(folder)
    return _open(folder, len(questions))


def _open(folder: Path, n: int) -> "Dataset | None":
    """Return the tokens in a folder, None where they are not those of n questions."""
    import datasets
    import pyarrow as pa

    try:
        parts = [datasets.Dataset.from_file(str(path)) for path in sorted(folder.glob("*.arrow"))]
    except (OSError, pa.ArrowInvalid):
        return None
    if sum(map(len, parts)) != n:
        return None
    return datasets.concatenate_datasets(parts)


def _write(work: Work, questions: StoredQuestions, folder: Path, num_proc: int) -> None:
    """Write the tokens of questions into a folder, as one file for each process."""
    shards = [
        (
            *work,
            questions.dataset.shard(num_proc, index, contiguous=True),
            folder / f"{index:05}.arrow",
        )
        for index in range(num_proc)
    ]
    if num_proc == 1:
        _encode_shard(*shards[0])
    else:
        with _one_thread_each():
            run_in_workers(_encode_shard, shards)


def _encode_shard(encoder: Encoder, learning: bool, shard: "Dataset", path: Path) -> None:
    """Write the tokens of some questions into a file.

    Raises:
        RunError: there is no room for them.
    """
    import datasets

    had_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        shard.with_format("arrow").map(
            lambda table: _tokens(encoder, learning, table),
            batched=True,
            batch_size=CHUNK,
            remove_columns=shard.column_names,
            features=datasets.Features.from_arrow_schema(_schema()),
            cache_file_name=str(path),
            load_from_cache_file=False,
            new_fingerprint="tokens",
        )
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        if had_bars:
            datasets.enable_progress_bars()


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


def _tokens(encoder: Encoder, learning: bool, table: "pyarrow.Table") -> "pyarrow.Table":
    """Turn a table of questions into one of their tokens."""
    import pyarrow as pa

    rows = map(_row, encode_each(encoder, read_questions(table), learning))
    return pa.Table.from_pylist(list(rows), schema=_schema())


def _row(encoded: EncodedQuestion | EncodingError) -> dict:
    if isinstance(encoded, EncodingError):
        numbers = dict.fromkeys(("truncated", "tokens", "longest", "options"), 0)
        lists = dict.fromkeys(("prefix", "continuations", "characters", "tail"), ())
        return {"fault": str(encoded), "retrieved": None, **lists, **numbers}
    return {
        "fault": None,
        "prefix": encoded.prefix,
        "continuations": encoded.continuations,
        "characters": encoded.characters,
        "tail": encoded.tail,
        "truncated": encoded.truncated,
        "tokens": encoded.tokens,
        "longest": encoded.longest,
        "options": len(encoded.continuations),
        "retrieved": _rows_of(encoded.retrieved),
    }


def _rows_of(retrieved: Sequence[Retrieved] | None) -> list[dict] | None:
    return None if retrieved is None else [passage._asdict() for passage in retrieved]


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

    number, numbers = pa.int32(), pa.list_(pa.int32())
    return pa.schema(
        {
            "fault": pa.string(),
            "prefix": numbers,
            "continuations": pa.list_(numbers),
            "characters": numbers,
            "tail": numbers,
            "truncated": number,
            "tokens": number,
            "longest": number,
            "options": number,
            "retrieved": pa.list_(pa.struct({"id": pa.string(), "score": pa.float64()})),
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
