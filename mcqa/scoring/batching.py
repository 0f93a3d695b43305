"""Which questions go through the model together: of like length, and those that share a context.

What else is in a batch shows in rounding. So a batch holds questions of one number of options, and
who is with whom depends on prompts alone, never on options: scored again with the options in
another order, where the prompt does not list them, the same questions are together again.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mcqa.errors import ConfigError
from mcqa.prompting.encoded_sets import EncodedSet
from mcqa.prompting.encoding import EncodedQuestion

# Questions are looked for whose prefixes have so many tokens in common, behind what all have.
DEPTHS = (16, 64, 256)
CHUNK = 10_000  # questions of which the tokens are looked at together
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no token is lost: Fibonacci hashing


def make_batches(
    encoded: Sequence[EncodedQuestion],
    batch_size: int,
    skip: int = 0,
    blocks: Sequence[int] | None = None,
) -> list[list[int]]:
    """Return indices of questions for each batch; the longest first shows early what fits.

    Args:
        encoded: at least their number of options, length and prefix are looked at.
        batch_size: the most questions of a batch.
        skip: how many tokens at the beginning all questions have in common.
        blocks: for each question a number that those of a batch have in common.

    Raises:
        ConfigError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size {batch_size}: must be at least 1.")
    if len(encoded) < 2:  # shares nothing, and is waited for
        return [[place] for place in range(len(encoded))]
    if isinstance(encoded, EncodedSet):  # on disk, not to be read for that
        tokens, options = encoded.column("tokens"), encoded.column("options")
    else:
        tokens, options = [e.tokens for e in encoded], [len(e.continuations) for e in encoded]
    blocks = blocks or [0] * len(encoded)
    groups = defaultdict(list)
    for together in _together(encoded, tokens, (blocks, options), batch_size, skip):
        # Rows of several questions are longer than any question: they go by themselves.
        first = together[0]
        groups[blocks[first], options[first], len(together) > 1].append(together)

    def longest(indices: list[int]) -> int:
        return max(map(tokens.__getitem__, indices))

    for group in groups.values():
        group.sort(key=lambda together: (-len(together), -longest(together), together))
    in_order = sorted(groups.values(), key=lambda group: (-longest(group[0]), group[0]))
    batches = [batch for group in in_order for batch in _fill(group, batch_size)]
    return sorted(batches, key=lambda batch: -longest(batch))


def _fill(parts: Iterable[list[int]], batch_size: int) -> list[list[int]]:
    """Put parts one behind another, as many in each batch as fit."""
    batches = [[]]
    for part in parts:
        if len(batches[-1]) + len(part) > batch_size:
            batches.append([])
        batches[-1] += part
    return [batch for batch in batches if batch]


def _together(
    encoded: Sequence[EncodedQuestion],
    tokens: list[int],
    alike: Sequence[Sequence[int]],
    batch_size: int,
    skip: int,
) -> Iterator[list[int]]:
    """Yield questions that share the beginning of their prefixes, at most so many, or one alone.

    Those of a part have the same numbers in each column of `alike`.
    """
    starts = range(0, len(encoded), CHUNK)
    marks_ND = np.concatenate([_marks(*_prefixes(encoded, s), skip, s) for s in starts])
    alike_CN = np.array(alike)
    order_N = np.lexsort((*marks_ND.T[::-1], *alike_CN[::-1]))
    for part in _split(order_N, *alike_CN, marks_ND[:, 0]):
        if len(part) == 1:
            yield part.tolist()
            continue
        closer = [
            half[start : start + batch_size].tolist()
            for half in _split(part, marks_ND[:, 1])
            for start in range(0, len(half), batch_size)
        ]
        closer.sort(key=lambda indices: -max(map(tokens.__getitem__, indices)))
        yield from _fill(closer, batch_size)


def _split(indices_N: np.ndarray, *of_questions: np.ndarray) -> list[np.ndarray]:
    """Part indices where one of the columns changes from one to the next."""
    changes = [np.diff(column[indices_N]) != 0 for column in of_questions]
    return np.split(indices_N, np.flatnonzero(np.any(changes, axis=0)) + 1)


def _prefixes(encoded: Sequence[EncodedQuestion], start: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of a chunk's prefixes, one behind another, and how many each has."""
    if isinstance(encoded, EncodedSet):
        return encoded.prefixes(start, CHUNK)
    lists = [one.prefix for one in encoded[start : start + CHUNK]]
    flat = itertools.chain.from_iterable(lists)
    return np.fromiter(flat, np.int64), np.fromiter(map(len, lists), np.int64)


def _marks(tokens_T: np.ndarray, lengths_N: np.ndarray, skip: int, start: int) -> np.ndarray:
    """Return (N, D) numbers that are the same where prefixes are, down to each of the depths.

    A prefix that ends before the first depth is like no other. (Others that have the same number
    by chance are laid out apart all the same, by their tokens.)

    Args:
        tokens_T, lengths_N: from `_prefixes`.
        skip: the first token that counts.
        start: the index of the first question.
    """
    end_N = lengths_N.cumsum()
    place_N = end_N - lengths_N + skip
    mark_N = np.zeros(len(end_N), np.uint64)
    marks = []
    for depth in range(1, DEPTHS[-1] + 1):
        there_N = place_N < end_N
        token_N = tokens_T[np.where(there_N, place_N, 0)].astype(np.uint64)
        mark_N = np.where(there_N, (mark_N + token_N + np.uint64(1)) * FACTOR, mark_N)
        place_N = place_N + 1
        if depth in DEPTHS:
            marks.append(mark_N)
    alone_N = np.arange(start, start + len(end_N), dtype=np.uint64)
    marks[0] = np.where(lengths_N >= skip + DEPTHS[0], marks[0], alone_N)
    return np.stack(marks, axis=1)
