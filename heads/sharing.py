"""Find what questions share, from their token ids, and lay them out as trees.

Questions on one context begin with the same tokens; so do those behind one instruction. Whatever
begins alike is one segment, options of the same tokens behind one question are too.

The trap: in one row every token is held against every other, masked or not. So questions share a
row only where that saves more than it costs (`PAIRS`), and rows that share nothing stay as `pack`
makes them, to the last bit.
"""

from collections.abc import Sequence

from .branching import BranchedBatch, Segment, Tokens, lay_out

SHORTEST = 16  # shared tokens
# A token costs a decoder's layers as much as to be held against so many others: 3,000 by products
# at 576 units, more in wider ones; attention runs at a lower rate.
PAIRS = 1000


def pack_shared(
    prefixes: Sequence[Tokens],
    continuations: Sequence[Sequence[Tokens]],
    pad_token_id: int = 0,
    known: int = 0,
) -> BranchedBatch:
    """Lay out questions as `pack` does, but those that begin alike in one row, as a tree.

    Args:
        prefixes, continuations, pad_token_id: see `pack`.
        known: how many tokens at the beginning cost nothing, since they are kept.
    """
    for question, prefix in enumerate(prefixes):
        if not prefix:
            raise ValueError(f"question {question} of the batch has an empty prefix.")
    forest = _Forest(prefixes, continuations, known)
    return lay_out(forest.segments, forest.options, pad_token_id)


class _Forest:
    """Hold the segments of questions, and the numbers of each question's options among them."""

    def __init__(self, prefixes, continuations, known: int):
        self.prefixes, self.continuations, self.known = prefixes, continuations, known
        self.segments: list[Segment] = []
        self.options: list[list[int]] = [[] for _ in prefixes]
        rows = [row for group in self._groups(range(len(prefixes)), 0) for row in self._rows(group)]
        for row in sorted(rows):  # as the questions came, which decides how their numbers round
            self._grow(row, 0, None)

    def _groups(self, questions: Sequence[int], start: int, shortest: int = 1) -> list[list[int]]:
        """Part questions into those that have `shortest` tokens in common from a place on."""
        groups = {}
        for question in questions:
            beginning = tuple(self.prefixes[question][start : start + shortest])
            key = beginning if len(beginning) == shortest else question
            groups.setdefault(key, []).append(question)
        return list(groups.values())

    def _shared(self, questions: Sequence[int]) -> int:
        """Return with how many tokens all of the questions begin."""
        first = min(self.prefixes[question] for question in questions)
        last = max(self.prefixes[question] for question in questions)
        pairs = zip(first, last, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
        return min(len(first), len(last)) if same is None else same

    def _rows(self, questions: list[int]) -> list[list[int]]:
        """Part questions that begin alike into those that are to share a row."""
        if len(questions) == 1:
            return [questions]
        shared = self._shared(questions)
        saved = shared - self.known
        if saved >= SHORTEST:
            lengths = [self._length(question) for question in questions]
            row = sum(lengths) - (len(lengths) - 1) * shared
            more = row**2 - sum(length**2 for length in lengths)
            if more < PAIRS * saved * (len(lengths) - 1):
                return [questions]
        parts = self._groups(questions, shared)
        return [row for part in parts for row in self._rows(part)]

    def _length(self, question: int) -> int:
        return len(self.prefixes[question]) + sum(map(len, self.continuations[question]))

    def _grow(self, questions: list[int], start: int, parent: int | None) -> None:
        """Add the segments of questions that share a row, from a place in their prefixes on."""
        shared = self._shared(questions)
        number = len(self.segments)
        self.segments.append(Segment(self.prefixes[questions[0]][start:shared], parent))
        options = {}
        for question in questions:
            if len(self.prefixes[question]) == shared:
                for tokens in map(tuple, self.continuations[question]):
                    if tokens not in options:
                        options[tokens] = len(self.segments)
                        self.segments.append(Segment(tokens, number))
                    self.options[question].append(options[tokens])
        longer = [q for q in questions if len(self.prefixes[q]) > shared]
        for group in self._groups(longer, shared):
            self._grow(group, shared, number)
