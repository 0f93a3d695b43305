"""Questions that a run was trained on: said wherever they are evaluated, and left out if asked."""

from collections.abc import Callable, Mapping, Sequence

from mcqa.errors import ConfigError
from mcqa.evaluating.evaluate import trained_on
from mcqa.evaluating.from_predictions import Taken
from mcqa.question import Question


def trained_on_sentence(name: str, found: Mapping[str, Sequence[str]] | None, n: int) -> str | None:
    """Say how many of n evaluated questions a run was trained on, None where it was on none.

    Args:
        found: their ids, `exact` and `near`; None where that is not known.
    """
    counts = {key: len(ids) for key, ids in (found or {}).items()}
    if not any(counts.values()):
        return None
    return (
        f"{name} was trained on {sum(counts.values()):,} of the {n:,} questions evaluated here "
        f"({counts['exact']:,} exactly, {counts['near']:,} as near-duplicates). Pass "
        "--exclude-trained to leave them out for all runs."
    )


def without_trained(
    questions: Sequence[Question],
    models: Sequence[str],
    taken: Sequence[Taken] = (),
    *,
    announce: Callable[[str], None],
) -> list[Question]:
    """Return the questions that none of some models was trained on, and announce how many are left.

    Models that are no runs, and runs that kept no digests, are not known to have seen any. `taken`
    are runs whose answers are there already.

    Raises:
        ConfigError: none is left.
    """
    trained, unknown = set(), []
    known = {model: trained_on(model, questions) for model in models}
    known |= {run.name: run.before and run.before.trained_on for run in taken}
    for model, found in known.items():
        if found is None:
            unknown.append(model)
        else:
            trained.update(*found.values())
    kept = [question for question in questions if question.id not in trained]
    if not kept:
        raise ConfigError(
            f"--exclude-trained: all {len(questions):,} questions were trained on. Evaluate others."
        )
    announce(f"{len(questions) - len(kept):,} questions were trained on and are left out.")
    if unknown:
        announce(f"What {', '.join(unknown)} was trained on is not known.")
    return kept
