"""What a question gets to read, and that no passage gives its answer away."""

from dataclasses import replace

import pytest

from mcqa.data.judgements import split
from mcqa.data.same import text_key
from mcqa.errors import ConfigError
from mcqa.prediction import Retrieved
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import Shots, get_template
from mcqa.question import Question
from mcqa.retrieval.contexts import Contexts
from mcqa.retrieval.corpus import Passage
from mcqa.retrieval.index import PassageIndex

# Every question shares the word "organ" with every explanation, and one more with its own.
WORDS = ("skin", "liver", "heart", "lung", "spleen")
QUESTIONS = [
    Question(
        id=f"q{n}",
        stem=f"Which organ, {word}?",
        options=("pear", f"{word} saw"),
        label=1,
        explanation=f"The organ is {word}.",
    )
    for n, word in enumerate(WORDS)
]
PASSAGES = [Passage(q.id, q.explanation, (text_key(q.stem),)) for q in QUESTIONS]
READER = replace(QUESTIONS[0], context="A story.", explanation="So it is.")


@pytest.fixture(scope="module")
def index():
    return PassageIndex.build(PASSAGES, "explanations")


def found(given):
    return [passage.id for passage in given.retrieved]


@pytest.mark.parametrize(
    ("kind", "of_both", "of_explanation"),
    [
        ("data", "A story.", None),
        ("none", None, None),
        ("gold", "A story.", QUESTIONS[1].explanation),
    ],
)
def test_the_context_is_the_datas_or_none_or_gold(kind, of_both, of_explanation):
    given = Contexts(kind).give([READER, QUESTIONS[1]])
    assert given == [(of_both, None), (of_explanation, None)]


def test_passages_are_found_by_stem_and_options_and_joined_best_first(index):
    asked = Question(stem="Is it organ skin?", options=("the heart", "a heart valve"))
    [given] = Contexts("retrieved", index=index, top_k=2).give([asked])
    assert found(given) == ["q2", "q0"]
    assert given.context == "The organ is heart.\nThe organ is skin."
    assert given.retrieved[0].score > given.retrieved[1].score
    [turned] = Contexts("retrieved", index=index, top_k=2).give(
        [replace(asked, options=asked.options[::-1])]
    )
    assert turned == given


def test_a_question_never_gets_its_own_passage_nor_that_of_another_one_asked(index):
    contexts = Contexts("retrieved", index=index, top_k=5)
    alone, *_ = contexts.give(QUESTIONS[:1])
    assert sorted(found(alone)) == ["q1", "q2", "q3", "q4"]
    for given in contexts.give(QUESTIONS[:3]):
        assert sorted(found(given)) == ["q3", "q4"]
    [empty, *_] = contexts.give(QUESTIONS)
    assert empty == (None, ())


def test_in_learning_only_its_own_and_held_out_ones_are_kept_from_a_question(index):
    contexts = Contexts("retrieved", index=index, top_k=5, held_out=QUESTIONS[4:])
    for question, given in zip(QUESTIONS, contexts.give(QUESTIONS, learning=True), strict=True):
        allowed = {"q0", "q1", "q2", "q3"} - {question.id}
        assert set(found(given)) == allowed


def test_what_is_held_out_stays_so_however_few_are_asked(index):
    contexts = Contexts("retrieved", index=index, top_k=5, held_out=QUESTIONS[:3])
    together = contexts.give(QUESTIONS[:3])
    assert [contexts.give([question])[0] for question in QUESTIONS[:3]] == together


def test_an_explanation_in_a_foreign_corpus_is_kept_from_its_question():
    passages = [Passage("page 1", "the organ is skin"), Passage("page 2", "An organ by itself.")]
    contexts = Contexts("retrieved", index=PassageIndex.build(passages))
    assert [found(given) for given in contexts.give(QUESTIONS[:1])] == [["page 2"]]


