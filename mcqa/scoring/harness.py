"""A model for lm-evaluation-harness, which scores its `multiple_choice` tasks with any scorer.

    import lm_eval
    import mcqa.scoring.harness  # makes the model `mcqa` known

    lm_eval.simple_evaluate("mcqa", "run=runs/head", tasks=["arc_easy"])

The harness requests the log-likelihood of each (context, continuation) pair by itself. Here the
pairs of a document that share a context are one question again, branched off one prefix, and with
a head its logits take the place of the log-likelihoods. The highest still wins, so `acc` is right.
The trap: `acc_norm` and others divide or add logits as if they were log-likelihoods.
"""

import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from heads.encoder import is_encoder
from mcqa.errors import ConfigError, EncodingError, MissingDependencyError
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.prompting.prompts import RenderedQuestion
from mcqa.prompting.tokens import tokenize
from mcqa.scoring.loading import load_scorer, look_up

try:
    import lm_eval.models  # noqa: F401  fills the registry, which is left alone once it has a model
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model
except ImportError as error:
    raise MissingDependencyError(
        f"lm-evaluation-harness cannot be imported ({error}); pip install 'mcqa[harness]'."
    ) from error

SCORERS = ("head", "text", "text-mean", "text-char")
BATCH_SIZE = 16


@dataclass(frozen=True)
class _Group:
    """Hold the options of one context, with their places in the document: a scorers' `Question`."""

    id: str
    context: str
    options: tuple[tuple[int, str], ...]
    label: None = None

    @property
    def rendered(self) -> RenderedQuestion:
        """The prompt; spaces at the end of the context go to the continuations, no line breaks."""
        prefix = self.context.rstrip(" ")
        moved = self.context[len(prefix) :]
        return RenderedQuestion(prefix, tuple(moved + text for _, text in self.options))


