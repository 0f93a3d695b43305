"""From questions to token ids: prefix and continuations apart, options never cut.

Prefix and continuations are tokenized separately, so the spans are known and not searched for.
An encoder reads pairs of texts: what its tokenizer puts around and between the two becomes part
of prefix and continuations.

Where a question is too long its context gives way first, from its end, then its worked examples,
then the middle of its stem, and what was cut is counted. Options that do not fit by themselves are
an error.
"""

import copy
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mcqa.errors import ConfigError, EncodingError
from mcqa.evaluation.predictions import Retrieved
from mcqa.prompts import RenderedQuestion, Shots, Template, close_thinking
from mcqa.question import Question
from mcqa.retrieval.contexts import Contexts, Given

GAP = " ... "
BETWEEN_SHOTS = "\n\n"


@dataclass(frozen=True)
class EncodedQuestion:
    """Hold a question as token ids.

    Args:
        question: what was encoded, as it came.
        prefix: token ids that all options share, never empty.
        continuations: token ids of each option.
        characters: length of each continuation's text, without white space around it.
        neutral_prefix: token ids that stand before a continuation without a question.
        truncated: how many tokens of context, examples and stem were cut to make it fit.
        retrieved: the passages that are its context, before that; None where none were looked for.
    """

    question: Question
    prefix: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    characters: tuple[int, ...] = ()
    neutral_prefix: tuple[int, ...] = ()
    truncated: int = 0
    retrieved: tuple[Retrieved, ...] | None = None

    @property
    def tokens(self) -> int:
        """How many tokens the branched layout computes."""
        return len(self.prefix) + sum(map(len, self.continuations))

    @property
    def row_tokens(self) -> int:
        """How many tokens one row per option computes, each behind its own prefix."""
        return self.tokens + (len(self.continuations) - 1) * len(self.prefix)

    @property
    def longest(self) -> int:
        """Length of the prefix with its longest option: the highest position, plus one."""
        return len(self.prefix) + max(map(len, self.continuations))


def tokenize(
    tokenizer, rendered: Sequence[RenderedQuestion], special_tokens: bool = True
) -> Iterator[tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]]:
    """Yield the token ids of each prompt's prefix, and of each of its continuations.

    Args:
        tokenizer: a transformers tokenizer.
        rendered: at least one prompt.
        special_tokens: whether the prefix gets what the tokenizer puts around a text.
    """
    ids = functools.partial(_ids, tokenizer)
    prefixes = ids([r.prefix for r in rendered], special_tokens)
    flat = iter(ids([text for r in rendered for text in r.continuations], False))
    for prefix, r in zip(prefixes, rendered, strict=True):
        yield tuple(prefix), tuple(tuple(next(flat)) for _ in r.continuations)


def _ids(tokenizer, texts: list[str], special_tokens: bool) -> list[list[int]]:
    """Return each text's token ids; to build masks besides would take as long again."""
    return tokenizer(
        texts,
        add_special_tokens=special_tokens,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]


