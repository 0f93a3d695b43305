"""Score batches of a Ray data set: a class for `map_batches` of Ray Data.

Ray makes one object for each worker, which loads the model once. The trap: a batch is scored by
itself, and what is in it shows in the scores' last bits; `mcqa.scoring.ray_job` cuts the parts
itself, so that these do not depend on how many workers there are.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mcqa.data.digests import describe_changes
from mcqa.data.files import Row, Table
from mcqa.data.reader import QuestionReader, Settings
from mcqa.errors import ConfigError, DataError, ModelError
from mcqa.scoring.loading import load_scorer
from mcqa.scoring.partial import describe_scorer
from mcqa.scoring.parts import prediction_row, prediction_schema

if TYPE_CHECKING:
    import pyarrow


class Score:
    """Score batches of a `ray.data.Dataset`; Ray makes one for each worker.

    Args:
        model, scorer: as of `mcqa.load_scorer`.
        batch_size: questions a forward pass.
        format, label_base, fields: how rows are read, see `mcqa.load_questions`. Each needs an id.
        expected: what `describe` must return, so that all workers score alike.
        settings: the other arguments of `mcqa.load_scorer`.

    Raises:
        ModelError: this worker would score otherwise than `expected`.
        ConfigError: passages are to be retrieved, which needs to know all the questions.
    """

    def __init__(
        self,
        model: str,
        scorer: str | None = None,
        *,
        batch_size: int = 16,
        format: str = "generic",
        label_base: int | None = None,
        fields: Mapping[str, str] | None = None,
        expected: dict | None = None,
        **settings,
    ):
        self.scorer = load_scorer(model, scorer, **settings)
        self.batch_size = batch_size
        self._reading = Settings(format=format, label_base=label_base, fields=fields)
        if self.scorer.encoder.contexts.index:
            raise ConfigError(
                "context 'retrieved' does not go with Ray: no question may be given the passage of "
                "another one, and a worker does not know all of them. Choose another --context."
            )
        changes = "" if expected is None else describe_changes(expected, self.describe())
        if changes:
            raise ModelError(
                f"{model}: a worker would not score as the others do:\n{changes}\nGive all "
                "machines the same model, versions and kind of processor."
            )

    def describe(self) -> dict:
        """Return what decides the scores besides the questions."""
        import torch

        work = describe_scorer(self.scorer, self.batch_size)
        return work | {"threads": torch.get_num_threads() if work["device"] == "cpu" else None}

    def __call__(self, batch: "pyarrow.Table | dict") -> "pyarrow.Table":
        """Return the predictions of a batch of rows, one per row and in their order.

        Raises:
            DataError: a row is no question, or has no id.
            EncodingError: a question's options do not fit into the model's context.
        """
        import pyarrow as pa

        if isinstance(batch, dict):
            batch = pa.table({name: pa.array(list(column)) for name, column in batch.items()})
        if "id" not in (self._reading.fields or batch.column_names):
            raise DataError(
                "the data set has no column 'id'; rows are told apart by it once they are spread."
            )
        rows = [Row(f"row {n} of a batch", row) for n, row in enumerate(batch.to_pylist(), 1)]
        reader = QuestionReader(Table("data set", "data set", lambda: iter(rows)), self._reading)
        predictions = self.scorer.score_many(list(reader), self.batch_size)
        return pa.Table.from_pylist(list(map(prediction_row, predictions)), prediction_schema())
