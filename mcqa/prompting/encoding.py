"""From questions to token ids: prefix and continuations apart, options never cut.

Where a question is too long its context gives way first, from its end, then its worked examples,
then the middle of its stem, and what was cut is counted. Options that do not fit by themselves are
an error. How texts become tokens, and what is a control token, says `mcqa.prompting.tokens`.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mcqa.errors import ConfigError, EncodingError
from mcqa.prediction import Retrieved
from mcqa.prompting.prompts import RenderedQuestion, Shots, Template, close_thinking
from mcqa.prompting.tokens import ControlTokens, Frame, token_ids, tokenize, unguarded
from mcqa.question import LETTERS, MARKS, Question
from mcqa.retrieval.contexts import Contexts, Given

GAP = " ... "
BETWEEN_SHOTS = "\n\n"
PROBE = Question(stem="Which?", options=("this", "that"), context="Here.", id="probe")


@dataclass(frozen=True)
class EncodedQuestion:
    """Hold a question as token ids.

    Args:
        prefix: token ids that all options share, never empty.
        continuations: token ids of each option.
        characters: length of each continuation's text, without white space around it.
        tail: token ids that follow the prefix where no option does; see `mcqa.prompting.tokens`.
        neutral_prefix: token ids of a prompt without a question.
        letters: for each letter of the alphabet the tokens that it may be behind the prompt; empty
            where the template lists no options.
        truncated: how many tokens of context, examples and stem were cut to make it fit.
        retrieved: the passages that are its context, before that; None where none were looked for.
    """

    question: Question
    prefix: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    characters: tuple[int, ...] = ()
    tail: tuple[int, ...] = ()
    neutral_prefix: tuple[int, ...] = ()
    letters: tuple[tuple[int, ...], ...] = ()
    truncated: int = 0
    retrieved: tuple[Retrieved, ...] | None = None

    @property
    def prompt(self) -> tuple[int, ...]:
        """The token ids of the prompt by itself."""
        return *self.prefix, *self.tail

    @property
    def neutral(self) -> tuple[int, ...]:
        """The token ids that stand before a continuation without a question, never none."""
        return self.neutral_prefix[: max(1, len(self.neutral_prefix) - len(self.tail))]

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


class _Prompt(NamedTuple):
    """What a question's prefix is made of, and how many characters of context and stem it shows."""

    question: Question
    given: Given
    shots: tuple[Question, ...]
    context_kept: int
    stem_kept: int

    @property
    def shown(self) -> Question:
        """The question with the end of its context and the middle of its stem left out."""
        stem, kept = self.question.stem, self.stem_kept
        if kept < len(stem):
            stem = stem[: (kept + 1) // 2] + GAP + stem[len(stem) - kept // 2 :]
        context = (self.given.context or "")[: self.context_kept] or None
        return replace(self.question, stem=stem, context=context)


def _whole(question: Question, given: Given, shots: Iterable[Question] = ()) -> _Prompt:
    return _Prompt(question, given, tuple(shots), len(given.context or ""), len(question.stem))


class Encoder:
    """Encode questions with one tokenizer and one template.

    Args:
        max_length: the most tokens of prefix + one option.
        pairs: write prefix and continuation as a pair of texts, as encoders are trained on.
        apart: write them as two texts, for encoder-decoders.
        shots: where to draw worked examples from, which become part of the prefix.
        contexts: what a question gets to read; by default the data's own context.
        chat: whether to write the prompt as turns of the tokenizer's chat template.
        system: a system message for the chat.

    Raises:
        ConfigError: the tokenizer has no chat template for a chat, or a system message no chat.
    """

    def __init__(
        self,
        tokenizer,
        template: Template,
        max_length: int,
        *,
        pairs: bool = False,
        apart: bool = False,
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
        self.frame = _frame(tokenizer, pairs=pairs, apart=apart, chat=chat)
        self._control = ControlTokens(tokenizer, chat)
        self._gap = self._answer_gap() if chat else ""
        neutral = token_ids(tokenizer, [template.neutral_prefix])[0]
        self.neutral_prefix = (*self.frame.before, *neutral, *self.frame.between)
        self.letters = self._letter_tokens() if template.lists_options else ()

    def encode(
        self, questions: Sequence[Question], *, learning: bool = False
    ) -> list[EncodedQuestion]:
        """Encode questions, in order; for `learning` see `Contexts.give`.

        Raises:
            EncodingError: a question's options do not fit into `max_length`.
        """
        contexts = self.contexts.give(questions, learning=learning)
        shots = [self.shots.draw(question) if self.shots else () for question in questions]
        shown = (map(self.contexts.example, drawn) for drawn in shots)
        prompts = list(map(_whole, questions, contexts, shown))
        return list(map(self._fit, prompts, self._tokenize(prompts)))

    def holding_out(self, questions: Iterable[Question]) -> "Encoder":
        """Return an encoder that retrieves no passage of these questions, for parts of them."""
        other = copy.copy(self)
        other.contexts = self.contexts.holding_out(questions)
        return other

    def _tokenize(self, prompts: Sequence[_Prompt]) -> Iterator[EncodedQuestion]:
        if not prompts:
            return
        rendered = [self._render(prompt) for prompt in prompts]
        tokenized = tokenize(self.tokenizer, rendered, self.frame)
        for prompt, r, tokens in zip(prompts, rendered, tokenized, strict=True):
            nothing = (*tokens.tail, *self.frame.after)
            if nothing in tokens.continuations:
                raise EncodingError(
                    f"question {prompt.question.id!r}: the tokenizer gives no token for option "
                    f"{MARKS[tokens.continuations.index(nothing)]}; it has no visible text."
                )
            yield EncodedQuestion(
                question=prompt.question,
                **tokens._asdict(),
                characters=tuple(len(unguarded(text).strip()) for text in r.continuations),
                neutral_prefix=self.neutral_prefix,
                letters=self.letters,
                retrieved=prompt.given.retrieved,
            )

    def _render(self, prompt: _Prompt) -> RenderedQuestion:
        rendered = self.template.render(self._guarded(prompt.shown))
        worked = [self.template.answered(self._guarded(example)) for example in prompt.shots]
        if not self.chat:
            before = "".join(asked + answer + BETWEEN_SHOTS for asked, answer in worked)
            return RenderedQuestion(before + rendered.prefix, rendered.continuations)
        turns = [{"role": "system", "content": self.system}] if self.system else []
        for asked, answer in worked:
            turns += _turns(asked.rstrip(), answer.strip())
        text = self._chat_text([*turns, *_turns(rendered.prefix.rstrip())]) + self._gap
        prefix = text.rstrip(" ")
        moved = text[len(prefix) :]
        return RenderedQuestion(prefix, tuple(moved + c.strip() for c in rendered.continuations))

    def _guarded(self, question: Question) -> Question:
        """Return a question of whose words none is a control token."""
        guard = self._control.guard
        try:
            return replace(
                question,
                stem=guard(question.stem),
                options=tuple(map(guard, question.options)),
                context=question.context and guard(question.context),
            )
        except NotImplementedError as error:
            raise EncodingError(
                f"question {question.id!r} has a control token of this model in its text, and the "
                "tokenizer, which is written in Python, cannot read it as text. Leave the "
                "question out."
            ) from error

    def _chat_text(self, turns: list[dict[str, str]], asks: bool = True) -> str:
        text = self.tokenizer.apply_chat_template(  # a template that knows no thinking ignores it
            turns, tokenize=False, add_generation_prompt=asks, enable_thinking=False
        )
        return close_thinking(text) if asks else text

    def _answer_gap(self) -> str:
        """Return the white space that the chat template, as Llama 2's, puts before an answer."""
        before = self._chat_text(_turns("Which?"))
        whole = self._chat_text(_turns("Which?", "This."), asks=False)
        gap = whole[len(before) :].partition("This.")[0]
        return gap if whole.startswith(before) and not gap.strip() else ""

    def _letter_tokens(self) -> tuple[tuple[int, ...], ...]:
        """Return the tokens that each letter is behind a prompt, after a space and without."""
        prompt = self._render(_whole(PROBE, Given(None)))
        variants = [
            RenderedQuestion(prompt.prefix, (space + letter,))
            for letter in LETTERS
            for space in ("", " ")
        ]
        tokens = [
            one.continuations[0] if not one.tail and len(one.continuations[0]) == 1 else ()
            for one in tokenize(self.tokenizer, variants, self.frame)
        ]
        pairs = zip(tokens[::2], tokens[1::2], strict=True)
        return tuple(tuple(sorted({*plain, *spaced})) for plain, spaced in pairs)

    def _fit(self, prompt: _Prompt, encoded: EncodedQuestion) -> EncodedQuestion:
        full = encoded
        while (excess := encoded.longest - self.max_length) > 0:
            prompt = self._shorten(prompt, excess)
            (encoded,) = self._tokenize([prompt])
        return replace(encoded, truncated=len(full.prompt) - len(encoded.prompt))

    def _shorten(self, prompt: _Prompt, excess: int) -> _Prompt:
        """Leave out about `excess` tokens of the context, else one example, else of the stem."""
        if prompt.context_kept:
            cut = self._characters(prompt.given.context, excess)
            return prompt._replace(context_kept=max(0, prompt.context_kept - cut))
        if prompt.shots:
            return prompt._replace(shots=prompt.shots[1:])
        if prompt.stem_kept > 1:
            cut = self._characters(prompt.question.stem, excess)
            return prompt._replace(stem_kept=max(1, prompt.stem_kept - cut))
        raise EncodingError(
            f"question {prompt.question.id!r}: its options and the template alone take more than "
            f"max_length = {self.max_length} tokens; options are never cut. Raise --max-length or "
            "leave the question out."
        )

    def _characters(self, text: str, tokens: int) -> int:
        """Return about how many characters make so many tokens; one or more, to come to an end."""
        (ids,) = token_ids(self.tokenizer, [text])
        return max(1, tokens * len(text) // max(1, len(ids)))


def _frame(tokenizer, *, pairs: bool, apart: bool, chat: bool) -> Frame:
    if pairs:
        return Frame.of_pair(tokenizer)
    if chat:  # the chat template writes the special tokens
        return Frame(joined=not apart)
    return Frame.of_source(tokenizer) if apart else Frame.of_text(tokenizer)


def _turns(*contents: str) -> list[dict[str, str]]:
    spoken = zip(("user", "assistant"), contents, strict=False)
    return [{"role": role, "content": text} for role, text in spoken]
