"""Worked examples, chat turns, a system message: which are drawn, and the prompt they make."""

import copy
import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mcqa.data.judgements import split
from mcqa.errors import ConfigError, EncodingError
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import TEMPLATES, Shots, get_template
from mcqa.question import Question

POOL = tuple(
    Question(
        id=f"p{n}", stem=f"What is {n} of a kind?", options=("apple", "saw", "nail"), label=n % 3
    )
    for n in range(12)
)
ASKED = Question(
    id="asked",
    stem="Which would you eat?",
    options=("old saw", "cherry"),
    label=1,
    context="Two friends sort what lies on the table.",
)
CHAT = (
    "{{ bos_token }}{% for turn in messages %}"
    "<{{ turn['role'] }}>{{ turn['content'] }}</{{ turn['role'] }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def chat_tokenizer(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = CHAT
    return tokenizer


def names(questions):
    return [question.id for question in questions]


def asking(name, stem="Which would you eat?"):
    return Question(id=name, stem=stem, options=("saw", "plum"))


def test_a_draw_depends_on_seed_and_id_alone():
    first = names(Shots(POOL, 4, seed=3).draw(asking("a")))
    assert names(Shots(POOL, 4, seed=3).draw(asking("a", "Another stem?"))) == first
    assert names(Shots(list(POOL), 4, seed=3).draw(asking("a"))) == first
    ids = {tuple(names(Shots(POOL, 4, seed=3).draw(asking(f"id{n}")))) for n in range(10)}
    seeds = {tuple(names(Shots(POOL, 4, seed=n).draw(asking("a")))) for n in range(10)}
    assert len(ids) > 8
    assert len(seeds) > 8


def test_every_example_of_the_pool_gets_its_turn():
    draws = [names(Shots(POOL, 3).draw(asking(f"id{n}"))) for n in range(100)]
    assert set().union(*draws) == set(names(POOL))
    assert {draw[0] for draw in draws} == set(names(POOL))


@pytest.mark.parametrize("k", [1, 3, 11])
def test_a_draw_is_the_beginning_of_a_whole_shuffle(k):
    for n in range(30):
        digest = hashlib.sha256(f"7 id{n}".encode()).digest()
        order = random.Random(digest).sample(range(len(POOL)), k=len(POOL))
        assert Shots(POOL, k, seed=7).draw(asking(f"id{n}")) == [POOL[at] for at in order[:k]]


def test_a_draw_costs_the_same_from_a_pool_of_any_size():
    """To shuffle this one would take eight terabytes."""

    class Pool(Sequence):
        def __len__(self):
            return 10**12

        def __getitem__(self, index):
            return replace(POOL[0], id=f"p{index}")

        def __iter__(self):
            return iter(POOL)

    assert len(set(names(Shots(Pool(), 5).draw(asking("a"))))) == 5


@pytest.mark.parametrize("k", [1, 3, 11])
def test_as_many_are_drawn_as_asked_for_and_none_twice(k):
    for n in range(20):
        assert len(set(names(Shots(POOL, k).draw(asking(f"id{n}"))))) == k


def test_a_question_is_never_its_own_example():
    for seed in range(20):
        same_id, same_stem = asking("p4"), asking("other", POOL[4].stem)
        assert "p4" not in names(Shots(POOL, 11, seed).draw(same_id))
        assert "p4" not in names(Shots(POOL, 11, seed).draw(same_stem))
        assert "p4" in names(Shots(POOL, 11, seed).draw(POOL[7]))


def test_nor_is_one_that_reads_the_same():
    for seed in range(20):
        alike = asking("other", POOL[4].stem.upper().replace("?", " ?"))
        assert "p4" not in names(Shots(POOL, 11, seed).draw(alike))


def test_the_same_words_about_another_passage_ask_something_else():
    """Where one has no context it may be the same question, its passage left out."""
    read = [replace(POOL[0], id=f"p{n}", context=text) for n, text in enumerate("abc")]
    asked = replace(POOL[0], id="asked", context="B.")
    assert sorted(names(Shots(read, 2).draw(asked))) == ["p0", "p2"]
    for context in ("b", None):
        shots = Shots([replace(one, context=context) for one in read], 2)
        with pytest.raises(ConfigError, match="only 0 of 2"):
            shots.draw(asked)


SEVERAL = tuple(
    Question(
        id=f"s{n}",
        stem=f"Which are {n} of a kind?",
        options=("apple", "pear", "saw"),
        label=(0, 1) if n % 2 else (2,),
        kind="several",
    )
    for n in range(6)
)


def test_an_example_with_several_right_answers_is_shown_as_one_of_its_judgements():
    (part, *_) = split(SEVERAL[0])
    for question in (POOL[0], part, Question(stem="Is it?", kind="yes_no")):
        drawn = Shots(SEVERAL, 4).draw(question)
        whole = {one.id: split(one) for one in SEVERAL}
        assert all(example in whole[example.id.partition("#")[0]] for example in drawn)
        assert len({example.id.partition("#")[0] for example in drawn}) == 4
    options = {names(Shots(SEVERAL, 1, seed).draw(POOL[0]))[0][-1] for seed in range(30)}
    assert options == {"A", "B", "C"}


def test_no_part_of_a_question_is_an_example_for_another_of_its_parts():
    parts = [part for question in SEVERAL for part in split(question)]
    for pool in (SEVERAL, parts):
        for seed in range(10):
            for part in split(SEVERAL[0]):
                drawn = names(Shots(pool, 5, seed).draw(part))
                assert not [name for name in drawn if name.startswith("s0")]


@pytest.mark.parametrize(
    ("template", "answer"),
    [("cloze", " apple; pear"), ("lettered", "A apple; B pear"), ("hybrid", "apple; pear")],
)
def test_to_its_like_it_is_shown_with_all_right_answers(tiny_tokenizer, template, answer):
    shots, written = Shots(SEVERAL[1:4:2], 1), get_template(template)
    (encoded,) = Encoder(tiny_tokenizer, written, 2000, shots=shots).encode([SEVERAL[3]])
    asked = written.render(SEVERAL[1]).prefix, written.render(SEVERAL[3]).prefix
    text = asked[0] + answer + "\n\n" + asked[1]
    assert list(encoded.prefix) == tiny_tokenizer(text)["input_ids"]


def test_what_has_no_right_option_has_no_answer_to_show():
    none = replace(SEVERAL[0], id="none", stem="None?", label=())
    with pytest.raises(ConfigError, match="1 examples from 1 labelled"):
        Shots([none, POOL[0]], 1)
    assert "none" not in names(Shots([none, *POOL], 11).draw(POOL[0]))


def test_a_mixed_pool_serves_every_kind(tiny_tokenizer):
    levels = {"kind": "scale", "options": ("low", "high")}
    scale = [Question(id=f"l{n}", stem=f"How {n}?", label=n % 2, **levels) for n in range(4)]
    yes = [Question(id=f"y{n}", stem=f"Is it {n}?", label=n % 2, kind="yes_no") for n in range(4)]
    pool = (*POOL[:4], *SEVERAL, *scale, *yes)
    encoder = Encoder(tiny_tokenizer, get_template("lettered"), 9000, shots=Shots(pool, 9))
    asked = [*pool, *(part for question in SEVERAL for part in split(question))]
    for question, encoded in zip(asked, encoder.encode(asked), strict=True):
        assert len(encoded.continuations) == len(question.options)
        assert encoded.truncated == 0


def test_an_unlabelled_question_is_no_example():
    pool = (*POOL[:3], *(replace(question, label=None) for question in POOL[3:]))
    assert sorted(names(Shots(pool, 2).draw(POOL[0]))) == ["p1", "p2"]


@pytest.mark.parametrize(
    ("pool", "k"),
    [
        (POOL, 0),
        (POOL, -1),
        (POOL, 12),
        (POOL[:1], 1),
        ((), 1),
        ([replace(question, label=None) for question in POOL], 1),
    ],
)
def test_examples_that_cannot_be_drawn_are_refused(pool, k):
    labelled = sum(question.label is not None for question in pool)
    with pytest.raises(ConfigError, match=f"shots: {k} examples from {labelled} labelled"):
        Shots(pool, k)


def test_fewer_examples_than_asked_for_are_not_passed_over_in_silence():
    """The pool has three questions, two of them with the stem of the one that is asked."""
    twice = (POOL[0], replace(POOL[0], id="again", options=("pear", "nail")), POOL[1])
    shots = Shots(twice, 2)
    assert len(shots.draw(asking("far"))) == 2
    with pytest.raises(ConfigError):
        shots.draw(asking("near", POOL[0].stem))


def written(question, template, **more):
    rendered = get_template(template).render(replace(question, **more))
    return rendered.prefix, rendered.continuations[question.label]


@pytest.mark.parametrize("template", TEMPLATES)
def test_examples_stand_before_the_prompt_with_their_answers(tiny_tokenizer, template):
    shots = Shots(POOL, 3, seed=5)
    encoder = Encoder(tiny_tokenizer, get_template(template), 2000, shots=shots)
    plain = Encoder(tiny_tokenizer, get_template(template), 2000)
    (encoded,), (alone,) = encoder.encode([ASKED]), plain.encode([ASKED])
    examples = "".join("".join(written(e, template)) + "\n\n" for e in shots.draw(ASKED))
    text = examples + written(ASKED, template)[0]
    assert list(encoded.prefix) == tiny_tokenizer(text)["input_ids"]
    assert encoded.continuations == alone.continuations
    assert (encoded.neutral_prefix, encoded.truncated) == (alone.neutral_prefix, 0)


def test_an_example_reads_as_people_would_write_it(tiny_tokenizer):
    encoder = Encoder(tiny_tokenizer, get_template("cloze"), 2000, shots=Shots(POOL[:2], 1))
    (encoded,) = encoder.encode([POOL[1]])
    assert tiny_tokenizer.decode(encoded.prefix, skip_special_tokens=True) == (
        "Question: What is 0 of a kind?\nAnswer: apple\n\nQuestion: What is 1 of a kind?\nAnswer:"
    )


def test_each_question_of_a_batch_has_its_own_examples(tiny_tokenizer):
    encoder = Encoder(tiny_tokenizer, get_template("cloze"), 2000, shots=Shots(POOL, 2))
    together = encoder.encode(POOL)
    assert together == [encoder.encode([question])[0] for question in POOL]


@pytest.fixture(params=["text", "chat"])
def encode(request, chat_tokenizer):
    """Encode the question with three examples or none, within a limit."""

    def run(limit, shots=None, question=ASKED):
        chat = request.param == "chat"
        settings = {"shots": shots, "chat": chat}
        encoder = Encoder(chat_tokenizer, get_template("cloze"), limit, **settings)
        return encoder.encode([question])[0]

    return run


def test_the_context_gives_way_before_any_example(encode, chat_tokenizer):
    shots = Shots(POOL, 3)
    whole = encode(2000, shots)
    cut = encode(whole.longest - 1, shots)
    text = chat_tokenizer.decode(cut.prefix)
    assert ASKED.context not in text
    assert all(part in text for part in (*(q.stem for q in shots.draw(ASKED)), ASKED.stem))
    assert cut.longest < whole.longest
    assert (whole.truncated, cut.truncated) == (0, len(whole.prefix) - len(cut.prefix))


def test_then_the_first_example_gives_way_and_last_the_stem(encode, chat_tokenizer):
    shots, read = Shots(POOL, 3), replace(ASKED, stem="Which of these would you eat? " * 5)
    asked = replace(read, context=None)
    first, *others = shots.draw(asked)
    whole, alone = encode(2000, shots, read), encode(2000, question=asked)
    without = encode(encode(2000, shots, asked).longest - 1, shots, read)
    text = chat_tokenizer.decode(without.prefix)
    assert (read.context in text, first.stem in text) == (False, False)
    assert all(part in text for part in (*(q.stem for q in others), read.stem))
    bare = encode(alone.longest, shots, read)
    assert bare.prefix == alone.prefix
    assert (bare.truncated, alone.truncated) == (len(whole.prefix) - len(alone.prefix), 0)
    shorter = encode(alone.longest - 1, shots, read)
    assert read.stem not in chat_tokenizer.decode(shorter.prefix)
    assert shorter.truncated == len(whole.prefix) - len(shorter.prefix)


def test_options_that_do_not_fit_are_an_error_with_examples_too(tiny_tokenizer):
    encoder = Encoder(tiny_tokenizer, get_template("cloze"), 8, shots=Shots(POOL, 3))
    with pytest.raises(EncodingError, match="'asked'"):
        encoder.encode([ASKED])


@pytest.mark.parametrize("system", [None, "Answer with one letter."])
@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_chat_is_exactly_the_tokenizers_own(chat_tokenizer, template, k, system):
    shots = Shots(POOL, k) if k else None
    settings = {"shots": shots, "chat": True, "system": system}
    (encoded,) = Encoder(chat_tokenizer, get_template(template), 2000, **settings).encode([ASKED])
    turns = [{"role": "system", "content": system}] if system else []
    for example in shots.draw(ASKED) if shots else ():
        asked, answer = written(example, template)
        turns.append({"role": "user", "content": asked.rstrip()})
        turns.append({"role": "assistant", "content": answer.strip()})
    turns.append({"role": "user", "content": written(ASKED, template)[0].rstrip()})
    expected = chat_tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=False
    )
    assert list(encoded.prefix) == expected
    bos = chat_tokenizer.bos_token_id
    assert (encoded.prefix[0], encoded.prefix.count(bos)) == (bos, 1)
    options = get_template(template).render(ASKED).continuations
    for ids, text in zip(encoded.continuations, options, strict=True):
        assert chat_tokenizer.decode(ids) == text.strip()


