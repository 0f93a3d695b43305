"""Questions of every kind for property tests."""

from hypothesis import strategies as st

from mcqa.kinds import KINDS
from mcqa.question import MARKS, Question

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def questions_of_any_kind(draw, texts=TEXTS, kinds=tuple(KINDS)):
    """Draw a question with or without label, soft labels, names and all else."""
    kind = KINDS[draw(st.sampled_from(kinds))]
    most = 2 if kind.options else 6
    options = draw(st.lists(texts, min_size=2, max_size=most)) or kind.options
    n = len(options)
    places = st.integers(0, n - 1)
    return Question(
        id=draw(texts),
        stem=draw(texts),
        options=options,
        kind=kind.name,
        label=draw(st.none() | (st.sets(places) if kind.several else places)),
        targets=draw(st.none() | targets_of(kind, n)),
        names=draw(st.sampled_from([None, MARKS[:n]])),
        context=draw(st.none() | texts | JSON),
        subject=draw(st.none() | texts),
        explanation=draw(st.none() | texts),
        state_id=draw(st.none() | texts),
    )


def targets_of(kind, n):
    """Return soft labels for n options, which sum to 1 where only one can be right."""
    values = st.lists(st.integers(1, 9), min_size=n, max_size=n)
    if kind.several:
        return values.map(lambda counts: [count / 9 for count in counts])
    return values.map(lambda counts: [count / sum(counts) for count in counts])


def scores_for(question, low=-50, high=50):
    """Return a score for each option of a question."""
    n = len(question.options)
    return st.lists(st.floats(low, high), min_size=n, max_size=n)
