"""From texts to token ids, as running text has them: a prompt, and what may follow it.

A prompt and each of its continuations are tokenized as one text and parted at the end of the
prompt (`docs/design.md` says why). A token may reach from the prompt into a continuation (":\\nA"
as ":" and "\\nA"). Then the prompt is cut before it, and what was cut begins every continuation.

The trap: a tokenizer reads "<|im_end|>" as its control token, wherever it stands. In a question it
is text, and `ControlTokens.guard` breaks it by two characters whose tokens are taken out again.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcqa.prompting.prompts import RenderedQuestion

GUARD = "\ufdd0\ufdd1"  # noncharacters: Unicode keeps them for programs' own use


class Tokens(NamedTuple):
    """Hold a prompt, prefix and tail, as token ids, and continuations, which follow the prefix.

    The prefix is never empty. A tail there is where a token reaches into a continuation.
    """

    prefix: tuple[int, ...]
    tail: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]


class Frame(NamedTuple):
    """Hold the special tokens around prompt and continuation, and whether the two are one text."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    joined: bool = True

    @classmethod
    def of_text(cls, tokenizer) -> "Frame":
        """Return a decoder's frame: what a text begins with; what it ends with is left out."""
        return cls(_around(tokenizer)[0])

    @classmethod
    def of_source(cls, tokenizer) -> "Frame":
        """Return an encoder-decoder's frame: two texts, of which the first is whole."""
        return cls(*_around(tokenizer), joined=False)

    @classmethod
    def of_pair(cls, tokenizer) -> "Frame":
        """Return an encoder's frame, read off a pair that the tokenizer builds."""
        pair = tokenizer("a", "b")
        ids, owners = tuple(pair["input_ids"]), pair.sequence_ids(0)
        first, second = owners.index(0), owners.index(1)
        between = ids[first + owners.count(0) : second]
        return cls(ids[:first], between, ids[second + owners.count(1) :], joined=False)


def _around(tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens that the tokenizer puts before and behind a text."""
    text = tokenizer("a", return_special_tokens_mask=True)
    ids, special = tuple(text["input_ids"]), text["special_tokens_mask"]
    first = special.index(0)
    return ids[:first], ids[first + special.count(0) :]


def tokenize(tokenizer, rendered: Sequence[RenderedQuestion], frame: Frame) -> Iterator[Tokens]:
    """Yield the token ids of each prompt, of which there is one or more, and its continuations.

    A continuation of which the tokenizer makes nothing equals the tail.
    """
    prompts = token_ids(tokenizer, [r.prefix for r in rendered])
    leads = [_last_line(r.prefix) if frame.joined else "" for r in rendered]
    texts = [lead + text for lead, r in zip(leads, rendered, strict=True) for text in _texts(r)]
    flat = iter(token_ids(tokenizer, texts))
    for prompt, lead, r in zip(prompts, leads, rendered, strict=True):
        end, *wholes = (next(flat) for _ in _texts(r))
        shared = _shared(end, wholes)
        own = prompt[shared - len(end) - 1 :] == end[max(0, shared - 1) :]
        if frame.joined and lead != r.prefix and not own:
            end, *wholes = token_ids(tokenizer, [r.prefix + text for text in _texts(r)])
            shared = _shared(end, wholes)
        kept = len(prompt) - len(end) + shared
        prefix = (*frame.before, *prompt[:kept], *frame.between)
        yield Tokens(
            prefix or (_start(tokenizer),),
            tuple(prompt[kept:]),
            tuple((*whole[shared:], *frame.after) for whole in wholes),
        )


def _texts(rendered: RenderedQuestion) -> tuple[str, ...]:
    return "", *rendered.continuations


def _last_line(text: str) -> str:
    """Return a text from its last line break that has a visible character behind it."""
    return text[max(0, text.rstrip().rfind("\n")) :]


def _shared(end: list[int], wholes: Sequence[list[int]]) -> int:
    """Return how many tokens at the beginning are those of all the lists."""
    shared = len(end)
    for whole in wholes:
        while whole[:shared] != end[:shared]:
            shared -= 1
    return shared


def _start(tokenizer) -> int:
    """Return the token that stands for an empty prompt."""
    begin = tokenizer.bos_token_id
    return tokenizer.eos_token_id if begin is None else begin


def token_ids(tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return each text's token ids, without special tokens around it."""
    guarded = any(GUARD in text for text in texts)
    # to build the masks would take as long again
    without = {"return_attention_mask": False, "return_token_type_ids": False}
    encoded = tokenizer(
        list(texts), add_special_tokens=False, return_offsets_mapping=guarded, **without
    )
    if not guarded:
        return encoded["input_ids"]
    parts = zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return [_without_guards(*part) for part in parts]


def _without_guards(text: str, ids: list[int], spans: list[tuple[int, int]]) -> list[int]:
    guards = {place for match in re.finditer(GUARD, text) for place in range(*match.span())}
    own = [not guards.issuperset(range(*span)) or span[0] == span[1] for span in spans]
    return list(itertools.compress(ids, own))


def unguarded(text: str) -> str:
    """Return a text as people read it."""
    return text.replace(GUARD, "")


class ControlTokens:
    """Keep texts from being read as a tokenizer's control tokens.

    Args:
        chat: whether those count too that its chat template writes and that are not called
            special, as "<think>" is not.
    """

    def __init__(self, tokenizer, chat: bool = False):
        written = (tokenizer.chat_template or "") if chat else ""
        contents = set(tokenizer.all_special_tokens) | {
            token.content
            for token in tokenizer.added_tokens_decoder.values()
            if token.special or (token.content in written and not token.content.isspace())
        }
        # One character cannot be broken. One token may be the beginning of another.
        longest = sorted((c for c in contents if len(c) > 1), key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest)) or "(?!)")
        self._tokenizer = tokenizer
        self._broken: dict[str, str] = {}

    def guard(self, text: str) -> str:
        """Return a text in which nothing is a control token; `unguarded` gives it back.

        Raises:
            NotImplementedError: the tokenizer does not say which characters its tokens are of.
        """
        return self.pattern.sub(lambda match: self._break(match[0]), text)

    def _break(self, control: str) -> str:
        """Break a control token where its first token as a plain text ends, if it has several."""
        if not self._tokenizer.is_fast:
            raise NotImplementedError
        if control not in self._broken:
            how = {"split_special_tokens": True, "return_offsets_mapping": True}
            plain = self._tokenizer(control, add_special_tokens=False, **how)
            inside = (end for _, end in plain["offset_mapping"] if 0 < end < len(control))
            at = next(inside, 1)
            self._broken[control] = control[:at] + GUARD + control[at:]
        return self._broken[control]
