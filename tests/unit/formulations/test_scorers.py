"""The seven scorers against the plainest arithmetic: an unpadded forward pass per option."""

import random
from dataclasses import replace

import pytest
import torch

from mcqa.errors import ConfigError
from mcqa.evaluation.metrics import summarize
from mcqa.formulations import decoding
from mcqa.formulations.generative import SCORERS
from mcqa.question import Question
from mcqa.scoring.loading import load_scorer

PLAIN = {"dtype": "float32", "device": "cpu"}
WORDS = ("New", "York", "City", "warm", "water", "rusty")


def random_question(seed):
    """Return a question whose options begin alike, contain each other, or are the same."""
    chance = random.Random(seed)
    stem = " ".join(chance.choices(WORDS, k=chance.randint(1, 12))) + "?"
    few = chance.sample(WORDS, 2)
    options = [" ".join(chance.choices(few, k=chance.randint(1, 3))) for _ in range(5)]
    options += [f"{options[0]} {chance.choice(WORDS)}", options[1], chance.choice(WORDS)]
    return Question(id=f"r{seed}", stem=stem, options=tuple(options[: chance.randint(2, 8)]))


QUESTIONS = [random_question(seed) for seed in range(24)]


@pytest.fixture(scope="module")
def load(tiny_model_folder):
    """Load a scorer of the tiny model in float32, once each."""
    loaded = {}

    def get(name, **settings):
        key = name, *sorted(settings.items())
        if key not in loaded:
            loaded[key] = load_scorer(str(tiny_model_folder), name, **PLAIN, **settings)
        return loaded[key]

    return get


@pytest.fixture(scope="module")
def next_token(tiny_model):
    """Return the log-probabilities of what follows a list of tokens."""

    @torch.no_grad()
    def predict(ids):
        return tiny_model(torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)

    return predict


@pytest.fixture(scope="module")
def total(next_token, tiny_tokenizer):
    """Sum the log-probabilities of a text's tokens behind a prefix."""

    def score(prefix, text):
        start = tiny_tokenizer(prefix)["input_ids"]
        tokens = tiny_tokenizer(text, add_special_tokens=False)["input_ids"]
        rows = next_token([*start, *tokens])[len(start) - 1 :]
        return sum(rows[place, token].item() for place, token in enumerate(tokens))

    return score


def cloze(question):
    return f"Question: {question.stem}\nAnswer:"


def lettered(question):
    listed = " ".join(f"{a}. {b}." for a, b in zip(question.letters, question.options, strict=True))
    return (
        "Choose the correct option for the following question.\n\n"
        f"### Question:\n{question.stem}\n\n### Choice:\n{listed}\n\n### Answer:\n"
    )


@pytest.fixture(scope="module")
def n_tokens(tiny_tokenizer):
    return lambda text: len(tiny_tokenizer(text, add_special_tokens=False)["input_ids"])


def per_option(name, question, total, n_tokens):
    """Score a cloze question's options by a scorer's formula."""
    scores = []
    for option in question.options:
        nats = total(cloze(question), f" {option}")
        if name == "text-mean":
            nats /= n_tokens(f" {option}")
        elif name == "text-char":
            nats /= len(option)
        elif name == "pmi":
            nats -= total("Answer:", f" {option}")
        scores.append(nats)
    return scores


@pytest.mark.parametrize("name", ["text", "text-mean", "text-char", "pmi"])
def test_a_score_is_what_its_formula_says(load, total, n_tokens, name):
    results = load(name).score_many(QUESTIONS, batch_size=7)
    for question, result in zip(QUESTIONS, results, strict=True):
        expected = per_option(name, question, total, n_tokens)
        assert result.scores == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert (result.scorer, result.unit) == (name, "nats")


def test_the_formulas_choose_differently(load):
    names = ("text", "text-mean", "text-char", "pmi")
    chosen = {tuple(p.choice for p in load(name).score_many(QUESTIONS)) for name in names}
    assert len(chosen) == len(names)


