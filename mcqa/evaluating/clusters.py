"""Which questions belong together, so that only their groups count as independent evidence."""

from collections.abc import Sequence

from mcqa.data.bundled import fact_of
from mcqa.errors import ConfigError
from mcqa.evaluation.groups import by_subject
from mcqa.question import Question


def clusters_of(
    questions: Sequence[Question], by: str = "auto", *, source: str
) -> dict[str, str | None] | None:
    """Return each question's group by its id, None where it stands alone; None where all do.

    Args:
        by: `subject`, `none`, or `auto`: bundled questions by the fact they ask for, no others.
        source: as `mcqa.load_questions` takes it.

    Raises:
        ConfigError: no question has a subject.
    """
    if by == "subject":
        subjects = by_subject(questions)
        if not any(subjects.values()):
            raise ConfigError(
                f"cluster_by subject: no question of {source} has a subject. Leave it out, or give "
                "the questions a field `subject`."
            )
        return subjects
    if by == "auto" and source == "bundled":
        return {question.id: fact_of(question.id) for question in questions}
    return None
