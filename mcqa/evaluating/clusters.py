"""Which questions belong together, so that only their groups count as independent evidence."""

from collections.abc import Sequence

from mcqa.data.bundled import fact_of
from mcqa.errors import ConfigError
from mcqa.evaluation.groups import by_subject
from mcqa.question import Question

# The sources of the bundled questions, by kind.
BUNDLED = {"choice": "bundled", "several": "bundled-several", "scale": "bundled-scale"}


def clusters_of(
    questions: Sequence[Question], by: str = "auto", *, source: str
) -> dict[str, str | None] | None:
    """Return each question's group by its id, None where it stands alone; None where all do.

    Args:
        by: `subject`, `none`, or `auto`: bundled questions by the fact they ask for, or, with
            several right answers, the table of their facts; no others.
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
    if by == "auto" and source in BUNDLED.values():
        return {question.id: fact_of(question.id) for question in questions}
    return None