def test_a_lettered_continuation_is_letter_and_text(load, total):
    question = Question(stem="New York?", options=("warm", "water water", "City"))
    texts = ["A warm", "B water water", "C City"]
    nats = [total(lettered(question), text) for text in texts]
    neutral = [total("### Answer:\n", text) for text in texts]
    each = zip(nats, (6, 13, 6), neutral, strict=True)
    characters, raised = zip(*((n / length, n - base) for n, length, base in each), strict=True)
    settings = {"template": "lettered"}
    assert load("text", **settings).score(question).scores == pytest.approx(nats, rel=1e-4)
    assert load("text-char", **settings).score(question).scores == pytest.approx(characters, 1e-4)
    assert load("pmi", **settings).score(question).scores == pytest.approx(raised, 1e-4)


def test_letter_adds_the_probabilities_of_both_forms_of_a_letter(load, next_token, tiny_tokenizer):
    for question, result in zip(QUESTIONS, load("letter").score_many(QUESTIONS), strict=True):
        last = next_token(tiny_tokenizer(lettered(question))["input_ids"])[-1]
        expected = []
        for letter in question.letters:
            forms = tiny_tokenizer([letter, f" {letter}"], add_special_tokens=False)["input_ids"]
            single = torch.tensor([tokens[0] for tokens in forms if len(tokens) == 1])
            expected.append(last[single].logsumexp(0).item())
        assert result.scores == pytest.approx(expected, rel=1e-4)


def greedy_inside_options(next_token, prefix, options):
    """Decode step by step, allowing only what continues one of the options."""
    written = ()
    while written not in options:
        depth = len(written)
        allowed = {option[depth] for option in options if option[:depth] == written}
        row = next_token([*prefix, *written])[-1]
        written += (max(sorted(allowed), key=lambda token: row[token].item()),)
    return options.index(written)


def test_constrained_is_greedy_decoding_inside_the_options(load, next_token, tiny_tokenizer):
    questions = [random_question(seed) for seed in range(60)]
    end = tiny_tokenizer.eos_token_id
    expected = []
    for question in questions:
        texts = [f" {option}" for option in question.options]
        ids = tiny_tokenizer(texts, add_special_tokens=False)["input_ids"]
        prefix = tiny_tokenizer(cloze(question))["input_ids"]
        options = [(*tokens, end) for tokens in ids]
        expected.append(greedy_inside_options(next_token, prefix, options))
    results = load("constrained").score_many(questions, batch_size=9)
    assert [result.choice for result in results] == expected
    assert [result.text for result in results] == [
        f" {q.options[choice]}" for q, choice in zip(questions, expected, strict=True)
    ]
    assert expected != [p.choice for p in load("text").score_many(questions)]
    assert len(set(expected)) > 3


def test_constrained_weighs_an_end_against_going_on(load, next_token, tiny_tokenizer):
    """Of "New" and "New York" the first wins where an end is likelier than " York"."""
    texts = tiny_tokenizer([" New", " New York"], add_special_tokens=False)["input_ids"]
    short, long = texts
    assert long[: len(short)] == short
    going_on, end = long[len(short)], tiny_tokenizer.eos_token_id
    stems = [f"{a} {b}?" for a in WORDS for b in WORDS]
    questions = [Question(stem=stem, options=("New York", "New")) for stem in stems]
    expected = []
    for question in questions:
        row = next_token([*tiny_tokenizer(cloze(question))["input_ids"], *short])[-1]
        expected.append(int(row[end] > row[going_on]))
    assert set(expected) == {0, 1}
    assert [p.choice for p in load("constrained").score_many(questions)] == expected


def test_of_the_same_option_twice_the_first_is_chosen(load):
    same = Question(stem="New York?", options=("warm water", "warm water", "warm water"))
    assert load("constrained").score(same).choice == 0


