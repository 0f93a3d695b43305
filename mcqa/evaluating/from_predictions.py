"""Answers that are there already, taken into an evaluation without scoring anything again.

    runs/evaluation                  all runs of an evaluation, with what they cost
    predictions.jsonl, LOG.eval …    one run, of which only its answers are known

The trap: not all of them answer the same questions. An evaluation is over those that all answer, so
these are found before a model is scored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcqa.evaluating.folder import RECORD, Evaluation, Validation, read_record, write_answers
from mcqa.evaluating.matching import match
from mcqa.evaluating.others import Answered, answers_name, read_answers
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.runs.questions_seen import Seen
from mcqa.system import processes

UNKNOWN = "No temperature is known: these answers were read from a file."


@dataclass(frozen=True)
class Taken:
    """Hold a run that is taken over: what it answered, and its evaluation where there was one."""

    name: str
    predictions: list[Prediction]
    before: Evaluation | None = None

    def over(self, questions: Sequence[Question]) -> "Taken":
        """Return the run's answers to these questions alone."""
        answered = {prediction.id: prediction for prediction in self.predictions}
        return replace(self, predictions=[answered[question.id] for question in questions])

    def write(self, folder: Path) -> Evaluation:
        """Write the answers to a folder of a new evaluation, and return it."""
        told = {"name": self.name, "folder": folder, "predictions": self.predictions}
        if self.before is None:
            template, scorer = "–", self.predictions[0].scorer
            metrics, nothing = summarize(self.predictions), Validation([], UNKNOWN)
            evaluation = Evaluation(
                **told,
                scorer=scorer,
                template=template,
                metrics=metrics,
                cost=None,
                validation=nothing,
            )
        else:
            costs = (self.before.metrics[key] for key in ("seconds", "peak_memory_bytes"))
            metrics = summarize(self.predictions, *costs)
            same = self.predictions == self.before.predictions
            orders = self.before.orders if same else None  # they are in the order of these
            evaluation = replace(self.before, **told, metrics=metrics, orders=orders)
        if processes.is_main():
            write_answers(evaluation)
        return evaluation


def take_over(
    paths: Sequence[str], questions: Sequence[Question], *, announce: Callable[[str], None]
) -> tuple[list[Taken], list[Question]]:
    """Return the runs at some paths, and which of the questions all of them answer.

    Args:
        paths: folders of evaluations, and files as `read_answers` takes them.
        questions: what is evaluated.
        announce: called with lines on what has no partner.

    Raises:
        DataError: a path holds no answers.
        ComparisonError: no question is answered by all.
    """
    answered, before = {}, {}
    for path in map(Path, paths):
        if (path / RECORD).is_file():
            record = read_record(path)
            asked = {question.id: question for question in record.questions}
            found = {e.name: Answered(e.predictions, asked, ours=True) for e in record.evaluations}
            before |= {_free(e.name, answered): e for e in record.evaluations}
        else:
            found = {answers_name(path): read_answers(path)}
        for name, run in found.items():
            answered[_free(name, answered)] = run
    if not answered:
        return [], list(questions)
    runs, remarks = match(answered, questions)
    for remark in remarks:
        announce(remark)
    by_id = {question.id: question for question in questions}
    kept = [by_id[prediction.id] for prediction in next(iter(runs.values()))]
    for name, evaluation in before.items():
        found = _trained_on(evaluation.trained_on, answered[name].questions, kept)
        before[name] = replace(evaluation, trained_on=found)
    return [Taken(name, own, before.get(name)) for name, own in runs.items()], kept


def _trained_on(
    known: Mapping[str, Sequence[str]] | None,
    asked: Mapping[str, Question],
    questions: Sequence[Question],
) -> dict[str, list[str]] | None:
    """Return which of the questions a run was trained on, given which of those it was asked then.

    They may have other ids now, or be written in another way.
    """
    if known is None:
        return None
    exact, near = (
        Seen.of(asked[id] for id in known[key]).find(questions) for key in ("exact", "near")
    )
    others = dict.fromkeys((*exact["near"], *near["exact"], *near["near"]))
    return {"exact": exact["exact"], "near": [id for id in others if id not in exact["exact"]]}


def _free(name: str, taken: dict) -> str:
    """Return a name that no run has yet."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free