@register_model("mcqa")
class HarnessModel(LM):
    """Answer the harness's requests with a scorer.

    Args:
        run, model: a run folder, or any other model name, as one of the two.
        scorer: one of `SCORERS`; by default `head` or `text`, as the model allows.
        batch_size: questions a forward pass; `auto` is 16.
        max_batch_size: not used; the harness passes it.
        device: as for `mcqa.load_scorer`. The harness passes `cuda:0` where nobody names one, so
            that is `auto` too on a machine without CUDA.
        dtype, quantization, max_length: as for `mcqa.load_scorer`, as are the errors.
    """

    def __init__(
        self,
        run: str | None = None,
        *,
        model: str | None = None,
        scorer: str | None = None,
        batch_size: int | str = BATCH_SIZE,
        max_batch_size: int | None = None,
        device: str = "auto",
        dtype: str | None = None,
        quantization: str | None = None,
        max_length: int | None = None,
    ):
        super().__init__()
        name = run or model
        if (run is None) == (model is None):
            raise ConfigError("model_args: name one model, as in run=runs/head.")
        if scorer is not None and scorer not in SCORERS:
            raise ConfigError(
                f"scorer {scorer!r}: the harness needs a score per continuation; "
                f"use {', '.join(SCORERS)}."
            )
        self.batch_size = _batch_size(batch_size)
        if device == "cuda:0" and not torch.cuda.is_available():
            device = "auto"
        settings = {"dtype": dtype, "quantization": quantization, "max_length": max_length}
        settings |= {"device": device, "context": "data"}  # the harness has contexts of its own
        if scorer is None:
            scorer = "head" if look_up(name).scorer == "head" else "text"
        self.scorer = load_scorer(name, scorer, **settings)
        if is_encoder(self.scorer.model.config):
            raise ConfigError(
                f"model {name!r} is an encoder, which reads pairs of texts; the harness "
                "has texts and what follows them. Use `mcqa evaluate`."
            )

    def loglikelihood(self, requests, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Return (score, False) for each `Instance`; nothing is known of greedy decoding.

        Raises:
            ConfigError: a document has one continuation only, so there is nothing to choose from.
            EncodingError: an option has no token, or does not fit into the model's context.
        """
        groups = _group(requests)
        encoded = self._encode(list(groups.values()))
        with tqdm(total=len(encoded), desc="Scoring questions", disable=disable_tqdm) as bar:
            predictions = self.scorer.score_encoded(encoded, self.batch_size, bar.update)
        scores = {
            (key, option): score
            for (key, one), prediction in zip(groups.items(), predictions, strict=True)
            for option, score in zip(one.options, prediction.scores, strict=True)
        }
        return [(scores[_question(request), _option(request)], False) for request in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm: bool = False):
        """Refuse: a text by itself has no options."""
        raise _not_for_us("the log-likelihood of whole texts")

    def generate_until(self, requests, disable_tqdm: bool = False):
        """Refuse: nothing is written here."""
        raise _not_for_us("written answers")

    def _encode(self, groups: Sequence[_Group]) -> list[EncodedQuestion]:
        """Encode questions; contexts that are too long lose their beginning, as in the harness."""
        tokenizer, max_length = self.scorer.tokenizer, self.scorer.encoder.max_length
        rendered = [one.rendered for one in groups]
        encoded = []
        tokenized = tokenize(tokenizer, rendered, self.scorer.encoder.frame)
        for one, r, (prefix, tail, continuations) in zip(groups, rendered, tokenized, strict=True):
            lengths = sorted(map(len, continuations))
            if tail in continuations or lengths[-1] >= max_length:
                raise EncodingError(
                    f"{one.id}: its options have {lengths[0]} to {lengths[-1]} tokens; each must "
                    f"have at least one and fewer than max_length = {max_length}. Leave the "
                    "document out, or pass a larger max_length in model_args."
                )
            room = max_length - lengths[-1]
            encoded.append(
                EncodedQuestion(
                    question=one,
                    prefix=prefix[-room:],
                    continuations=continuations,
                    characters=tuple(len(text.strip()) for text in r.continuations),
                    truncated=max(0, len(prefix) - room),
                )
            )
        if cut := sum(e.truncated > 0 for e in encoded):
            warnings.warn(
                f"{cut} of {len(groups)} contexts are longer than max_length = {max_length} "
                "tokens and lost their beginning.",
                stacklevel=3,
            )
        return encoded


def run_command(arguments: Sequence[str]) -> None:
    """Run the harness's own command line, with the model `mcqa` registered."""
    from lm_eval.__main__ import cli_evaluate

    given, sys.argv = sys.argv, ["lm_eval", *arguments]
    try:
        cli_evaluate()
    finally:
        sys.argv = given


def _question(request) -> tuple:
    return request.task_name, request.doc_id, request.args[0]


def _option(request) -> tuple[int, str]:
    return request.idx, request.args[1]


def _group(requests) -> dict[tuple, _Group]:
    """Put requests of one document that share a context together; repeats of a request are one."""
    options, per_document = defaultdict(set), defaultdict(set)
    for request in requests:
        options[_question(request)].add(_option(request))
        per_document[_question(request)[:2]].add((request.args[0], *_option(request)))
    for (task, document), found in per_document.items():
        if len(found) == 1:
            raise _not_for_us(f"a single continuation (document {document} of task {task!r})")
    return {
        key: _Group(f"document {key[1]} of task {key[0]!r}", key[2], tuple(sorted(found)))
        for key, found in options.items()
    }


def _batch_size(batch_size: int | str) -> int:
    text = str(batch_size)
    if text.partition(":")[0] == "auto":
        return BATCH_SIZE
    if not text.isdigit() or text == "0":
        raise ConfigError(f"batch_size {batch_size!r}: must be a positive integer or 'auto'.")
    return int(text)


def _not_for_us(what: str) -> ConfigError:
    return ConfigError(
        f"a task requests {what}; the model 'mcqa' chooses among options, so use multiple_choice "
        "tasks. For others, `mcqa merge` a generative run and give the folder to `--model hf`."
    )