def test_tokens_are_all_that_was_computed(load, tiny_tokenizer, n_tokens):
    question = Question(stem="New York?", options=("warm", "rusty water", "City"))
    prefix = len(tiny_tokenizer(cloze(question))["input_ids"])
    neutral = len(tiny_tokenizer("Answer:")["input_ids"])
    options = sum(n_tokens(f" {option}") for option in question.options)
    expected = {
        "text": prefix + options,
        "text-mean": prefix + options,
        "text-char": prefix + options,
        "pmi": prefix + neutral + 2 * options,
        "constrained": prefix + options + 3,  # an end for each
        "letter": len(tiny_tokenizer(lettered(question))["input_ids"]),
    }
    assert {name: load(name).score(question).tokens for name in expected} == expected


@pytest.mark.parametrize("name", ["text-char", "pmi", "letter", "constrained"])
def test_a_batch_size_changes_no_answer(load, name):
    whole = load(name).score_many(QUESTIONS, batch_size=24)
    alone = load(name).score_many(QUESTIONS, batch_size=1)
    for one, other in zip(whole, alone, strict=True):
        assert (one.id, one.text, one.tokens) == (other.id, other.text, other.tokens)
        if one.scores is None:
            assert one.choice == other.choice
        else:
            assert one.scores == pytest.approx(other.scores, rel=1e-4, abs=1e-4)


@pytest.mark.bits
@pytest.mark.parametrize("name", ["text", "pmi", "constrained"])
def test_the_order_of_options_that_are_not_listed_changes_no_bit(tiny_model_folder, name):
    scorer = load_scorer(str(tiny_model_folder), name, dtype="bfloat16", device="cpu")
    turned = [replace(question, options=question.options[::-1]) for question in QUESTIONS]
    some = [question for question in turned if len(question.options) > 3]
    here, there, part = (
        {p.id: p for p in scorer.score_many(asked, batch_size=5)}
        for asked in (QUESTIONS, turned, some)
    )
    assert len({len(question.options) for question in QUESTIONS}) > 4
    for question in QUESTIONS:
        for other in (there, part) if len(question.options) > 3 else (there,):
            one, same = here[question.id], other[question.id]
            if name == "constrained":
                assert question.options[::-1][same.choice] == question.options[one.choice]
            else:
                assert same.scores[::-1] == one.scores


def test_generate_in_a_batch_equals_one_at_a_time(load, tiny_tokenizer, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_NEW_TOKENS", 16)
    questions = QUESTIONS[:8]
    assert len({len(tiny_tokenizer(lettered(q))["input_ids"]) for q in questions}) > 4
    together = load("generate").score_many(questions, batch_size=8)
    assert together == [load("generate").score(question) for question in questions]
    assert len({prediction.text for prediction in together}) > 4


def test_generate_equals_plain_generate(load, tiny_model, tiny_tokenizer):
    questions = QUESTIONS[:6]
    for question, result in zip(questions, load("generate").score_many(questions), strict=True):
        ids = tiny_tokenizer(lettered(question), return_tensors="pt")["input_ids"]
        output = tiny_model.generate(ids, do_sample=False, max_new_tokens=64)
        text = tiny_tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
        assert result.text.partition("\n")[0] == text.partition("\n")[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"repetition_penalty": 1e4},
        {"no_repeat_ngram_size": 1},
        {"num_beams": 3, "length_penalty": 5.0},
    ],
)
def test_greedy_takes_no_settings_of_the_checkpoint(load, monkeypatch, settings):
    from transformers import GenerationConfig

    questions, scorer = QUESTIONS[:3], load("generate")
    plain = scorer.score_many(questions)
    ids = {"bos_token_id": 0, "eos_token_id": scorer.tokenizer.eos_token_id}
    own = GenerationConfig(**ids, **settings)
    monkeypatch.setattr(scorer.model, "generation_config", own)
    assert scorer.score_many(questions) == plain
    assert scorer.model.generation_config is own


ASKED = Question(
    id="asked", stem="New York?", options=("cold water", "warm water", "City"), label=1
)
LONGER = Question(id="longer", stem="New York City? " * 3, options=("warm", "rusty"), label=1)


