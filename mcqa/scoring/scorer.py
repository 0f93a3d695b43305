"""Score questions: encode them, batch those of like length, and check what comes out.

A `Scorer` is one model, one template and one way to get scores; `mcqa.scoring.loading` makes it
from a model's name.
"""

import contextlib
import functools
import itertools
import math
import warnings
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from heads.alignment import align
from heads.kept_prefix import keeping
from mcqa.errors import ConfigError, ModelError, RunError
from mcqa.formulations.judged import is_judged, join, owners, split, split_all
from mcqa.kinds import KINDS
from mcqa.models.cpu.spinning import giving_way
from mcqa.prediction import Prediction
from mcqa.prompting.encoded_sets import EncodedSet, encode_set
from mcqa.prompting.encoding import EncodedQuestion, Encoder
from mcqa.question import Question
from mcqa.scoring.batching import make_batches
from mcqa.scoring.work import describe_scoring
from mcqa.system import processes
from mcqa.system.memory import is_out_of_memory


class Prepared(NamedTuple):
    """Hold questions, the token ids of all that is asked for them, and whether any was split."""

    questions: Sequence[Question]
    encoded: Sequence[EncodedQuestion]
    split: bool


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
        return self.score_prepared([self.prepare(questions)], batch_size, on_progress, kept)[0]

    def prepare(self, questions: Sequence[Question]) -> Prepared:
        """Return questions as token ids, for `score_prepared`; EncodingError where one is too long.

        `truncated` of an encoded one says how much of it had to be cut.
        """
        encoder, parts = self.encoder, questions
        if self.split and any(map(is_judged, questions)):
            encoder = encoder.holding_out(questions)
            parts = [part for question in questions for part in split(question)]
        return Prepared(questions, encoder.encode(parts), parts is not questions)

    def score_prepared(
        self,
        prepared: Sequence[Prepared],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
    ) -> list[list[Prediction]]:
        """Score several lots of questions in common batches, lot by lot; else as `score_many`."""
        encoded = [one for lot in prepared for one in lot.encoded]
        report = _by_question(
            on_progress, sum(len(lot.questions) for lot in prepared), len(encoded)
        )
        predictions = iter(self._score_parts(encoded, batch_size, report, kept))
        own = (list(itertools.islice(predictions, len(lot.encoded))) for lot in prepared)
        return [
            self.join(lot.questions if lot.split else None, answers)
            for lot, answers in zip(prepared, own, strict=True)
        ]

    def encode_stored(self, questions: Sequence[Question]) -> EncodedSet:
        """Return questions as token ids on disk, for `score_encoded`."""
        return encode_set(self.encoder, questions, split=self.split)

    def work(self, encoded: Sequence[EncodedQuestion] | None = None) -> dict:
        """Return what decides the answers, by the names in which a change is reported.

        Args:
            encoded: the questions, whose token ids are then a part of it.
        """
        return describe_scoring(self, encoded)

    @property
    def device(self) -> str:
        """Where the model is."""
        return str(self.model.device)

    def score_encoded(
        self,
        encoded: Sequence[EncodedQuestion],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
        block: int | None = None,
    ) -> list[Prediction]:
        """Score questions that are token ids already; otherwise as `score_many`.

        Those of an `EncodedSet` are split by `split`, and come out whole. `block` is that of
        `batches`.
        """
        asked = encoded.asked if isinstance(encoded, EncodedSet) and encoded.was_split else None
        n_asked = len(encoded) if asked is None else len(asked)
        report = _by_question(on_progress, n_asked, len(encoded))
        if block is None:
            return self.join(asked, self._score_parts(encoded, batch_size, report, kept))
        batches = self.batches(encoded, batch_size, block)
        return self.join(asked, self.score_batches(encoded, batches, report, kept))

    def batches(
        self, encoded: Sequence[EncodedQuestion], batch_size: int, block: int | None = None
    ) -> list[list[int]]:
        """Return the places of the questions that are scored together, for `score_batches`.

        With `block`, none reaches over a multiple of so many questions, as they were before they
        were split: those between two can be scored anywhere alone.

        Raises:
            ConfigError: `batch_size` or `block` is below 1.
        """
        skip = len(self._shared(encoded))
        if block is None:
            return make_batches(encoded, batch_size, skip)
        if block < 1:
            raise ConfigError(f"block {block}: must be at least 1.")
        split_set = isinstance(encoded, EncodedSet) and encoded.was_split
        owner_N = owners(encoded.asked) if split_set else range(len(encoded))
        return make_batches(encoded, batch_size, skip, [owner // block for owner in owner_N])

    def join(
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
        batches = make_batches(encoded, batch_size, len(self._shared(encoded)))
        return self.score_batches(encoded, batches, report, kept)

    def score_batches(
        self,
        encoded: Sequence[EncodedQuestion],
        batches: Sequence[Sequence[int]],
        report: Callable[[float], None] = lambda count: None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
    ) -> list[Prediction]:
        """Score what is in some batches, see `batches`, and return it in the order of the places.

        What was split stays so, see `join`; other arguments and errors are those of `score_many`.
        """
        kept = {} if kept is None else kept
        own, missing = {}, []
        for number, batch in enumerate(batches):
            if number in kept:
                report(len(batch))
            else:
                missing.append(number)
        with giving_way(self.model.device.type), keeping(self.model, self._shared(encoded)):
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
        return [predictions[index] for index in sorted(predictions)]

    def _shared(self, encoded: Sequence[EncodedQuestion]) -> tuple[int, ...]:
        """Return what the prompts of several questions begin with, to be computed once for all.

        Of one question it is nothing: that would be a second pass over the weights.
        """
        return self.encoder.shared() if len(encoded) > 1 else ()

    def keeping(self) -> contextlib.AbstractContextManager:
        """Keep keys and values of what all prompts begin with, until the end of a `with`.

        Whoever scores several questions does so by itself. Around several calls, also of one
        question each, it is computed once for all; the model's weights must stay the same inside.
        """
        return keeping(self.model, self.encoder.shared())

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


def _read(encoded: Sequence[EncodedQuestion], indices: Sequence[int]) -> list[EncodedQuestion]:
    """Return the questions of a batch, those on disk in one go."""
    if isinstance(encoded, EncodedSet):
        return encoded.read(indices)
    return [encoded[index] for index in indices]
