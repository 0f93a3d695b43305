"""Whether ids stand twice, found in memory that does not grow with the number of questions.

A reader keeps every id to find a second one. Where there are 10^9, each is kept as 8 bytes of its
hash, on disk, apart by the first byte: so what could be equal lies together, and 1 / 256 of all is
looked at at once. Only ids with a hash that occurs twice are then compared themselves.

    questions/00000.ids     how many bytes there are of each first byte, and the hashes

The trap: equal hashes are no equal ids; of 10^9 a pair is with a chance of 3% there. Nothing comes
of it but a second look.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

BUCKETS = 256
SIZE = 8  # bytes of a hash
_BYTES = np.dtype("<u8")


def hash_of(id: str) -> bytes:
    """Return some bytes that equal ids share."""
    return hashlib.blake2b(id.encode(errors="surrogatepass"), digest_size=SIZE).digest()


class Noted(dict):
    """Note every id that a reader has seen, in a folder, and take none for known."""

    def __init__(self, folder: Path):
        super().__init__()
        self._paths = [folder / f"{number:03}" for number in range(BUCKETS)]
        self._files = [path.open("wb") for path in self._paths]

    def __setitem__(self, id: str, place: str) -> None:
        digest = hash_of(id)
        self._files[digest[0]].write(digest)

    def close(self) -> None:
        """Write all of it."""
        for file in self._files:
            file.close()

    def twice(self) -> set[bytes]:
        """Return the hashes that were noted more than once."""
        found = (_repeated(_numbers(path.read_bytes())) for path in self._paths)
        return {int(number).to_bytes(SIZE, "big") for numbers in found for number in numbers}

    def chunks(self) -> Iterator[bytes]:
        """Yield the content of an ids file."""
        yield np.array([path.stat().st_size for path in self._paths], dtype=_BYTES).tobytes()
        for path in self._paths:
            yield path.read_bytes()


class Suspects(dict):
    """Keep the ids of a few hashes alone."""

    def __init__(self, hashes: Collection[bytes]):
        super().__init__()
        self._hashes = hashes

    def __setitem__(self, id: str, place: str) -> None:
        if hash_of(id) in self._hashes:
            super().__setitem__(id, place)


def shared(files: Sequence, buckets: range) -> bool:
    """Return whether a hash with one of these first bytes is in more than one of the ids files.

    The files are of `mcqa.scoring.parts.Place`.
    """
    found = [np.unique(_numbers(_read(file, buckets))) for file in files]
    return bool(len(_repeated(np.concatenate(found))))


def _read(file, buckets: range) -> bytes:
    with file.system.open_input_file(file.path) as content:
        head = content.read(BUCKETS * _BYTES.itemsize)
        sizes = np.frombuffer(head, dtype=_BYTES).tolist()
        content.seek(len(head) + sum(sizes[: buckets.start]))
        return content.read(sum(sizes[buckets.start : buckets.stop]))


def _numbers(content: bytes) -> np.ndarray:
    """Return hashes as numbers; numpy's bytes lose zeros at their end."""
    return np.frombuffer(content, dtype=">u8")


def _repeated(number_N: np.ndarray) -> np.ndarray:
    sorted_N = np.sort(number_N)
    return np.unique(sorted_N[1:][sorted_N[1:] == sorted_N[:-1]])
