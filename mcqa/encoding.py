"""From questions to token ids: prefix and continuations apart, options never cut.

Prefix and continuations are tokenized separately, so the spans are known and not searched for.
Where a question is too long its context gives way first, then the middle of its stem, and what
was cut is counted. Options that do not fit by themselves are an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mcqa.errors import EncodingError
from mcqa.prompts import Template
from mcqa.question import Question

GAP = " ... "


@dataclass(frozen=True)
class EncodedQuestion:
    """Hold a question as token ids.

    Args:
        question: what was encoded.
        prefix: token ids that all options share, never empty.
        continuations: token ids of each option.
        truncated: how many tokens of context and stem were cut to make it fit.
    """

    question: Question
    prefix: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    truncated: int = 0

    @property
    def tokens(self) -> int:
        """How many tokens the branched layout computes."""
        return len(self.prefix) + sum(map(len, self.continuations))

    @property
    def longest(self) -> int:
        """Length of the prefix with its longest option: the highest position, plus one."""
        return len(self.prefix) + max(map(len, self.continuations))


class Encoder:
    """Encode questions with one tokenizer and one template.

    Args:
        tokenizer: a transformers tokenizer. It adds its begin-of-sequence token to the prefix,
            where it has one.
        template: how a question is written down.
        max_length: the most tokens of prefix + one option.
    """

    def __init__(self, tokenizer, template: Template, max_length: int):
        self.tokenizer = tokenizer
        self.template = template
        self.max_length = max_length

    def encode(self, questions: Sequence[Question]) -> list[EncodedQuestion]:
        """Encode questions, in order.

        Raises:
            EncodingError: a question's options do not fit into `max_length`.
        """
        return [self._fit(encoded) for encoded in self._tokenize(questions)]

    def _tokenize(self, questions: Sequence[Question]) -> Iterator[EncodedQuestion]:
        if not questions:
            return
        rendered = [self.template.render(question) for question in questions]
        prefixes = self.tokenizer([r.prefix for r in rendered])["input_ids"]
        texts = [text for r in rendered for text in r.continuations]
        flat = iter(self.tokenizer(texts, add_special_tokens=False)["input_ids"])
        for question, prefix in zip(questions, prefixes, strict=True):
            continuations = tuple(tuple(next(flat)) for _ in question.options)
            yield EncodedQuestion(question, tuple(prefix), continuations)

    def _fit(self, encoded: EncodedQuestion) -> EncodedQuestion:
        original = encoded.question
        full, shortened = encoded, original
        while (excess := encoded.longest - self.max_length) > 0:
            shortened = self._shorten(shortened, excess)
            if shortened is None:
                raise EncodingError(
                    f"question {original.id!r}: its options and the template alone take more than "
                    f"max_length = {self.max_length} tokens; options are never cut. "
                    "Raise --max-length or leave the question out."
                )
            (encoded,) = self._tokenize([shortened])
        cut = len(full.prefix) - len(encoded.prefix)
        return replace(encoded, question=original, truncated=cut)

    def _shorten(self, question: Question, excess: int) -> Question | None:
        """Drop about `excess` tokens, at least one: the end of the context, then mid-stem."""
        if question.context:
            kept = self._ids(question.context)[:-excess]
            return replace(question, context=self.tokenizer.decode(kept) or None)
        ids = self._ids(question.stem)
        kept = len(ids) - excess - len(self._ids(GAP))
        if kept < 2:
            return None
        head, tail = ids[: (kept + 1) // 2], ids[-(kept // 2) :]
        stem = self.tokenizer.decode(head) + GAP + self.tokenizer.decode(tail)
        return replace(question, stem=stem) if len(stem) < len(question.stem) else None

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]