def test_contexts_are_told_apart_by_what_is_found_not_by_where_it_was(index):
    contexts = Contexts("retrieved", index=index)
    elsewhere = PassageIndex.build(PASSAGES, "elsewhere")
    assert contexts.record == {
        "kind": "retrieved",
        "top_k": 3,
        "source": "explanations",
        "passages": 5,
        "checksum": index.checksum,
    }
    assert Contexts("retrieved", index=elsewhere).same_as(contexts.record)
    assert not Contexts("retrieved", index=index, top_k=2).same_as(contexts.record)
    assert not Contexts("none").same_as(contexts.record)
    assert Contexts().same_as({"kind": "data"})
    assert str(contexts) == f"retrieved, top 3 of 5 passages with checksum {index.checksum}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "golden"}, "there are: data, none, gold, retrieved"),
        ({"kind": "retrieved"}, "needs an index"),
        ({"kind": "none", "top_k": 3}, "are for context 'retrieved'"),
        ({"kind": "retrieved", "index": "nowhere"}, "there is no index.json"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Contexts(**settings)


def test_top_k_is_positive(index):
    with pytest.raises(ConfigError, match="top_k 0: must be at least 1"):
        Contexts("retrieved", index=index, top_k=0)


@pytest.fixture
def encode(tiny_tokenizer):
    def run(question, contexts, max_length=1000, shots=None):
        settings = {"contexts": contexts, "shots": shots}
        encoder = Encoder(tiny_tokenizer, get_template("cloze"), max_length, **settings)
        [encoded] = encoder.encode([question])
        return encoded, tiny_tokenizer.decode(encoded.prefix, skip_special_tokens=True)

    return run


def test_the_prompt_has_the_passages_and_says_which_and_the_question_stays_itself(encode, index):
    encoded, text = encode(QUESTIONS[0], Contexts("retrieved", index=index, top_k=2))
    assert text == (
        "Context: The organ is liver.\nThe organ is heart.\nQuestion: Which organ, skin?\nAnswer:"
    )
    assert [type(passage) for passage in encoded.retrieved] == [Retrieved] * 2
    assert [passage.id for passage in encoded.retrieved] == ["q1", "q2"]
    assert (encoded.question, encoded.truncated) == (QUESTIONS[0], 0)


def test_of_several_passages_the_worst_is_cut_first(encode, index, tiny_tokenizer):
    contexts = Contexts("retrieved", index=index, top_k=2)
    whole, _ = encode(QUESTIONS[0], contexts)
    lost = len(tiny_tokenizer("heart.")["input_ids"])
    cut, text = encode(QUESTIONS[0], contexts, whole.longest - lost)
    assert "The organ is liver.\nThe" in text
    assert "heart" not in text
    assert cut.truncated == len(whole.prefix) - len(cut.prefix) >= lost
    assert cut.retrieved == whole.retrieved


def test_worked_examples_are_shown_as_the_question_is_but_without_passages(encode, index):
    pool = [replace(READER, id=f"s{n}", stem=f"What is {n}?") for n in range(2)]
    asked = QUESTIONS[0]
    start = "Question: What is {}?\nAnswer: skin saw\n\n"
    shown = {"data": "Context: A story.\n", "gold": "Context: A story.\n", "none": ""}
    for kind, context in shown.items():
        _, text = encode(asked, Contexts(kind), shots=Shots(pool, 1))
        assert text.startswith((context + start.format(0), context + start.format(1)))
    _, text = encode(asked, Contexts("retrieved", index=index), shots=Shots(pool, 1))
    assert text.startswith((start.format(0), start.format(1)))
    assert "Context: The organ is" in text


def test_a_part_of_a_question_does_not_find_what_belongs_to_the_question(index):
    several = replace(QUESTIONS[0], kind="several", label=(1,), explanation=None)
    for part in split(several):
        given = Contexts("retrieved", index=index, top_k=9).give([part])
        assert found(given[0]) == ["q1", "q2", "q3", "q4"]
    held_out = Contexts("retrieved", index=index, held_out=[several])
    assert "q0" not in found(held_out.give([QUESTIONS[1]])[0])


def test_what_only_asks_is_not_searched_for():
    texts = ["Yes or no?", "The proposed answer is right.", "A liver saw."]
    index = PassageIndex.build([Passage(text[0], text, ()) for text in texts], "texts")
    contexts = Contexts("retrieved", index=index)
    several = replace(QUESTIONS[1], kind="several", label=(1,))
    (_, saw) = contexts.give(split(several))
    (yes_no,) = contexts.give([Question(stem="Is a saw sharp?", kind="yes_no")])
    assert found(saw) == found(yes_no) == ["A"]