@dataclass(frozen=True)
class _Prompt:
    """What a question's prefix is made of, and how much of it is shown.

    Args:
        question: the whole question.
        given: its context.
        shots: the worked examples before it.
        context_kept, stem_kept: how many characters of its context and stem are shown.
    """

    question: Question
    given: Given
    shots: tuple[Question, ...]
    context_kept: int
    stem_kept: int

    @classmethod
    def whole(cls, question: Question, given: Given, shots: Sequence[Question]) -> "_Prompt":
        return cls(question, given, tuple(shots), len(given.context or ""), len(question.stem))

    @property
    def shown(self) -> Question:
        """The question with the end of its context and the middle of its stem left out."""
        question, kept = self.question, self.stem_kept
        stem = question.stem
        if kept < len(stem):
            stem = stem[: (kept + 1) // 2] + GAP + stem[len(stem) - kept // 2 :]
        context = (self.given.context or "")[: self.context_kept] or None
        return replace(question, stem=stem, context=context)


class PairFrame(NamedTuple):
    """Hold the special tokens that a tokenizer puts around and between two texts."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @classmethod
    def of(cls, tokenizer) -> "PairFrame":
        """Read the frame off a pair that the tokenizer builds."""
        pair = tokenizer("a", "b")
        ids, owners = pair["input_ids"], pair.sequence_ids(0)
        first, second = owners.index(0), owners.index(1)
        ends = first + owners.count(0), second + owners.count(1)
        return cls(tuple(ids[:first]), tuple(ids[ends[0] : second]), tuple(ids[ends[1] :]))


class Encoder:
    """Encode questions with one tokenizer and one template.

    Args:
        tokenizer: a transformers tokenizer. It adds its begin-of-sequence token to the prefix,
            where it has one.
        template: how a question is written down.
        max_length: the most tokens of prefix + one option.
        pairs: write prefix and continuation as a pair of texts, as encoders are trained on.
        shots: where to draw worked examples from, which become part of the prefix.
        contexts: what a question gets to read; by default the data's own context.
        chat: whether to write the prompt as turns of the tokenizer's chat template.
        system: a system message for the chat.

    Attributes:
        neutral_prefix: token ids that stand before a continuation without a question.

    Raises:
        ConfigError: a chat is asked for and the tokenizer has no chat template, or a system
            message without a chat.
    """

    def __init__(
        self,
        tokenizer,
        template: Template,
        max_length: int,
        *,
        pairs: bool = False,
        shots: Shots | None = None,
        contexts: Contexts | None = None,
        chat: bool = False,
        system: str | None = None,
    ):
        if chat and not tokenizer.chat_template:
            raise ConfigError("chat: this model's tokenizer has no chat template; leave chat out.")
        if system and not chat:
            raise ConfigError("system: a system message needs a chat; add --chat.")
        self.tokenizer = tokenizer
        self.template = template
        self.max_length = max_length
        self.shots = shots
        self.contexts = contexts or Contexts()
        self.chat = chat
        self.system = system
        self._adds_special_tokens = not chat and not pairs
        self._frame = PairFrame.of(tokenizer) if pairs else PairFrame()
        self.neutral_prefix = tuple(tokenizer(template.neutral_prefix)["input_ids"])

    def encode(
        self, questions: Sequence[Question], *, learning: bool = False
    ) -> list[EncodedQuestion]:
        """Encode questions, in order.

        Args:
            questions: what is asked, or learned.
            learning: see `Contexts.give`.

        Raises:
            EncodingError: a question's options do not fit into `max_length`.
        """
        contexts = self.contexts.give(questions, learning=learning)
        prompts = [
            _Prompt.whole(question, given, self._draw(question))
            for question, given in zip(questions, contexts, strict=True)
        ]
        encoded = self._tokenize(prompts)
        return [self._fit(prompt, e) for prompt, e in zip(prompts, encoded, strict=True)]

    def holding_out(self, questions: Iterable[Question]) -> "Encoder":
        """Return an encoder that retrieves no passage of these questions, for parts of them."""
        other = copy.copy(self)
        other.contexts = self.contexts.holding_out(questions)
        return other

    def _draw(self, question: Question) -> list[Question]:
        drawn = self.shots.draw(question) if self.shots else ()
        return [self.contexts.example(example) for example in drawn]

    def _tokenize(self, prompts: Sequence[_Prompt]) -> Iterator[EncodedQuestion]:
        if not prompts:
            return
        rendered = [self._render(prompt) for prompt in prompts]
        before, between, after = self._frame
        tokenized = tokenize(self.tokenizer, rendered, special_tokens=self._adds_special_tokens)
        for prompt, r, (prefix, continuations) in zip(prompts, rendered, tokenized, strict=True):
            if not all(continuations):
                raise EncodingError(
                    f"question {prompt.question.id!r}: the tokenizer gives no token for option "
                    f"{prompt.question.letters[continuations.index(())]}; it has no visible text."
                )
            yield EncodedQuestion(
                question=prompt.question,
                prefix=(*before, *prefix, *between),
                continuations=tuple((*tokens, *after) for tokens in continuations),
                characters=tuple(len(text.strip()) for text in r.continuations),
                neutral_prefix=self.neutral_prefix,
                retrieved=prompt.given.retrieved,
            )

    def _render(self, prompt: _Prompt) -> RenderedQuestion:
        rendered = self.template.render(prompt.shown)
        worked = []
        for example in prompt.shots:
            shown = self.template.render(example)
            worked.append((shown.prefix, shown.continuations[example.label]))
        if not self.chat:
            before = "".join(asked + answer + BETWEEN_SHOTS for asked, answer in worked)
            return RenderedQuestion(before + rendered.prefix, rendered.continuations)
        turns = [{"role": "system", "content": self.system}] if self.system else []
        for asked, answer in worked:
            turns.append({"role": "user", "content": asked.rstrip()})
            turns.append({"role": "assistant", "content": answer.strip()})
        turns.append({"role": "user", "content": rendered.prefix.rstrip()})
        prefix = self.tokenizer.apply_chat_template(  # a template that knows no thinking ignores it
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        prefix = close_thinking(prefix)
        return RenderedQuestion(prefix, tuple(text.strip() for text in rendered.continuations))

    def _fit(self, prompt: _Prompt, encoded: EncodedQuestion) -> EncodedQuestion:
        full, shortened = encoded, prompt
        while (excess := encoded.longest - self.max_length) > 0:
            shortened = self._shorten(shortened, excess)
            if shortened is None:
                raise EncodingError(
                    f"question {prompt.question.id!r}: its options and the template alone take "
                    f"more than max_length = {self.max_length} tokens; options are never cut. "
                    "Raise --max-length or leave the question out."
                )
            (encoded,) = self._tokenize([shortened])
        if encoded is full:
            return full
        return replace(encoded, truncated=len(full.prefix) - len(encoded.prefix))

    def _shorten(self, prompt: _Prompt, excess: int) -> _Prompt | None:
        """Leave out about `excess` tokens of the context, else one example, else of the stem.

        Whole characters are left out, at least one, so that shortening comes to an end.
        """
        if prompt.context_kept:
            cut = self._characters(prompt.given.context, excess)
            return replace(prompt, context_kept=max(0, prompt.context_kept - cut))
        if prompt.shots:
            return replace(prompt, shots=prompt.shots[1:])
        if prompt.stem_kept > 1:
            cut = self._characters(prompt.question.stem, excess)
            return replace(prompt, stem_kept=max(1, prompt.stem_kept - cut))
        return None

    def _characters(self, text: str, tokens: int) -> int:
        """Return about how many characters of a text make so many tokens, at least one."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return max(1, tokens * len(text) // max(1, len(ids)))
