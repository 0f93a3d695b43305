"""Questions of all kinds through one scorer: split where they must be, and whole in the end."""

from dataclasses import replace

import pytest

from mcqa.data.same import text_key
from mcqa.formulations import generative, multiple_choice
from mcqa.formulations.judged import join, split
from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.question import Question
from mcqa.retrieval.contexts import Contexts
from mcqa.retrieval.corpus import Passage
from mcqa.retrieval.index import PassageIndex
from mcqa.scoring.scorer import Scorer

SEVERAL = Question(
    stem="Which are fruits?", options=("pear", "saw", "plum"), label=[0, 2], kind="several"
)
MIXED = [
    Question(stem="Which is a fruit?", options=("saw", "pear"), label=1),
    SEVERAL,
    Question(stem="Is a pear a fruit?", kind="yes_no", label=0),
    Question(stem="How often?", options=("never", "often", "always"), kind="scale", label=2),
    replace(SEVERAL, id="again", options=("nail", "cherry"), label=None),
]


@pytest.fixture
def scorer(tiny_model, tiny_tokenizer):
    def made(name="text", contexts=None, **settings):
        encoder = Encoder(tiny_tokenizer, get_template("cloze"), 200, contexts=contexts)
        return Scorer(tiny_model, tiny_tokenizer, encoder, name, generative, **settings)

    return made


@pytest.mark.parametrize("name", ["text", "constrained", "generate"])
def test_there_is_one_prediction_a_question(scorer, name):
    one = scorer(name)
    predictions = one.score_many(MIXED, batch_size=3)
    assert [(p.id, p.kind, p.label) for p in predictions] == [
        (q.id, q.kind, q.label) for q in MIXED
    ]
    parts = [part for question in MIXED for part in split(question)]
    assert predictions == join(MIXED, one.score_many(parts, batch_size=3))
    encoded = encode_set(one.encoder, MIXED, split=one.split)
    assert (len(encoded), len(encoded.asked), encoded.was_split) == (8, 5, True)
    assert one.score_encoded(encoded, 3) == predictions


def test_plain_questions_are_not_split(scorer, tiny_questions):
    one = scorer()
    encoded = encode_set(one.encoder, tiny_questions, split=one.split)
    assert encoded.asked is encoded.questions
    assert not encoded.was_split


def test_progress_is_told_in_questions_that_were_asked(scorer):
    reported = []
    scorer().score_many(MIXED, batch_size=2, on_progress=reported.append)
    assert sum(reported) == len(MIXED)


def test_the_threshold_of_a_run_decides_what_is_chosen(scorer):
    (plain,) = scorer().score_many([SEVERAL])
    for threshold, chosen in ((1e-9, (0, 1, 2)), (1 - 1e-9, ())):
        calibration = {"several": {"temperature": 2.0, "threshold": threshold}}
        one = scorer(calibration=calibration)
        (prediction,) = one.score_many([SEVERAL])
        assert prediction == replace(plain, choice=chosen)
        assert one.calibrated(prediction) == prediction.calibrated(2.0)
    assert scorer().calibrated(plain) is plain


def test_a_passage_of_a_split_question_is_not_shown_to_its_parts(scorer):
    origins = (text_key(SEVERAL.stem),)
    passages = [Passage("own", "pear and plum are fruits", origins), Passage("x", "a saw")]
    contexts = Contexts("retrieved", index=PassageIndex.build(passages), top_k=2)
    one = scorer(contexts=contexts)
    for learning in (False, True):
        encoded = encode_set(one.encoder, [SEVERAL], learning=learning, split=one.split)
        assert "own" not in {found.id for part in encoded for found in part.retrieved}
    (prediction,) = one.score_many([SEVERAL])
    assert {found.id for found in prediction.retrieved} <= {"x"}


def test_a_head_takes_them_as_they_are():
    assert "head" not in multiple_choice.JUDGES
    assert multiple_choice.SCORERS.keys() - {"head"} == multiple_choice.JUDGES