def test_a_chat_reads_as_the_template_writes_it(chat_tokenizer):
    settings = {"chat": True, "system": "Be brief.", "shots": Shots(POOL[:2], 1)}
    encoder = Encoder(chat_tokenizer, get_template("cloze"), 2000, **settings)
    (encoded,) = encoder.encode([POOL[1]])
    assert chat_tokenizer.decode(encoded.prefix) == (
        "<s><system>Be brief.</system>"
        "<user>Question: What is 0 of a kind?\nAnswer:</user><assistant>apple</assistant>"
        "<user>Question: What is 1 of a kind?\nAnswer:</user><assistant>"
    )


def test_a_chat_needs_a_chat_template(tiny_tokenizer):
    with pytest.raises(ConfigError, match="has no chat template"):
        Encoder(tiny_tokenizer, get_template("cloze"), 256, chat=True)


def test_a_system_message_needs_a_chat(chat_tokenizer):
    with pytest.raises(ConfigError, match="add --chat"):
        Encoder(chat_tokenizer, get_template("cloze"), 256, system="Be brief.")


SWITCH = "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"


@pytest.mark.parametrize(
    ("template", "ending"),
    [
        (CHAT + SWITCH, "<assistant>"),  # it can be switched off
        (CHAT + "<think>\n", "<assistant><think>\n\n</think>\n\n"),  # it cannot
        (CHAT + "{{ '<think>\n\n</think>\n\n' }}", "<assistant><think>\n\n</think>\n\n"),
        (CHAT, "<assistant>"),
    ],
)
def test_a_chat_does_not_begin_to_think(chat_tokenizer, template, ending):
    tokenizer = copy.deepcopy(chat_tokenizer)
    tokenizer.chat_template = template
    encoder = Encoder(tokenizer, get_template("cloze"), 512, chat=True)
    told = replace(ASKED, stem="What does <think> mean?")
    (encoded,) = encoder.encode([told])
    text = tokenizer.decode(encoded.prefix)
    assert text.partition("<user>")[2].endswith(f"Answer:</user>{ending}")
