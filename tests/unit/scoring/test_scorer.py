"""The public API on a tiny causal LM: which scorer loads, what it promises, what it refuses."""

import math
from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import mcqa
from heads.multiple_choice import LlamaForMultipleChoice
from mcqa.errors import ConfigError, EncodingError, ModelError, RunError
from mcqa.prompting.encoded_sets import encode_set
from mcqa.question import Question
from mcqa.scoring.loading import load_scorer

PLAIN = {"dtype": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def scorers(tiny_model_folder):
    """The scorers of the generative formulation, in float32."""
    names = ("text", "text-mean", "letter", "generate")
    return {name: load_scorer(str(tiny_model_folder), name, **PLAIN) for name in names}


@pytest.fixture(scope="module")
def multiple_choice_folder(tiny_model_folder, tiny_tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("multiple-choice")
    model = LlamaForMultipleChoice.from_pretrained(tiny_model_folder)
    torch.nn.init.normal_(model.option_head.weight, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


def log_probabilities(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].log_softmax(-1)


def by_hand(model, tokenizer, prefix, continuation):
    """Sum the log-probabilities of a continuation's tokens, and count them."""
    start = tokenizer(prefix)["input_ids"]
    ids = tokenizer(continuation, add_special_tokens=False)["input_ids"]
    predicted = log_probabilities(model, [*start, *ids])[len(start) - 1 : -1]
    return sum(row[token].item() for row, token in zip(predicted, ids, strict=True)), len(ids)


QUESTION = Question(stem="Which is a fruit?", options=("pear", "old rusty saw", "nail"), label=0)
CLOZE = "Question: Which is a fruit?\nAnswer:"
LETTERED = (
    "Choose the correct option for the following question.\n\n### Question:\nWhich is a fruit?\n\n"
    "### Choice:\nA. pear. B. old rusty saw. C. nail.\n\n### Answer:\n"
)


def test_text_is_the_sum_over_an_options_tokens_and_text_mean_their_mean(
    scorers, tiny_model, tiny_tokenizer
):
    totals = [
        by_hand(tiny_model, tiny_tokenizer, CLOZE, f" {option}") for option in QUESTION.options
    ]
    lengths = [length for _, length in totals]
    assert len(set(lengths)) > 1
    text, mean = (scorers[name].score(QUESTION) for name in ("text", "text-mean"))
    assert text.scores == pytest.approx([total for total, _ in totals], rel=1e-5)
    assert mean.scores == pytest.approx([total / n for total, n in totals], rel=1e-5)
    assert text.tokens == mean.tokens == len(tiny_tokenizer(CLOZE)["input_ids"]) + sum(lengths)


def test_letter_is_the_probability_of_the_letter_with_and_without_a_space(
    scorers, tiny_model, tiny_tokenizer
):
    ids = tiny_tokenizer(LETTERED)["input_ids"]
    predicted = log_probabilities(tiny_model, ids)[-1]
    variants = tiny_tokenizer([" A", " B", " C"], add_special_tokens=False)["input_ids"]
    assert {len(ids) for ids in variants} == {1, 2}  # one of them counts without its space only
    expected = []
    for letter, spaced in zip("ABC", variants, strict=True):
        plain = tiny_tokenizer.convert_tokens_to_ids(letter)
        tokens = [plain, *spaced] if len(spaced) == 1 else [plain]
        expected.append(math.log(sum(predicted[token].exp().item() for token in tokens)))
    result = scorers["letter"].score(QUESTION)
    assert result.scores == pytest.approx(expected, rel=1e-5)
    assert result.tokens == len(ids)


def test_generate_decodes_greedily_to_the_end_of_the_line(scorers, tiny_model, tiny_tokenizer):
    ids = tiny_tokenizer(LETTERED)["input_ids"]
    start = len(ids)
    while len(ids) < start + 64:
        ids.append(log_probabilities(tiny_model, ids)[-1].argmax().item())
        if ids[-1] == tiny_tokenizer.eos_token_id or "\n" in tiny_tokenizer.decode(ids[-1]):
            break
    result = scorers["generate"].score(QUESTION)
    assert result.text == tiny_tokenizer.decode(ids[start:], skip_special_tokens=True)
    assert result.tokens == len(ids) - (ids[-1] == tiny_tokenizer.eos_token_id)


@pytest.mark.parametrize(
    ("written", "choice", "how"),
    [
        ("A pear</s>", 0, "letter and text"),
        ("B\nA pear", 1, "letter"),
        ("nail\n", 2, "text"),
        ("Apples</s>", None, "unparsed"),
    ],
)
def test_a_generated_line_is_parsed(scorers, tiny_tokenizer, monkeypatch, written, choice, how):
    answer = torch.tensor([tiny_tokenizer(written, add_special_tokens=False)["input_ids"]])
    monkeypatch.setattr(
        scorers["generate"].model,
        "generate",
        lambda input_ids, **_: torch.cat([input_ids, answer], dim=1),
    )
    result = scorers["generate"].score(QUESTION)
    assert (result.choice, result.parsed) == (choice, how)
    assert result.text == written.removesuffix("</s>")
    assert (result.scores, result.probabilities, result.unit) == (None, None, None)
    assert result.correct == (choice == 0)


@pytest.mark.parametrize("name", ["text", "text-mean", "letter"])
def test_a_batch_size_changes_no_score(scorers, tiny_questions, name):
    questions = tiny_questions[:10]
    whole = scorers[name].score_many(questions, batch_size=64)
    for size in (1, 4):
        parts = scorers[name].score_many(questions, batch_size=size)
        for one, other in zip(whole, parts, strict=True):
            assert one.scores == pytest.approx(other.scores, rel=1e-5)


def test_a_batch_size_changes_no_generated_text(scorers, tiny_questions, monkeypatch):
    monkeypatch.setattr("mcqa.formulations.decoding.MAX_NEW_TOKENS", 12)
    whole = scorers["generate"].score_many(tiny_questions[:5], batch_size=5)
    parts = scorers["generate"].score_many(tiny_questions[:5], batch_size=2)
    assert [(p.text, p.tokens) for p in whole] == [(p.text, p.tokens) for p in parts]


@pytest.mark.parametrize("name", ["text", "text-mean", "letter", "generate"])
def test_predictions_come_in_the_order_of_the_questions(scorers, tiny_questions, name, monkeypatch):
    monkeypatch.setattr("mcqa.formulations.decoding.MAX_NEW_TOKENS", 3)
    reported = []
    questions = tiny_questions[:12]
    results = scorers[name].score_many(questions, batch_size=2, on_progress=reported.append)
    assert [(p.id, p.label) for p in results] == [(q.id, q.label) for q in questions]
    assert {p.scorer for p in results} == {name}
    assert sorted(reported) == [1] * 4 + [2] * 4  # three questions of each number of options
    if name != "generate":
        assert {p.unit for p in results} == {"nats"}
        assert [len(p.scores) for p in results] == [len(q.options) for q in questions]
        assert all(sum(p.probabilities) == pytest.approx(1) for p in results)
        assert all(p.choice == p.scores.index(max(p.scores)) for p in results)


def test_labels_are_carried_and_not_looked_at(scorers):
    unlabelled = Question(stem=QUESTION.stem, options=QUESTION.options)
    first, second = (scorers["text"].score(q) for q in (QUESTION, unlabelled))
    assert (first.label, second.label) == (0, None)
    assert first.scores == second.scores


def test_no_questions_no_predictions(scorers):
    assert scorers["text"].score_many([]) == []


def test_batches_keep_within_blocks_of_whole_questions(scorers):
    options, scorer = ("a", "b", "c"), scorers["text"]
    questions = [
        Question(id=f"q{n}", stem="Which?", options=options, kind="several", label=[0])
        for n in range(5)
    ]
    encoded = encode_set(scorer.encoder, questions, split=scorer.split)
    batches = scorer.batches(encoded, 4, 2)
    assert sorted(place for batch in batches for place in batch) == list(range(15))
    assert [len({place // 3 // 2 for place in batch}) for batch in batches] == [1] * 5
    plain = scorer.batches(scorer.encoder.encode([QUESTION] * 5), 4, 2)
    assert sorted(map(sorted, plain)) == [[0, 1], [2, 3], [4]]
    with pytest.raises(ConfigError, match="block 0: must be at least 1"):
        scorer.batches(encoded, 4, 0)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_is_positive(scorers, size):
    with pytest.raises(ConfigError, match=f"batch_size {size}: must be at least 1"):
        scorers["text"].score_many([QUESTION], batch_size=size)


def test_the_default_scorer_and_template_of_a_causal_lm(tiny_model_folder):
    scorer = mcqa.load_scorer(str(tiny_model_folder), device="cpu")
    assert (scorer.name, scorer.template, scorer.formulation) == (
        "text-mean",
        "cloze",
        "generative",
    )
    assert scorer.model.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "template"),
    [("text", "cloze"), ("text-mean", "cloze"), ("letter", "lettered"), ("generate", "lettered")],
)
def test_every_scorer_has_its_usual_template(scorers, name, template):
    assert scorers[name].template == template


def test_another_template_is_used_where_it_is_asked_for(tiny_model_folder, tiny_tokenizer):
    scorer = load_scorer(str(tiny_model_folder), "text", template="hybrid", **PLAIN)
    tokens = [tiny_tokenizer(LETTERED)["input_ids"]]
    tokens += tiny_tokenizer(list(QUESTION.options), add_special_tokens=False)["input_ids"]
    assert scorer.template == "hybrid"
    assert scorer.score(QUESTION).tokens == sum(map(len, tokens))


def test_a_saved_multiple_choice_model_is_told_by_its_architecture(
    multiple_choice_folder, tiny_questions
):
    scorer = load_scorer(str(multiple_choice_folder), **PLAIN)
    assert (scorer.formulation, scorer.name, scorer.template) == (
        "multiple_choice",
        "head",
        "cloze",
    )
    results = scorer.score_many(tiny_questions)
    assert {p.unit for p in results} == {"logit"}
    assert [len(set(p.scores)) for p in results] == [len(q.options) for q in tiny_questions]


def test_max_length_is_the_models_unless_it_is_given(tiny_model_folder, scorers):
    assert scorers["text"].encoder.max_length == 256
    short = load_scorer(str(tiny_model_folder), "text", max_length=10, **PLAIN)
    with pytest.raises(ConfigError, match="positions reach 256 tokens"):
        load_scorer(str(tiny_model_folder), "text", max_length=257, **PLAIN)
    with pytest.raises(EncodingError, match="max_length = 10"):
        short.score(QUESTION)


@pytest.fixture
def few_positions(tiny_tokenizer, tmp_path):
    """A GPT-2, which has a table of positions and fails behind its end."""
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer),
        n_embd=32,
        n_layer=1,
        n_head=2,
        n_positions=128,
        eos_token_id=tiny_tokenizer.eos_token_id,
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("scorer", "written"), [("text", 0), ("letter", 0), ("constrained", 1), ("generate", 64)]
)
def test_what_a_scorer_writes_has_positions_too(few_positions, scorer, written):
    settings = {"template": "lettered" if scorer == "letter" else "cloze"} | PLAIN
    made = load_scorer(few_positions, scorer, **settings)
    long = Question(stem="q" * 200, options=("qq", "nail"))  # every letter is a token
    assert made.encoder.encode([long])[0].longest == made.encoder.max_length
    made.score(long)
    assert made.encoder.max_length == 128 - written
    with pytest.raises(ConfigError, match=f"max_length 129: .* reach {128 - written} tokens"):
        load_scorer(few_positions, scorer, max_length=129, **settings)


def test_what_was_cut_of_a_question_is_counted(tiny_model_folder, tiny_tokenizer):
    scorer = load_scorer(str(tiny_model_folder), "text", max_length=60, **PLAIN)
    words = "What grows on a tree? " * 30
    long = Question(stem=words, options=QUESTION.options)
    whole, cut = scorer.score_many([QUESTION, long])
    full = len(tiny_tokenizer(f"Question: {words}\nAnswer:")["input_ids"])
    answers = tiny_tokenizer([f" {o}" for o in long.options], add_special_tokens=False)
    shown = cut.tokens - sum(map(len, answers["input_ids"]))
    assert whole.truncated == 0
    assert cut.truncated == full - shown > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scorer": "head"}, "'head' does not go with .* generative: use text, text-mean,"),
        (
            {"scorer": "txt"},
            "'txt' does not exist; .* there are: text, text-mean,",
        ),
        ({"template": "letters"}, "template 'letters' does not exist"),
        ({"scorer": "letter", "template": "cloze"}, "needs a template that lists the options"),
        ({"scorer": "pmi", "chat": True}, "a chat has none"),
        ({"quantization": "int4"}, "quantization 'int4'"),
        ({"dtype": "half"}, "dtype 'half'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tiny_model_folder, arguments, message):
    with pytest.raises(ConfigError, match=message):
        load_scorer(str(tiny_model_folder), device="cpu", **arguments)


def test_a_generative_scorer_does_not_go_with_a_multiple_choice_model(multiple_choice_folder):
    with pytest.raises(ConfigError, match="which is multiple_choice: use head"):
        load_scorer(str(multiple_choice_folder), "text", device="cpu")


@pytest.mark.parametrize("content", ["{", "[]", "null"])
def test_a_model_folder_with_a_damaged_configuration_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_scorer(str(tmp_path), device="cpu")


@pytest.fixture
def small_memory(scorers, monkeypatch):
    """Let `text` answer at most `room` questions at once, and remember how many it was asked."""

    def shrink(room):
        scorer, asked = scorers["text"], []
        score = scorer._score

        def scarce(model, tokenizer, batch):
            asked.append(len(batch))
            if len(batch) > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
            return score(model, tokenizer, batch)

        monkeypatch.setattr(scorer, "_score", scarce)
        monkeypatch.setattr(scorer, "batch_limit", None)
        return scorer, asked

    return shrink


def test_out_of_memory_halves_the_batch_says_so_and_changes_no_score(
    scorers, tiny_questions, small_memory
):
    questions = [q for q in tiny_questions if len(q.options) == 3]
    apart = [f"{n}, {q.stem}" for n, q in enumerate(questions)]
    questions = [replace(q, stem=s, context=None) for q, s in zip(questions, apart, strict=True)]
    assert len(questions) == 9
    whole = scorers["text"].score_many(questions, batch_size=6)
    scorer, asked = small_memory(room=2)
    with pytest.warns(UserWarning, match="Not enough memory for") as told:
        halved = scorer.score_many(questions, batch_size=6)
    assert asked == [6, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert [" ".join(str(w.message).split()[4:6]) for w in told.list] == [
        "6 questions",
        "3 questions",
    ]
    assert [p.id for p in halved] == [p.id for p in whole]
    for one, other in zip(whole, halved, strict=True):
        assert one.scores == pytest.approx(other.scores, rel=1e-5)


def test_one_question_that_does_not_fit_is_an_error(small_memory):
    scorer, _ = small_memory(room=0)
    with pytest.raises(RunError, match=f"'{QUESTION.id}': not enough memory even for it alone"):
        scorer.score(QUESTION)


def test_an_error_that_is_not_about_memory_is_passed_on(scorers, monkeypatch):
    def broken(model, tokenizer, batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(scorers["text"], "_score", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        scorers["text"].score(QUESTION)


def test_kept_batches_are_not_scored_again(scorers, tiny_questions, small_memory):
    kept, questions = {}, tiny_questions[:8]
    whole = scorers["text"].score_many(questions, batch_size=1, kept=kept)
    assert sorted(kept) == list(range(8))
    del kept[3], kept[6]
    scorer, asked = small_memory(room=8)
    assert scorer.score_many(questions, batch_size=1, kept=kept) == whole
    assert asked == [1, 1]
