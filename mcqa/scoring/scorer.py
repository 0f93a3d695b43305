"""Score questions: encode them, batch those of like length, and check what comes out.

A `Scorer` is one model, one template and one way to get scores; `mcqa.scoring.loading` makes it
from a model's name.
"""

import functools
import math
import warnings
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace

import torch

from heads.alignment import align
from mcqa.errors import ConfigError, ModelError, RunError
from mcqa.formulations.judged import is_judged, join, split, split_all
from mcqa.kinds import KINDS
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
        calibration: what training fitted on its validation questions of each kind, see
            `mcqa.training.validation`; None where nothing was, or on other scores than these.
        base: what holds the weights that scorers on the same base share, None where none are.
        settings: the scorer's own, passed on to its function.

    Attributes:
        batch_limit: the most questions a forward pass, once memory did not suffice for more.
        split: what `encode_set` splits questions with several right answers by, so that
            `score_encoded` can ask of each option; None for a scorer that takes them as they are.
    """

    def __init__(
        self,
        model,
        tokenizer,
        encoder: Encoder,
        name: str,
        formulation,
        *,
        calibration: Mapping[str, dict] | None = None,
        base=None,
        **settings,
    ):
        self.model, self.tokenizer, self.encoder = align(model), tokenizer, encoder
        self.name, self.formulation = name, formulation.NAME
        self.split = split_all if name in formulation.JUDGES else None
        self.settings, self.calibration = settings, calibration
        self.batch_limit: int | None = None
        self._base = base  # lives as long as one of those who share it
        self._score = functools.partial(formulation.SCORERS[name], **settings)

    @property
    def temperature(self) -> float | None:
        """That of plain choices, see `temperature_of`."""
        return self.temperature_of("choice")

    def temperature_of(self, kind: str) -> float | None:
        """Return what a kind's scores are to be divided by; None where no number is known, or best.

        None is best where all validation answers were right, or the scores less than nothing.
        """
        fitted = (self.calibration or {}).get(kind)
        return fitted["temperature"] if fitted and not fitted.get("at_bound") else None

    def threshold_of(self, kind: str) -> float:
        """Return the probability from which on an option, or yes, is best believed: or 0.5."""
        return (self.calibration or {}).get(kind, {}).get("threshold", 0.5)

    def calibrated(self, prediction: Prediction) -> Prediction:
        """Return a prediction with its kind's temperature applied, the same one without any."""
        temperature = self.temperature_of(prediction.kind)
        return prediction if temperature is None else prediction.calibrated(temperature)

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
        encoder, parts = self.encoder, questions
        if self.split and any(map(is_judged, questions)):
            encoder = encoder.holding_out(questions)
            parts = [part for question in questions for part in split(question)]
        report = _by_question(on_progress, len(questions), len(parts))
        predictions = self._score_parts(encoder.encode(parts), batch_size, report, kept)
        return self._join(None if parts is questions else questions, predictions)

    def score_encoded(
        self,
        encoded: Sequence[EncodedQuestion],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
    ) -> list[Prediction]:
        """Score questions that are token ids already; otherwise as `score_many`.

        Those of an `EncodedSet` are split by `split`, and come out whole.
        """
        asked = encoded.asked if isinstance(encoded, EncodedSet) and encoded.was_split else None
        n_asked = len(encoded) if asked is None else len(asked)
        report = _by_question(on_progress, n_asked, len(encoded))
        return self._join(asked, self._score_parts(encoded, batch_size, report, kept))

    def _join(
        self, questions: Iterable[Question] | None, predictions: Sequence[Prediction]
    ) -> list[Prediction]:
        """Return the predictions of questions, some of which were split; None: none was."""
        if questions is not None:
            predictions = join(questions, predictions)
        return list(map(self._choose, predictions))

    def _choose(self, prediction: Prediction) -> Prediction:
        """Return a prediction that chooses by the threshold of its kind, where it goes by one."""
        kind = KINDS[prediction.kind]
        if not kind.several or prediction.scores is None:
            return prediction
        threshold = self.threshold_of(prediction.kind)
        return replace(prediction, choice=kind.choose(prediction.scores, threshold))

    def _score_parts(
        self,
        encoded: Sequence[EncodedQuestion],
        batch_size: int,
        report: Callable[[float], None],
        kept: MutableMapping[int, list[Prediction]] | None,
    ) -> list[Prediction]:
        if batch_size < 1:
            raise ConfigError(f"batch_size {batch_size}: must be at least 1.")
        kept = {} if kept is None else kept
        batches = _batches(encoded, batch_size)
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


def _by_question(
    on_progress: Callable[[int], None] | None, questions: int, parts: int
) -> Callable[[float], None]:
    """Return what to call with a number of parts, to report that of the questions they are of."""
    done = told = 0

    def report(count: float) -> None:
        nonlocal done, told
        done += count
        before, told = told, round(done * questions / max(1, parts))
        if on_progress:
            on_progress(told - before)

    return report


def _batches(encoded: Sequence[EncodedQuestion], batch_size: int) -> list[list[int]]:
    """Return indices of questions of like length; the longest first shows early what fits.

    What else is in a batch shows in rounding. So a batch holds questions of one number of options:
    scored again with the options in another order, they are together again.
    """
    if isinstance(encoded, EncodedSet):  # on disk, not to be read for that
        tokens, options = encoded.column("tokens"), encoded.column("options")
    else:
        tokens, options = [e.tokens for e in encoded], [len(e.continuations) for e in encoded]
    groups = defaultdict(list)
    for index in sorted(range(len(tokens)), key=lambda index: -tokens[index]):
        groups[options[index]].append(index)
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
