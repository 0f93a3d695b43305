"""What holds for any text, answer, question or order; `docs/reliability.md` lists all of these.

`MCQA_HYPOTHESIS=slow` tries 2,000 examples of each instead of 100.
"""

import csv
import io
import unicodedata
from itertools import chain
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from mcqa.data.digests import digest_questions
from mcqa.data.same import question_key
from mcqa.data.stored import StoredQuestions
from mcqa.errors import EncodingError
from mcqa.evaluating.analysis import per_question
from mcqa.evaluation.orders import reorder
from mcqa.formulations.layout import score_in_order
from mcqa.prediction import Prediction, read_predictions, write_predictions
from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import EncodedQuestion, Encoder
from mcqa.prompting.parsing import AMBIGUOUS, PARSERS, UNPARSED, parse_answer
from mcqa.prompting.prompts import TEMPLATES, get_template
from mcqa.question import LETTERS, MARKS, Question
from mcqa.scoring.orders import mapped_back

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
WORDS = st.from_regex(r"[a-z]{3,8}( [a-z]{3,8})?", fullmatch=True)
PIECES = st.lists(
    st.sampled_from(
        [*"ABCDEZabc()[].,:*'\" \n\r\t", "answer is ", "Option", "one", "two", "\u2028"]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@st.composite
def question_lists(draw, texts=TEXTS, most=6):
    questions = []
    for number in range(draw(st.integers(1, most))):
        options = tuple(draw(st.lists(texts, min_size=2, max_size=6)))
        questions.append(
            Question(
                id=f"q{number}",
                stem=draw(texts),
                options=options,
                label=draw(st.none() | st.integers(0, len(options) - 1)),
                context=draw(st.none() | texts),
                subject=draw(st.none() | texts),
            )
        )
    return questions


@given(
    text=PIECES, options=st.lists(TEXTS, min_size=2, max_size=30), parser=st.sampled_from(PARSERS)
)
def test_any_answer_is_read_as_an_option_or_as_none(text, options, parser):
    question = Question(stem="?", options=tuple(options))
    choice, how = parse_answer(text, question, parser)
    assert (choice is None) == (how in (UNPARSED, AMBIGUOUS))
    assert choice is None or 0 <= choice < len(options)
    strict = parse_answer(text, question)
    if strict.how != UNPARSED:
        assert (choice, how) == strict


@given(
    options=st.lists(WORDS, min_size=2, max_size=30, unique=True),
    data=st.data(),
    blank=st.sampled_from(["", " ", "\n", " \t\n"]),
)
def test_every_way_to_write_an_answer_is_read_back(options, data, blank):
    """Marks beyond Z too."""
    index = data.draw(st.integers(0, len(options) - 1))
    letter, option = MARKS[index], options[index]
    said = data.draw(
        st.sampled_from(["{0}", "{0}.", "({0})", "[{0}]", "{0})", "{0}:", "{0} {1}", "{0}. {1}",
                         "({0}) {1}.", "{0}: {1}", "{1}", "{1}.", "'{1}'", "{0}\n{1}"])
    )  # fmt: skip
    text = blank + said.format(letter, option) + blank
    question = Question(stem="?", options=tuple(options))
    assert parse_answer(text, question).choice == index
    assert parse_answer(text.replace(option, option.upper()), question).choice == index
    announced = data.draw(st.sampled_from(["The answer is {}.", "Answer: ({})", "option {}"]))
    assert parse_answer(announced.format(letter), question, "lenient").choice == index


@pytest.fixture(scope="module")
def encoder(tiny_tokenizer):
    return lambda *settings: Encoder(tiny_tokenizer, *settings)


def encoded_or_told(encode, *arguments):
    try:
        return encode(*arguments), None
    except EncodingError as error:
        return None, str(error)


@given(
    questions=question_lists(),
    template=st.sampled_from(sorted(TEMPLATES)).map(get_template),
    max_length=st.integers(30, 250),
    cut=st.integers(0, 6),
)
def test_questions_are_encoded_alone_as_together(encoder, questions, template, max_length, cut):
    def encode_alone():
        return [encoder(template, max_length).encode([question])[0] for question in questions]

    together, fault = encoded_or_told(encoder(template, max_length).encode, questions)
    assert encoded_or_told(encode_alone) == (together, fault)
    if fault:
        return
    parts = encoder(template, max_length)
    assert parts.encode(questions[:cut]) + parts.encode(questions[cut:]) == together
    assert all(e.longest <= max_length for e in together)
    whole = encoder(template, 10**6).encode(questions)
    assert [e.continuations for e in together] == [e.continuations for e in whole]


@given(questions=question_lists(), max_length=st.integers(60, 250))
def test_on_disk_questions_and_tokens_are_as_in_memory(encoder, questions, max_length):
    stored = StoredQuestions(questions)
    assert list(stored) == questions
    cloze = encoder(get_template("cloze"), max_length)
    encoded = encode_set(cloze, stored, faults=True)
    for index, fault in enumerate(encoded.column("fault")):
        if fault is None:
            assert encoded[index] == cloze.encode([questions[index]])[0]
        else:
            with pytest.raises(EncodingError):
                cloze.encode([questions[index]])


@given(
    continuations=st.lists(
        st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=8
    ),
    data=st.data(),
)
def test_the_layout_is_the_same_in_every_order_of_the_options(continuations, data):
    laid_out = []

    def score(batch):
        """Score by where an option stands, and keep what was laid out."""
        laid_out.append(batch.input_ids.tolist())
        return torch.arange(batch.fork.shape[1])[None]

    def scores_of(continuations):
        question = Question(stem="?", options=("a", "b"))
        encoded = EncodedQuestion(question, (9,), continuations)
        return score_in_order(SimpleNamespace(device="cpu"), score, [(9,)], [encoded])

    ordered = sorted(continuations)
    places = [ordered.index(tokens) for tokens in continuations]
    assert scores_of(continuations) == [places]
    order = data.draw(st.permutations(range(len(continuations))))
    shown = [continuations[index] for index in order]
    assert scores_of(shown) == [[places[index] for index in order]]
    once = [[9, *chain(*sorted(set(continuations)))]]  # equal options are one
    assert laid_out == [once] * 2


@given(questions=question_lists(most=1), data=st.data())
def test_an_answer_in_another_order_is_mapped_back(questions, data):
    (question,) = questions
    n = len(question.options)
    order = tuple(data.draw(st.permutations(range(n))))
    scores = data.draw(st.lists(st.floats(-50, 50), min_size=n, max_size=n))
    shown = reorder(question, order)
    assert sorted(shown.options) == sorted(question.options)
    assert shown.answer == question.answer
    seen = [scores[index] for index in order]
    answer = mapped_back(
        Prediction.scored(shown, seen, unit="nats", scorer="text", tokens=1), order
    )
    assert answer.scores == tuple(scores)
    assert answer.choice == scores.index(max(scores))


@given(questions=question_lists(), data=st.data())
def test_the_checksum_of_questions_knows_their_order(questions, data):
    order = data.draw(st.permutations(questions))
    assert (digest_questions(order) == digest_questions(questions)) == (order == questions)


@given(question=question_lists(WORDS, most=1).map(lambda q: q[0]), data=st.data())
def test_duplicates_are_seen_through_order_case_and_white_space(question, data):
    order = tuple(data.draw(st.permutations(range(len(question.options)))))
    shown = reorder(question, order)
    spaced = Question(
        stem=f" {question.stem.upper()} ".replace(" ", "  ") + ".",
        options=tuple(option.title() for option in shown.options),
        context=question.context and question.context.swapcase(),
    )
    assert question_key(spaced) == question_key(question)
    other = Question(stem=question.stem + " not", options=question.options)
    assert question_key(other) != question_key(question)


@st.composite
def prediction_lists(draw):
    predictions = []
    ids = draw(st.lists(TEXTS | st.sampled_from("=+-@\t\r\n").map(lambda c: c + "1"), unique=True))
    for id in ids:
        n = draw(st.integers(2, 6))
        question = Question(
            id=id,
            stem="?",
            options=tuple(LETTERS[:n]),
            label=draw(st.none() | st.integers(0, n - 1)),
        )
        scores = draw(
            st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=n, max_size=n)
        )
        predictions.append(
            Prediction.scored(question, scores, unit="nats", scorer="text", tokens=3)
        )
    return predictions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("predictions")


@given(predictions=prediction_lists())
def test_predictions_are_read_as_they_were_written(folder, predictions):
    assert read_predictions(write_predictions(folder / "p.jsonl", predictions)) == predictions


@given(predictions=prediction_lists(), subject=TEXTS)
def test_no_cell_of_a_csv_file_is_a_formula_and_every_id_is_there(predictions, subject):
    assume(predictions)
    questions = {
        p.id: Question(id=p.id, stem="?", options=("a", "b"), subject=subject) for p in predictions
    }
    text = per_question({"a run": predictions, "=other": predictions}, questions)
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(header) == 11
    for prediction, row in zip(predictions, rows, strict=True):
        assert row[0].removeprefix("'" if row[0] != prediction.id else "") == prediction.id
        assert row[1].endswith(subject)
        assert not any(
            unicodedata.normalize("NFKC", c).startswith(tuple("=+-@\t\r\n")) for c in row
        )
