"""A Trainer that can also measure how many validation questions are answered right."""

from collections.abc import Sequence

from transformers import Trainer

from mcqa.question import Question
from mcqa.scoring import Scorer


class AccuracyTrainer(Trainer):
    """Add `eval_accuracy` to every evaluation.

    Args:
        scorer: scores with the model as it stands; None leaves the accuracy out.
        questions: the labelled validation questions.
        others: as for `transformers.Trainer`.
    """

    def __init__(self, *, scorer: Scorer | None, questions: Sequence[Question], **others):
        super().__init__(**others)
        # For a causal LM the Trainer leaves the first label of each row out of its count. The
        # first token of a row never has a label, and the labels of `options` are no tokens.
        self._loss_shifts_labels = False
        self.scorer = scorer
        self.questions = questions

    def evaluate(self, *others, **more) -> dict[str, float]:
        metrics = super().evaluate(*others, **more)
        if self.scorer is not None:
            predictions = self.scorer.score_many(self.questions, self.args.eval_batch_size)
            right = sum(prediction.correct for prediction in predictions)
            metrics["eval_accuracy"] = right / len(predictions)
            self.log({"eval_accuracy": metrics["eval_accuracy"]})
        return metrics
