"""Encoded sets: item by item what the encoder gives, kept only for the very same work."""

import dataclasses
import os
from dataclasses import replace

import pytest

from mcqa.data import stored
from mcqa.data.same import text_key
from mcqa.data.stored import StoredQuestions
from mcqa.errors import EncodingError, RunError
from mcqa.formulations import generative
from mcqa.prompting import encoded_sets as preprocessing
from mcqa.prompting.encoded_sets import encode_set
from mcqa.prompting.encoding import EncodedQuestion, Encoder
from mcqa.prompting.prompts import Shots, get_template
from mcqa.question import Question
from mcqa.retrieval.contexts import Contexts
from mcqa.retrieval.corpus import Passage
from mcqa.retrieval.index import PassageIndex
from mcqa.scoring.scorer import Scorer
from mcqa.system.workers import run_in_workers

UNFIT = Question(id="unfit", stem="Which?", options=("pear", "a very long option " * 30))
CHAT = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Keep sets of any size, in a folder of the test's own, and return that."""
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path))
    monkeypatch.setattr(preprocessing, "KEPT_FROM", 1)
    monkeypatch.setattr(preprocessing, "CHUNK", 10)
    return tmp_path / "encoded"


@pytest.fixture
def long_questions(tiny_questions):
    """Every third one has a context that must be cut at 60 tokens."""
    lines = "Two friends sort what lies on the table. " * 9
    return [replace(q, context=lines) if n % 3 == 0 else q for n, q in enumerate(tiny_questions)]


@pytest.fixture
def build(tiny_tokenizer, tiny_questions):
    def build(template="cloze", max_length=60, **settings):
        return Encoder(tiny_tokenizer, get_template(template), max_length, **settings)

    return build


@pytest.fixture
def no_encoding(monkeypatch):
    def refuse(*_):
        raise AssertionError("this should have been taken from the cache")

    def forbid():
        monkeypatch.setattr(preprocessing, "_write", refuse)

    return forbid


@pytest.mark.parametrize("num_proc", [1, 2])
def test_it_equals_encoding_at_once_also_from_the_cache(
    kept, build, long_questions, num_proc, no_encoding
):
    expected = build().encode(long_questions)
    assert sum(e.truncated > 0 for e in expected) == 12
    first = encode_set(build(), long_questions, num_proc=num_proc)
    assert len(list(kept.glob("*/*.arrow"))) == num_proc
    no_encoding()
    for encoded in (first, encode_set(build(), StoredQuestions(long_questions))):
        assert list(encoded) == expected
        assert [encoded[index] for index in range(-36, 36)] == expected * 2
        assert encoded[3:30:5] == expected[3:30:5]
        assert encoded.read([35, 0, 7, 0]) == [expected[index] for index in (35, 0, 7, 0)]
        assert encoded.column("tokens") == [e.tokens for e in expected]
        assert encoded.column("longest") == [e.longest for e in expected]
        assert encoded.column("truncated") == [e.truncated for e in expected]
        assert encoded.column("options") == [len(e.continuations) for e in expected]


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("num_proc", [1, 2])
def test_in_parts_no_other_passages_are_retrieved_than_at_once(
    kept, build, monkeypatch, learning, num_proc
):
    monkeypatch.setattr(preprocessing, "CHUNK", 1)
    words = ("skin", "liver", "heart", "lung", "spleen")
    questions = [
        Question(id=word, stem=f"Which organ, {word}?", options=("pear", "saw")) for word in words
    ]
    passages = [Passage(q.id, f"The organ is {q.id}.", (text_key(q.stem),)) for q in questions]
    contexts = Contexts("retrieved", index=PassageIndex.build(passages), top_k=5)
    asked = questions[:3]
    expected = build(max_length=250, contexts=contexts).encode(asked, learning=learning)
    others = {"heart", "liver"} if learning else set()
    assert {p.id for p in expected[0].retrieved} == {"lung", "spleen"} | others
    for _ in range(2):  # the second time from the cache
        encoder = build(max_length=250, contexts=contexts)
        encoded = encode_set(encoder, asked, learning=learning, num_proc=num_proc)
        assert list(encoded) == expected
        assert [encoded[index] for index in range(3)] == expected
    keys = {path.name for path in kept.iterdir()}
    encode_set(build(max_length=250, contexts=contexts), asked, learning=not learning)
    assert len(keys) == 1
    assert len(list(kept.iterdir())) == 2


