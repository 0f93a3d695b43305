"""Scorers of the generative formulation that write an answer: freely, or an option and no other.

They choose without scoring, so their predictions have no scores and no probabilities.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import GenerationConfig

from heads.branching import pack
from heads.likelihood import option_token_log_probabilities
from mcqa.formulations.likelihoods import TEXT_SCORERS, check_letters
from mcqa.prediction import Prediction
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.prompting.parsing import parse_answer
from mcqa.prompting.prompts import NO_THINKING, THINKING_ENDS, THINKING_STARTS

MAX_NEW_TOKENS = 64
KEPT_SETTINGS = ("bos_token_id", "eos_token_id", "decoder_start_token_id")


def generate(
    model, tokenizer, batch: Sequence[EncodedQuestion], *, parser="strict", fallback="none"
) -> list[Prediction]:
    """Decode greedily up to an end-of-sequence token or the end of a line, and read the answer.

    A model that begins to think gets an empty block of thinking instead, and answers behind that.

    Args:
        parser: how to read, `strict` or `lenient`; see `mcqa.prompting.parsing`.
        fallback: `text` answers what could not be read with the `text` scorer's choice, and says
            so in `parsed`; `none` leaves it without a choice.
    """
    # PEFT counts padding between its virtual tokens and the question as positions.
    n_rows = 1 if getattr(model, "soft_prompt", None) is not None else len(batch)
    starts = range(0, len(batch), n_rows)
    written = [w for s in starts for w in _decode(model, tokenizer, batch[s : s + n_rows])]
    predictions = []
    for encoded, (text, length) in zip(batch, written, strict=True):
        choice, how = parse_answer(text, encoded.question, parser)
        tokens = len(encoded.prompt) + length
        fields = {"scorer": "generate", "choice": choice, "tokens": tokens, "text": text}
        predictions.append(_unscored(encoded, parsed=how, **fields))
    unread = [index for index, first in enumerate(predictions) if first.choice is None]
    if fallback == "text" and unread:
        by_text = TEXT_SCORERS["text"](model, tokenizer, [batch[index] for index in unread])
        for index, second in zip(unread, by_text, strict=True):
            first = predictions[index]
            tokens, how = first.tokens + second.tokens, f"{first.parsed}, fallback text"
            predictions[index] = replace(first, choice=second.choice, tokens=tokens, parsed=how)
    return predictions


def _decode(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[tuple[str, int]]:
    """Return what is written behind each question, and how many tokens that is."""
    written = _write(model, tokenizer, [e.prompt for e in batch], MAX_NEW_TOKENS)
    thinking = [
        index
        for index, (text, _) in enumerate(written)
        if text.lstrip().startswith(THINKING_STARTS) and THINKING_ENDS not in text
    ]
    if thinking:
        closed = tuple(tokenizer(NO_THINKING, add_special_tokens=False)["input_ids"])
        prompts = [(*batch[index].prompt, *closed) for index in thinking]
        again = _write(model, tokenizer, prompts, MAX_NEW_TOKENS - len(closed))
        for index, (text, length) in zip(thinking, again, strict=True):
            written[index] = NO_THINKING + text, len(closed) + length
    return written


def _write(model, tokenizer, prompts: Sequence[Sequence[int]], most: int) -> list[tuple[str, int]]:
    """Return what a model writes behind prompts, up to the end of the line, and its tokens.

    The trap: `do_sample=False` is not greedy yet. A checkpoint's settings may hold beams, or a
    penalty of what was said before, which is every option that the prompt lists. `generate` fills
    in from them whatever it is not given, so all but the special tokens are put aside meanwhile.
    """
    rows = {"input_ids": [list(prompt) for prompt in prompts]}
    inputs = tokenizer.pad(rows, padding_side="left", return_tensors="pt").to(model.device)
    start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    own = model.generation_config
    settings = {name: getattr(own, name) for name in KEPT_SETTINGS}
    settings |= {"max_new_tokens": most, "pad_token_id": tokenizer.pad_token_id}
    model.generation_config = GenerationConfig(do_sample=False, stop_strings=["\n"], **settings)
    try:
        written = model.generate(**inputs, tokenizer=tokenizer)[:, start:]
    finally:
        model.generation_config = own
    lengths = (written != tokenizer.pad_token_id).sum(1).tolist()
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return list(zip(texts, lengths, strict=True))


def decode_constrained(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Decode greedily inside the trie of the options, each ending with end-of-sequence.

    Every path through the trie is a beginning of some option, so one branched pass has all the
    log-probabilities that decoding step by step would ask for.
    """
    check_letters("constrained", batch)
    end = tokenizer.eos_token_id
    options = [[(*tokens, end) for tokens in sorted(e.continuations)] for e in batch]
    packed = pack([e.prefix for e in batch], options)
    each, owner = option_token_log_probabilities(model, packed.to(model.device))
    per_option = each.split(torch.bincount(owner, minlength=packed.fork.numel()).tolist())
    n_options = packed.fork.shape[1]
    predictions = []
    for row, (encoded, tokens) in enumerate(zip(batch, options, strict=True)):
        steps = per_option[row * n_options : row * n_options + len(tokens)]
        chosen = tokens[_walk_trie(tokens, [step.tolist() for step in steps])][:-1]
        fields = {"choice": encoded.continuations.index(chosen), "text": tokenizer.decode(chosen)}
        fields["tokens"] = len(encoded.prefix) + sum(map(len, tokens))
        predictions.append(_unscored(encoded, scorer="constrained", parsed="constrained", **fields))
    return predictions


def _walk_trie(options: Sequence[tuple[int, ...]], steps: Sequence[Sequence[float]]) -> int:
    """Return the option that taking the likeliest allowed token at each step leads to."""
    alive, depth = list(range(len(options))), 0
    while len({options[i] for i in alive}) > 1:
        best = max(alive, key=lambda index: steps[index][depth])
        alive = [i for i in alive if options[i][depth] == options[best][depth]]
        depth += 1
    return alive[0]


def _unscored(encoded: EncodedQuestion, **fields) -> Prediction:
    fields |= dict.fromkeys(("scores", "probabilities", "unit"))
    fields |= {name: getattr(encoded.question, name) for name in ("id", "label", "kind", "targets")}
    return Prediction(**fields)
