"""Find passages by BM25, with bm25s, and keep the index in a folder.

    index.json       version, how many passages of which source, a checksum of every file
    passages.jsonl   the passages: id, text, origins
    *.npy  *.json    bm25s' own files, none of them a pickle

The trap: float32 sums depend on their order. So the words of a query are sorted, and a question
with its options in another order finds the same passages with the same scores.
"""

import functools
import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcqa.data import data_fingerprint
from mcqa.data.digests import digest
from mcqa.data.judgements import whole_stem
from mcqa.data.same import text_key
from mcqa.errors import ConfigError, DataError
from mcqa.prediction import Retrieved
from mcqa.question import Question
from mcqa.retrieval.corpus import Corpus, Passage, read_corpus
from mcqa.system.files import whole_folder, write_json, write_rows

VERSION = 1
INDEX, PASSAGES = "index.json", "passages.jsonl"
ARRAYS = tuple(f"{name}.csc.index.npy" for name in ("data", "indices", "indptr"))
FILES = (PASSAGES, *ARRAYS, "vocab.index.json", "params.index.json")
WORDS = {"token_pattern": r"\w+", "stopwords": "english"}  # single ones count: "vitamin C"
BM25 = {"method": "lucene", "k1": 1.5, "b": 0.75}


@dataclass(eq=False, repr=False)
class PassageIndex:
    """Search passages of a source; made by `build`, `load` or `open_passages`."""

    passages: Sequence[Passage]
    bm25: Any
    source: str
    sha256: str | None

    @classmethod
    def build(
        cls, passages: Sequence[Passage], source: str = "", sha256: str | None = None
    ) -> "PassageIndex":
        """Index passages; a `DataError` where there is no word in them."""
        import bm25s

        words = bm25s.tokenize([p.text for p in passages], show_progress=False, **WORDS)
        if not words.vocab:
            raise DataError(f"{source or 'passages'}: there is no word to search for in them.")
        bm25 = bm25s.BM25(**BM25)
        bm25.index(words, create_empty_token=False, show_progress=False)
        return cls(passages, bm25, source, sha256)

    def __len__(self) -> int:
        return len(self.passages)

    @functools.cached_property
    def checksum(self) -> str:
        """Sixteen hexadecimal digits that change with what a search can find."""
        return digest([WORDS, BM25, *map(asdict, self.passages)])

    @functools.cached_property
    def _by_stem(self) -> dict[str, set[int]]:
        return _places((key, n) for n, p in enumerate(self.passages) for key in p.origins)

    @functools.cached_property
    def _by_text(self) -> dict[str, set[int]]:
        return _places((text_key(p.text), n) for n, p in enumerate(self.passages))

    def of_questions(self, questions: Iterable[Question]) -> set[int]:
        """Return the places of passages that came with a question's stem or are its explanation."""
        found: set[int] = set()
        for question in questions:
            found |= self._by_stem.get(text_key(whole_stem(question)), set())
            if question.explanation:
                found |= self._by_text.get(text_key(question.explanation), set())
        return found

    def search(
        self, query: str, k: int, without: Collection[int] = ()
    ) -> list[tuple[Passage, Retrieved]]:
        """Return the k best passages that share a word with the query, of equal ones the earlier.

        A word that stands in the query twice counts twice. `without` are the places of passages
        that must not be found.
        """
        import bm25s

        (words,) = bm25s.tokenize(query, return_ids=False, show_progress=False, **WORDS)
        scores = self.bm25.get_scores_from_ids(self.bm25.get_tokens_ids(sorted(words)))
        scores[list(without)] = 0  # as if they shared no word
        k = min(k, len(scores))
        least = np.partition(scores, -k)[-k]
        best = np.flatnonzero((scores >= least) & (scores > 0))
        best = best[np.argsort(-scores[best], kind="stable")][:k]
        found = ((self.passages[n], float(scores[n])) for n in best)
        return [(passage, Retrieved(passage.id, score)) for passage, score in found]

    def save(self, folder: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the index to a folder, all of it or nothing; see `check_index_output`."""
        folder = Path(folder)
        check_index_output(folder, overwrite=overwrite)
        about = {"version": VERSION, "passages": len(self), "source": self.source}
        about |= {"source_sha256": self.sha256, "words": WORDS, "bm25": BM25}
        with whole_folder(folder) as inside:
            self.bm25.save(inside, show_progress=False)
            write_rows(inside / PASSAGES, map(asdict, self.passages))
            sums = {name: _sha256(inside / name) for name in FILES}
            write_json(inside / INDEX, about | {"sha256": sums})
            if folder.exists():
                shutil.rmtree(folder)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "PassageIndex":
        """Read what `save` wrote; a ConfigError for none, a DataError for a damaged or old one."""
        import bm25s

        folder = Path(folder)
        if not (folder / INDEX).is_file():
            raise ConfigError(
                f"index {folder}: there is no {INDEX} in it. Name a folder that `mcqa index "
                "CORPUS --output DIR` wrote."
            )
        try:
            about = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if (about["version"], about["words"], about["bm25"]) != (VERSION, WORDS, BM25):
                raise DataError("it is of another version of mcqa")
            for name in FILES:
                if _sha256(folder / name) != about["sha256"][name]:
                    raise DataError(f"{name} is not what was written")
            bm25 = bm25s.BM25.load(folder, show_progress=False)
            with (folder / PASSAGES).open(encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
            passages = [Passage(row["id"], row["text"], tuple(row["origins"])) for row in rows]
            return cls(passages, bm25, about["source"], about["source_sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"index {folder}: cannot be used ({error}). Make it again with `mcqa index`."
            ) from error


def open_passages(
    index: str | os.PathLike | None,
    corpus: str | os.PathLike | None,
    announce: Callable[[str], None],
    **reading,
) -> PassageIndex:
    """Return the index in a folder, or make one of a corpus, in memory: one of the two is given.

    Lines say what was left out of a corpus, read as `read_corpus` does, and what there is.
    """
    if (index is None) == (corpus is None):
        raise ConfigError(
            "context retrieved needs passages: give either --index, a folder that `mcqa index` "
            "wrote, or --corpus."
        )
    if index is not None:
        passages = PassageIndex.load(index)
    else:
        passages, read = index_corpus(corpus, **reading)
        for remark in read.remarks:
            announce(f"{corpus}: {remark}")
    announce(f"Retrieving from {len(passages):,} passages of {passages.source}")
    return passages


def index_corpus(source: str | os.PathLike, **reading) -> tuple[PassageIndex, Corpus]:
    """Return the index of a corpus, and the corpus; the arguments are those of `read_corpus`."""
    corpus = read_corpus(source, **reading)
    sha256 = data_fingerprint(source, reading.get("split"))
    return PassageIndex.build(corpus.passages, corpus.source, sha256), corpus


def check_index_output(folder: Path, *, overwrite: bool) -> None:
    """Raise a `ConfigError` where a folder holds anything but an index that may be replaced."""
    if (folder / INDEX).is_file():
        if not overwrite:
            raise ConfigError(
                f"{folder} holds an index. Choose another --output, or pass --overwrite."
            )
    elif folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder. Choose another --output.")


def _places(pairs: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    places: dict[str, set[int]] = defaultdict(set)
    for key, place in pairs:
        places[key].add(place)
    return places


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