def test_every_field_of_an_encoded_question_is_kept():
    """What is added to it must be added to the columns, or to what changes the key."""
    columns = {"prefix", "continuations", "characters", "tail", "truncated", "retrieved"}
    names = {field.name for field in dataclasses.fields(EncodedQuestion)}
    assert names == columns | {"question", "neutral_prefix", "letters"}
    assert columns <= set(preprocessing._schema().names)


def test_small_sets_leave_nothing_behind(monkeypatch, tmp_path, build, tiny_questions):
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path))
    assert list(encode_set(build(), tiny_questions)) == build().encode(tiny_questions)
    assert list(encode_set(build(), [])) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed",
    [
        {"template": "hybrid"},
        {"max_length": 61},
        {"pairs": True},
        {"shots": 1},
        {"shots": 2},
        {"shots": 1, "seed": 1},
        {"shots": 1, "pool": 10},
        {"chat": True},
        {"chat": True, "system": "Answer."},
        {"questions": 35},
        {"label": None},
        {"learning": True},
        {"contexts": Contexts("none")},
        {"contexts": Contexts("gold")},
    ],
    ids=lambda change: str({name: str(value) for name, value in change.items()}),
)
def test_another_setting_has_another_key(build, tiny_tokenizer, tiny_questions, changed):
    def key(template="cloze", max_length=60, shots=None, seed=0, pool=36, **more):
        questions = tiny_questions[: more.pop("questions", 36)]
        if "label" in more:
            questions = [replace(questions[0], label=more.pop("label")), *questions[1:]]
        drawn = Shots(tuple(tiny_questions[:pool]), shots, seed) if shots else None
        learning = more.pop("learning", False)
        encoder = build(template, max_length, shots=drawn, **more)
        return preprocessing._key(encoder, learning, StoredQuestions(questions))

    tiny_tokenizer.chat_template, before = CHAT, tiny_tokenizer.chat_template
    try:
        assert key() == key()
        settings = [{}, {"shots": 1}, {"chat": True}]
        assert key(**changed) not in {key(**other) for other in settings if other != changed}
    finally:
        tiny_tokenizer.chat_template = before


def test_another_tokenizer_has_another_key(build, tiny_tokenizer, tiny_questions):
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    other = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer.backend_tokenizer)
    other.add_tokens([AddedToken("zebra")])
    questions, encoder = StoredQuestions(tiny_questions), build()
    encoders = [encoder, Encoder(other, encoder.template, encoder.max_length)]
    assert len({preprocessing._key(e, False, questions) for e in encoders}) == 2


def test_a_tokenizer_that_cannot_tell_its_rules_keeps_nothing(
    kept, build, tiny_tokenizer, tiny_questions
):
    encoder = build()
    encoder.tokenizer = lambda *texts, **how: tiny_tokenizer(*texts, **how)
    assert list(encode_set(encoder, tiny_questions)) == build().encode(tiny_questions)
    assert not kept.exists()


@pytest.mark.parametrize("num_proc", [1, 3])
def test_the_first_question_that_does_not_fit_is_named(build, tiny_questions, num_proc):
    others = [replace(UNFIT, id=f"unfit-{n}") for n in range(2)]
    questions = [*tiny_questions[:15], others[0], *tiny_questions[15:], others[1]]
    with pytest.raises(EncodingError) as expected:
        build().encode(questions)
    with pytest.raises(EncodingError) as told:
        encode_set(build(), questions, num_proc=num_proc)
    assert str(told.value) == str(expected.value)
    assert "'unfit-0'" in str(told.value)


