"""Which questions belong together, so that only their groups count as independent evidence."""

from collections.abc import Sequence

from mcqa.data.bundled import fact_of
from mcqa.data.sources import Sources, is_bundled, single_sources, source_name
from mcqa.errors import ConfigError
from mcqa.evaluation.groups import by_subject
from mcqa.question import Question


def clusters_of(
    questions: Sequence[Question], by: str = "auto", *, source: Sources
) -> dict[str, str | None] | None:
    """Return each question's group by its id, None where it stands alone; None where all do.

    Args:
        by: `subject`, `none`, or `auto`: bundled questions by the fact they ask for, with
            several right answers by the table of their facts; others by what they share a context
            by (`Question.state_id`), where any has that.
        source: as `mcqa.load_questions` takes it.

    Raises:
        ConfigError: no question has a subject.
    """
    if by == "subject":
        subjects = by_subject(questions)
        if not any(subjects.values()):
            raise ConfigError(
                f"cluster_by subject: no question of {source_name(source)} has a subject. "
                "Leave it out, or give the questions a field `subject`."
            )
        return subjects
    if by == "auto" and all(map(is_bundled, single_sources(source))):
        return {question.id: fact_of(question.id) for question in questions}
    if by == "auto" and any(question.state_id for question in questions):
        alone = ("question", "state")
        return {q.id: f"{alone[bool(q.state_id)]} {q.state_id or q.id}" for q in questions}
    return None
