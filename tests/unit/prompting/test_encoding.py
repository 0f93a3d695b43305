"""Token ids: what the tokenizer itself gives, and what is cut where a question is too long."""

import pytest
from encoders import build_tokenizer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcqa.errors import EncodingError
from mcqa.prompting.encoding import GAP, Encoder
from mcqa.prompting.prompts import TEMPLATES, get_template
from mcqa.prompting.tokens import Frame
from mcqa.question import Question

PLAIN = Question(id="plain", stem="Which of these is a fruit?", options=("pear", "old rusty saw"))
LONG = Question(
    id="long",
    stem="Which of these would you eat with your friends at the table?",
    options=("apple", "hammer"),
    label=0,
    context=" ".join(f"Friend {n} sorts what lies on the table." for n in range(12)),
)


class Impatient:
    """A tokenizer that gives up instead of being asked for ever."""

    def __init__(self, tokenizer):
        self.tokenizer, self.calls = tokenizer, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        assert self.calls < 500, "shortening does not come to an end"
        return self.tokenizer(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


@pytest.fixture
def encoder(tiny_tokenizer):
    def build(max_length=1000, template="cloze"):
        return Encoder(Impatient(tiny_tokenizer), get_template(template), max_length)

    return build


@pytest.mark.parametrize("template", TEMPLATES)
def test_prefix_and_continuations_are_the_tokenizers_own(encoder, tiny_tokenizer, template):
    (encoded,) = encoder(template=template).encode([PLAIN])
    rendered = get_template(template).render(PLAIN)
    assert encoded.question is PLAIN
    assert list(encoded.prefix) == tiny_tokenizer(rendered.prefix)["input_ids"]
    assert tiny_tokenizer.decode(encoded.prefix[1:]) == rendered.prefix
    for ids, text in zip(encoded.continuations, rendered.continuations, strict=True):
        assert list(ids) == tiny_tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tiny_tokenizer.decode(ids) == text
    assert encoded.truncated == 0


def test_the_begin_of_sequence_token_is_on_the_prefix_only(encoder, tiny_tokenizer):
    (encoded,) = encoder().encode([PLAIN])
    bos = tiny_tokenizer.bos_token_id
    assert encoded.prefix[0] == bos
    assert bos not in encoded.prefix[1:]
    assert all(bos not in ids for ids in encoded.continuations)


def test_lengths_count_the_branched_layout(encoder):
    (encoded,) = encoder().encode([PLAIN])
    short, long = map(len, encoded.continuations)
    assert short < long
    assert encoded.tokens == len(encoded.prefix) + short + long
    assert encoded.longest == len(encoded.prefix) + long


def test_questions_keep_their_order_and_their_number_of_options(encoder, tiny_questions):
    encoded = encoder().encode(tiny_questions)
    assert [e.question for e in encoded] == tiny_questions
    assert [len(e.continuations) for e in encoded] == [len(q.options) for q in tiny_questions]
    assert encoder().encode([]) == []


def test_a_question_that_just_fits_is_not_cut(encoder):
    (whole,) = encoder().encode([LONG])
    (same,) = encoder(whole.longest).encode([LONG])
    (cut,) = encoder(whole.longest - 1).encode([LONG])
    assert same == whole
    assert cut.truncated >= 1


def test_the_end_of_the_context_goes_first_and_is_counted(encoder, tiny_tokenizer):
    (whole,) = encoder().encode([LONG])
    (cut,) = encoder(whole.longest - 40).encode([LONG])
    text = tiny_tokenizer.decode(cut.prefix[1:])
    kept, question_part = text.removeprefix("Context: ").split("\nQuestion: ")
    assert question_part == f"{LONG.stem}\nAnswer:"
    assert LONG.context.startswith(kept)
    dropped = LONG.context[len(kept) :]
    assert cut.truncated == len(tiny_tokenizer(dropped, add_special_tokens=False)["input_ids"])
    assert 40 <= cut.truncated <= 42
    assert cut.continuations == whole.continuations
    assert cut.question is LONG


def test_then_the_middle_of_the_stem_goes(encoder, tiny_tokenizer):
    (without,) = encoder().encode([Question(stem=LONG.stem, options=LONG.options)])
    (cut,) = encoder(without.longest - 8).encode([LONG])
    stem = (
        tiny_tokenizer.decode(cut.prefix[1:]).removeprefix("Question: ").removesuffix("\nAnswer:")
    )
    head, tail = stem.split(GAP)
    assert head
    assert LONG.stem.startswith(head)
    assert tail
    assert LONG.stem.endswith(tail)
    assert cut.continuations == without.continuations
    (whole,) = encoder().encode([LONG])
    assert cut.truncated == len(whole.prefix) - len(cut.prefix)


def test_options_that_do_not_fit_are_an_error_that_names_the_question(encoder):
    options = ("pear", "a very long option " * 10)
    question = Question(id="q-17", stem="Which of these is a fruit?", options=options)
    message = "'q-17'.*max_length = 60.*options are never cut"
    with pytest.raises(EncodingError, match=message):
        encoder(60).encode([PLAIN, question])


def test_an_option_without_any_token_is_an_error_that_names_the_question(tiny_tokenizer):
    class Forgetful(Impatient):
        """Some tokenizers normalise a text such as a zero-width space away."""

        def __call__(self, texts, **kwargs):
            texts = texts if isinstance(texts, str) else [t.replace("\u200b", "") for t in texts]
            return super().__call__(texts, **kwargs)

    encoder = Encoder(Forgetful(tiny_tokenizer), get_template("hybrid"), 1000)
    with pytest.raises(EncodingError, match="q-18"):
        encoder.encode([Question(id="q-18", stem="Which?", options=("pear", "\u200b"))])


def test_cutting_inside_a_character_comes_to_an_end(encoder):
    question = Question(stem="Which?", options=("a", "b"), context="🙂" * 20)
    (whole,) = encoder().encode([question])
    for max_length in range(whole.longest - 30, whole.longest):
        (cut,) = encoder(max_length).encode([question])
        assert cut.longest <= max_length


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stem=st.text(min_size=1, max_size=60).filter(str.strip),
    context=st.none() | st.text(max_size=60),
    max_length=st.integers(20, 200),
)
def test_whatever_is_cut_the_question_fits_with_its_options_whole(
    encoder, stem, context, max_length
):
    question = Question(stem=stem, options=("pear", "wrench"), context=context)
    (whole,) = encoder().encode([question])
    try:
        (encoded,) = encoder(max_length).encode([question])
    except EncodingError:
        return
    assert encoded.longest <= max_length
    assert encoded.continuations == whole.continuations
    assert encoded.truncated == len(whole.prefix) - len(encoded.prefix)
    assert (encoded.truncated > 0) == (whole.longest > max_length)


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_a_pair_is_written_as_the_tokenizer_writes_it(name):
    tokenizer = build_tokenizer(name)
    encoder = Encoder(tokenizer, get_template("cloze"), 1000, pairs=True)
    (encoded,) = encoder.encode([LONG])
    rendered = get_template("cloze").render(LONG)
    for ids, text in zip(encoded.continuations, rendered.continuations, strict=True):
        assert [*encoded.prefix, *ids] == tokenizer(rendered.prefix, text)["input_ids"]
    sizes = [len(encoded.prefix) + len(ids) for ids in encoded.continuations]
    assert encoded.row_tokens == sum(sizes)
    (cut,) = Encoder(tokenizer, get_template("cloze"), encoded.longest - 5, pairs=True).encode(
        [LONG]
    )
    frame = Frame.of_pair(tokenizer)
    assert cut.continuations == encoded.continuations
    assert cut.prefix[-len(frame.between) :] == frame.between
    assert cut.truncated >= 5
    assert cut.longest <= encoded.longest - 5