def test_faults_may_be_left_in(build, tiny_questions):
    questions = [*tiny_questions[:2], UNFIT, tiny_questions[2]]
    encoded = encode_set(build(), questions, faults=True)
    assert [fault is None for fault in encoded.column("fault")] == [True, True, False, True]
    assert encoded.column("longest")[2] == 0
    assert encoded[3] == build().encode(questions[3:])[0]
    with pytest.raises(EncodingError, match="'unfit'"):
        encoded[2]


def test_an_interruption_leaves_no_half_set(kept, build, tiny_questions, monkeypatch):
    def interrupted(self, questions, **how):
        if questions[0].id == "q20":
            raise KeyboardInterrupt
        return encode(self, questions, **how)

    encode = Encoder.encode
    monkeypatch.setattr(Encoder, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode_set(build(), tiny_questions)
    assert not list(kept.iterdir())


def test_what_is_kept_is_private_and_bounded(kept, build, tiny_questions, monkeypatch):
    kept.mkdir(mode=0o755)
    encode_set(build(), tiny_questions)
    assert kept.stat().st_mode & 0o777 == 0o700
    [first] = kept.iterdir()
    os.utime(first, (1, 1))
    encode_set(build(), tiny_questions)
    assert first.stat().st_mtime > 1  # it was used
    monkeypatch.setattr("mcqa.system.kept.LIMIT", 0)
    encode_set(build("lettered", 100), tiny_questions)
    [second] = kept.iterdir()
    assert second != first


def test_a_damaged_set_is_encoded_anew(kept, build, tiny_questions):
    expected = build().encode(tiny_questions)
    for size in (0, 100, 3000):
        encode_set(build(), tiny_questions)
        (path,) = kept.glob("*/*.arrow")
        path.write_bytes(path.read_bytes()[:size])
        assert list(encode_set(build(), tiny_questions)) == expected


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_full_disk_is_one_of_our_errors(build, tiny_questions, monkeypatch, num_proc):
    def full(self, questions, **how):
        raise OSError(28, "No space left on device")

    encoder = build()
    monkeypatch.setattr(Encoder, "encode", full)
    with pytest.raises(RunError, match="No space left on device"):
        encode_set(encoder, tiny_questions, num_proc=num_proc)


def test_where_another_process_was_faster_its_tokens_are_taken(
    kept, build, tiny_questions, monkeypatch
):
    def slow(*arguments):
        monkeypatch.setattr(preprocessing, "_write", write)
        run_in_workers(encode_set, [(build(), tiny_questions)])
        write(*arguments)

    write = preprocessing._write
    monkeypatch.setattr(preprocessing, "_write", slow)
    assert list(encode_set(build(), tiny_questions)) == build().encode(tiny_questions)
    assert len(list(kept.iterdir())) == 1


def test_tokens_of_another_way_to_encode_are_not_taken_over(build, tiny_questions, monkeypatch):
    questions = StoredQuestions(tiny_questions)
    before = preprocessing._key(build(), False, questions)
    monkeypatch.setattr(preprocessing, "ENCODING", preprocessing.ENCODING - 1)
    assert preprocessing._key(build(), False, questions) != before


def test_a_batch_is_read_in_one_go(build, tiny_model, tiny_questions, monkeypatch):
    """A question by itself took 1.5 ms to read, seven times as long as to encode it."""
    encoder = build()
    scorer = Scorer(tiny_model, encoder.tokenizer, encoder, "text", generative)
    encoded, reads = encode_set(encoder, tiny_questions), []
    read = stored.read_questions
    monkeypatch.setattr(
        stored, "read_questions", lambda table: reads.append(len(table)) or read(table)
    )
    scorer.score_encoded(encoded, 8)
    assert sum(reads) == len(tiny_questions)
    assert sorted(set(reads))[-1] == 8
    assert len(reads) <= 36 // 8 + 4  # four numbers of options, each with a last batch of its own


def test_scores_are_those_of_questions_in_memory(build, tiny_model, tiny_questions):
    encoder = build()
    scorer = Scorer(tiny_model, encoder.tokenizer, encoder, "text", generative)
    stored = encode_set(encoder, tiny_questions)
    assert scorer.score_encoded(stored, 5) == scorer.score_many(tiny_questions, 5)
