"""Score a part that kills its worker: find the question that does it, and leave that out.

A row that makes a kernel crash, or the system end the process, leaves no exception. So a worker
writes down beforehand what it is about to score, and the one that takes the part over reads where
the last one died: first which part, then which batch of it, then which question; while prompts are
made, all of the part's and then one. Nothing is written down more often than once a part until a
worker has died in it.

The trap: workers also die by chance, and a batch in pieces scores differently in its last bits. So
a batch is taken apart after two deaths in it, and scored whole again if no question is to blame.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from mcqa.prediction import Prediction
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.scoring.parts import Place
from mcqa.scoring.scorer import Scorer

DEATHS = 2  # in one batch, then in one question, until it is to blame


class Tries:
    """Keep where workers were in a part; made when one begins with it.

    Args:
        place: the file that this is kept in, until the part is done.
    """

    def __init__(self, place: Place):
        self.place = place
        before = place.read_json()
        self.careful = before is not None  # a worker died in this part
        self.deaths = Counter(before["deaths"] if before else {})
        if before and before["at"]:
            self.deaths[before["at"]] += 1
        self.at(None)

    def deadly(self, what: str) -> bool:
        """Return whether as many workers died of something as may."""
        return self.deaths[what] >= DEATHS

    def at(self, what: str | None) -> None:
        """Write down what is being done now."""
        self.place.write_json({"at": what, "deaths": self.deaths})

    def done(self) -> None:
        """Forget all, once the part's predictions are written."""
        self.place.remove()


def score_part(
    scorer: Scorer,
    encoded: Sequence[EncodedQuestion],
    batch_size: int,
    tries: Tries,
    to_blame: Callable[[int, int], None],
) -> dict[int, Prediction]:
    """Score questions in the batches of `Scorer.score_encoded`, and survive those that kill.

    Args:
        to_blame: called with the place of a question that killed its worker, and how often; it is
            left out.

    Returns:
        Predictions of the others, by their places.
    """
    batches = scorer.batches(encoded, batch_size)
    if not tries.careful:
        return dict(enumerate(scorer.score_batches(encoded, batches)))
    found: dict[int, Prediction] = {}
    for number, places in enumerate(batches):
        name = f"batch {number}" if len(places) > 1 else f"question {places[0]}"
        if tries.deadly(name):
            answers = _one_by_one(scorer, encoded, places, tries, to_blame)
            found |= answers
            if len(answers) < len(places) or tries.deaths[name] > DEATHS:
                continue
        tries.at(name)
        found |= dict(zip(sorted(places), scorer.score_batches(encoded, [places]), strict=True))
    return found


def _one_by_one(scorer, encoded, places, tries, to_blame) -> dict[int, Prediction]:
    answers = {}
    for place in places:
        name = f"question {place}"
        if tries.deadly(name):
            to_blame(place, tries.deaths[name])
            continue
        tries.at(name)
        (answers[place],) = scorer.score_batches(encoded, [[place]])
    return answers