@pytest.fixture
def answers(load):
    """Ask questions of a model that writes what it is told to, then babbles on."""

    def ask(*told, **settings):
        scorer = load("generate")
        model, tokenizer = scorer.model, scorer.tokenizer
        scripts = tokenizer([text for _, text in told], add_special_tokens=False)["input_ids"]
        steps = iter(range(decoding.MAX_NEW_TOKENS))

        def dictate(head, arguments, logits):
            step = next(steps)
            for row, script in zip(logits, scripts, strict=True):
                if step < len(script):
                    row[-1, script[step]] = 1e4
            return logits

        plain = model.generate

        def scripted(**inputs):  # dictates no longer than this: a fallback uses the head too
            handle = model.get_output_embeddings().register_forward_hook(dictate)
            try:
                return plain(**inputs)
            finally:
                handle.remove()

        encoded = scorer.encoder.encode([question for question, _ in told])
        with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
            patch.setattr(model, "generate", scripted)
            return SCORERS["generate"](model, tokenizer, encoded, **settings)

    return ask


def test_generate_stops_at_the_end_of_the_line(answers, tiny_tokenizer, n_tokens):
    (result,) = answers((ASKED, "B\nC City</s>"))
    assert (result.text, result.choice, result.parsed) == ("B\n", 1, "letter")
    prompt = len(tiny_tokenizer(lettered(ASKED))["input_ids"])
    assert result.tokens == prompt + n_tokens("B\n")


def test_a_row_that_ends_early_waits_for_the_others(answers, tiny_tokenizer, n_tokens):
    long = "what warm water, cold water, New York City\n"
    short, other, third = answers((ASKED, "B</s>"), (LONGER, long), (ASKED, "A cold water\n"))
    assert (short.text, short.choice) == ("B", 1)
    assert (other.text, other.choice, other.parsed) == (long, None, "unparsed")
    assert (third.text, third.parsed) == ("A cold water\n", "letter and text")
    prompts = [len(tiny_tokenizer(lettered(q))["input_ids"]) for q in (ASKED, LONGER, ASKED)]
    written = [n_tokens(text) for text in ("B", long, "A cold water\n")]
    assert [p.tokens for p in (short, other, third)] == [
        sum(pair) for pair in zip(prompts, written, strict=True)
    ]


def test_what_cannot_be_read_has_no_choice_and_is_counted_apart(answers):
    told = [(ASKED, "Antwort\n"), (ASKED, "B cold water\n"), (ASKED, "</s>"), (ASKED, "A\n")]
    results = answers(*told)
    assert [p.choice for p in results] == [None, None, None, 0]
    assert [p.parsed for p in results] == ["unparsed", "ambiguous", "unparsed", "letter"]
    assert all(p.scores is None and p.probabilities is None and p.unit is None for p in results)
    assert not any(p.correct for p in results)
    summary = summarize(results, 1.0)
    assert (summary["unparsed"], summary["ambiguous"]) == (3, 1)


def test_a_model_that_begins_to_think_answers_behind_an_empty_block(load, monkeypatch):
    scorer = load("generate")
    tokenizer = scorer.tokenizer
    tokens = {
        text: tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in ("<think>\n", "B\n", "<think>No.</think>C\n", "<think>\n\n</think>\n\n")
    }
    *_, closed = tokens.values()

    def write(input_ids, **_):
        """Think, unless the prompt has a closed block; about the long question, in one line."""
        rows = [tokens["B\n"] if row[-len(closed) :] == closed else tokens["<think>\n"]
                for row in input_ids.tolist()]  # fmt: skip
        if len(rows) > 1:
            rows[0] = tokens["<think>No.</think>C\n"]
        longest = max(map(len, rows))
        ends = [row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows]
        return torch.cat([input_ids, torch.tensor(ends)], dim=1)

    monkeypatch.setattr(scorer.model, "generate", write)
    first, second = scorer.score_many([ASKED, replace(ASKED, id="again")])
    assert (first.text, first.choice) == ("<think>No.</think>C\n", 2)
    assert (second.text, second.choice) == ("<think>\n\n</think>\n\nB\n", 1)
    prompt = len(tokenizer(lettered(ASKED))["input_ids"])
    assert second.tokens == prompt + len(closed) + len(tokens["B\n"])


