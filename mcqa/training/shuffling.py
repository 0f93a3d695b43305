"""Options in a new order every epoch, so that nothing is learned of the place where they stand.

An order follows from the seed, the epoch and the question's id alone: a run that goes on after a
stop, and every one of several processes, show the same. Questions are encoded as their batch is
made, so that no epoch's tokens are kept; what a batch holds is decided by the lengths in the
original order, and is the same as without shuffling. The options of a scale are levels, whose order
is their meaning, and stay.
"""

from collections.abc import Iterable, Sequence

from mcqa.data.stored import StoredQuestions
from mcqa.evaluation.orders import shuffled
from mcqa.kinds import KINDS
from mcqa.prompting.encoding import EncodedQuestion, Encoder
from mcqa.question import Question


class ShuffledOptions(Sequence[EncodedQuestion]):
    """Hold the training questions as one epoch shows them.

    Args:
        questions: in their original order.
        encoder, seed: those of the run.
        epoch: counted from 0.
    """

    def __init__(self, questions: StoredQuestions, encoder: Encoder, seed: int, epoch: int):
        self.questions, self._encoder = questions, encoder
        self._drawn = {"seed": seed, "epoch": epoch}

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, place: int) -> EncodedQuestion:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[EncodedQuestion]:
        """Return the questions at these places, as torch's DataLoader asks for them."""
        shown = [shuffled(question, **self._drawn) for question in self.questions.read(places)]
        return self._encoder.encode(shown, learning=True)


def count_fixed(questions: Iterable[Question]) -> int:
    """Return how many questions keep the order of their options."""
    return sum(KINDS[question.kind].ordered for question in questions)
