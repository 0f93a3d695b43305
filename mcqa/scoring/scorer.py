"""Score questions: encode them, batch those of like length, and check what comes out.

A `Scorer` is one model, one template and one way to get scores; `mcqa.scoring.loading` makes it
from a model's name.
"""

import functools
import math
import warnings
from collections import ChainMap, defaultdict
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace

import torch

from heads.alignment import align
from mcqa.errors import ConfigError, ModelError, RunError
from mcqa.models.cpu.spinning import giving_way
from mcqa.prediction import Prediction
from mcqa.prompting.encoded_sets import EncodedSet
from mcqa.prompting.encoding import EncodedQuestion, Encoder
from mcqa.question import Question
from mcqa.system import processes
from mcqa.system.memory import is_out_of_memory


class Scorer:
    """Turn questions into predictions; made by `mcqa.scoring.loading.load_scorer`.

    Args:
        model: a transformers model on its device, with its tokenizer; adapters may be inside it.
        encoder: writes questions down as token ids.
        name: the scorer's name, one of the formulation's.
        formulation: the module of the formulation.
        calibration: what training fitted on its validation questions, see
            `mcqa.training.validation`; None where nothing was, or on other scores than these.
        base: what holds the weights that scorers on the same base share, None where none are.
        settings: the scorer's own, passed on to its function.

    Attributes:
        batch_limit: the most questions a forward pass, once memory did not suffice for more.
    """

    def __init__(
        self,
        model,
        tokenizer,
        encoder: Encoder,
        name: str,
        formulation,
        *,
        calibration: dict | None = None,
        base=None,
        **settings,
    ):
        self.model, self.tokenizer, self.encoder = align(model), tokenizer, encoder
        self.name, self.formulation = name, formulation.NAME
        self.settings, self.calibration = settings, calibration
        self.batch_limit: int | None = None
        self._base = base  # lives as long as one of those who share it
        self._score = functools.partial(formulation.SCORERS[name], **settings)

    @property
    def temperature(self) -> float | None:
        """What scores are to be divided by; None where that is not known, or no number fits best.

        None fits best where all validation answers were right, or the scores less than nothing.
        """
        known = self.calibration and not self.calibration.get("at_bound")
        return self.calibration["temperature"] if known else None

    @property
    def template(self) -> str:
        """The name of the template that questions are written with."""
        return self.encoder.template.name

    def score(self, question: Question) -> Prediction:
        """Score one question's options; see `score_many`."""
        return self.score_many([question])[0]

    def score_many(
        self,
        questions: Sequence[Question],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
    ) -> list[Prediction]:
        """Score questions, longest first, and return their predictions in the order given.

        Of several processes each scores its share of the batches; all must call this, and all get
        all the predictions.

        Args:
            questions: what to score; labels are carried through, never looked at.
            batch_size: questions a forward pass; scores do not depend on it, beyond rounding.
            on_progress: called after each batch, of all the processes, with its questions' number.
            kept: each batch's predictions by its number. Those that are there are taken over from
                an earlier call with the same arguments, those that this process scores are put in.

        Raises:
            EncodingError: a question's options do not fit into the model's context.
            ModelError: a score is not a finite number.
            RunError: there is not enough memory for one question.
        """
        return self.score_encoded(self.encoder.encode(questions), batch_size, on_progress, kept)

    def score_encoded(
        self,
        encoded: Sequence[EncodedQuestion],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
        block: int | None = None,
    ) -> list[Prediction]:
        """Score questions that are token ids already; otherwise as `score_many`.

        `block` keeps batches within so many consecutive questions, see `batches_of`.
        """
        return self.score_batches(
            encoded, batches_of(encoded, batch_size, block), on_progress, kept
        )

    def score_batches(
        self,
        encoded: Sequence[EncodedQuestion],
        batches: Sequence[Sequence[int]],
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
    ) -> list[Prediction]:
        """Score questions in given batches, which hold each place once; as `score_many`."""
        kept = {} if kept is None else kept
        report = on_progress or (lambda count: None)
        own, missing = {}, []
        for number, batch in enumerate(batches):
            if number in kept:
                report(len(batch))
            else:
                missing.append(number)
        with giving_way(self.model.device.type):
            for number, numbers in processes.rounds(missing):
                if number is not None:
                    own[number] = self._score_batch(_read(encoded, batches[number]))
                    kept[number] = own[number]
                report(sum(len(batches[each]) for each in numbers))
        scored = ChainMap(*processes.gather(own), kept)
        predictions = {
            index: prediction
            for number, indices in enumerate(batches)
            for index, prediction in zip(indices, scored[number], strict=True)
        }
        return [predictions[index] for index in range(len(encoded))]

    def _score_batch(self, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
        """Score a batch, in parts of `batch_limit` questions once it was too large."""
        results = []
        while len(results) < len(batch):
            part = batch[len(results) :][: self.batch_limit]
            try:
                with torch.inference_mode():
                    results += self._score(self.model, self.tokenizer, part)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(part, error)
        for prediction in results:
            if prediction.scores and not all(map(math.isfinite, prediction.scores)):
                raise ModelError(
                    f"question {prediction.id!r}: its scores {prediction.scores} are not all "
                    f"finite numbers (computed in {str(self.model.dtype).removeprefix('torch.')}). "
                    "Score with --dtype float32; if they stay so, the model's weights are damaged."
                )
        return [
            replace(prediction, truncated=encoded.truncated, retrieved=encoded.retrieved)
            for prediction, encoded in zip(results, batch, strict=True)
        ]

    def _halve(self, part: Sequence[EncodedQuestion], error: Exception) -> None:
        if len(part) == 1:
            raise RunError(
                f"question {part[0].question.id!r}: not enough memory even for it alone. Lower "
                "--max-length, use --quantization nf4, or a device with more memory."
            ) from error
        self.batch_limit = len(part) // 2
        warnings.warn(
            f"Not enough memory for {len(part)} questions at once; going on with at most "
            f"{self.batch_limit}. Scores do not depend on that, beyond rounding.",
            stacklevel=4,
        )


def batches_of(
    encoded: Sequence[EncodedQuestion], batch_size: int, block: int | None = None
) -> list[list[int]]:
    """Return indices of questions of like length; the longest first shows early what fits.

    What else is in a batch shows in rounding. So a batch holds questions of one number of options:
    scored again with the options in another order, they are together again. And with `block`, none
    reaches over a multiple of so many questions: those between two can be scored anywhere alone.

    Raises:
        ConfigError: `batch_size` or `block` is below 1.
    """
    for name, value in (("batch_size", batch_size), ("block", block)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} {value}: must be at least 1.")
    if isinstance(encoded, EncodedSet):  # on disk, not to be read for that
        tokens, options = encoded.column("tokens"), encoded.column("options")
    else:
        tokens, options = [e.tokens for e in encoded], [len(e.continuations) for e in encoded]
    groups = defaultdict(list)
    for index in sorted(range(len(tokens)), key=lambda index: -tokens[index]):
        groups[index // (block or len(tokens)), options[index]].append(index)
    batches = [
        group[start : start + batch_size]
        for group in groups.values()
        for start in range(0, len(group), batch_size)
    ]
    return sorted(batches, key=lambda batch: -tokens[batch[0]])


def _read(encoded: Sequence[EncodedQuestion], indices: Sequence[int]) -> list[EncodedQuestion]:
    """Return the questions of a batch, those on disk in one go."""
    if isinstance(encoded, EncodedSet):
        return encoded.read(indices)
    return [encoded[index] for index in indices]