def test_the_lenient_parser_reads_more(answers):
    told = (ASKED, "The answer is B.\n")
    (strict,), (lenient,) = answers(told), answers(told, parser="lenient")
    assert (strict.choice, strict.parsed) == (None, "unparsed")
    assert (lenient.choice, lenient.parsed) == (1, "announced letter")
    assert lenient.text == strict.text


def test_a_fallback_answers_what_was_not_read_and_says_so(answers, load):
    told = [(LONGER, "Antwort\n"), (ASKED, "A\n"), (ASKED, "B cold water\n")]
    plain, filled = answers(*told), answers(*told, fallback="text")
    text = load("text", template="lettered").score_many([LONGER, ASKED])
    assert [p.choice for p in filled] == [text[0].choice, 0, text[1].choice]
    assert [p.parsed for p in filled] == [
        "unparsed, fallback text",
        "letter",
        "ambiguous, fallback text",
    ]
    assert [p.text for p in filled] == [p.text for p in plain]
    more = [p.tokens - q.tokens for p, q in zip(filled, plain, strict=True)]
    assert more == [text[0].tokens, 0, text[1].tokens]


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "generate"])
@pytest.mark.parametrize("setting", [{"parser": "lenient"}, {"fallback": "text"}])
def test_only_generate_has_something_to_read(tiny_model_folder, name, setting):
    with pytest.raises(ConfigError, match=f"settings of 'generate', not of '{name}'"):
        load_scorer(str(tiny_model_folder), name, **PLAIN, **setting)


@pytest.mark.parametrize("name", ["generate", "text"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"parser": "generous"}, "parser 'generous' does not exist; there are: strict, lenient"),
        ({"fallback": "letter"}, "fallback 'letter' does not exist; there are: none, text"),
    ],
)
def test_an_unknown_way_to_read_is_refused(tiny_model_folder, name, setting, message):
    with pytest.raises(ConfigError, match=message):
        load_scorer(str(tiny_model_folder), name, **PLAIN, **setting)


MANY = Question(id="many", stem="Which?", options=tuple(f"water {n}" for n in range(27)), label=26)


@pytest.mark.parametrize("name", ["letter", "constrained"])
def test_more_options_than_letters_are_refused_by_name_and_remedy(load, name):
    said = f"question 'many': scorer '{name}' takes up to 26 options, and it has 27; use 'text'"
    with pytest.raises(ConfigError, match=said):
        load(name).score_many([*QUESTIONS[:2], MANY])
    assert load(name).score(replace(MANY, options=MANY.options[:26], label=0)).choice is not None


def test_options_beyond_z_are_listed_with_two_letters_and_scored(load, total):
    listed = load("text", template="lettered")
    texts = [f"{mark} water {n}" for n, mark in enumerate(MANY.letters)]
    assert (texts[25], texts[26]) == ("Z water 25", "AA water 26")
    assert "Z. water 25. AA. water 26." in lettered(MANY)
    expected = [total(lettered(MANY), text) for text in texts[-2:]]
    assert listed.score(MANY).scores[-2:] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["generate", "constrained"])
def test_an_answer_without_scores_keeps_its_kind(load, name):
    levels = {"kind": "scale", "label": 1, "targets": (0.25, 0.75)}
    question = Question(id="level", stem="How warm?", options=("warm", "water"), **levels)
    answer = load(name).score(question)
    assert (answer.kind, answer.label, answer.targets) == ("scale", 1, (0.25, 0.75))
    assert (answer.expected, answer.median) == (None, None)
