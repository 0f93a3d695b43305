"""The harness's requests become questions again, whatever their order, and get our own scores."""

import importlib
import random
import sys

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from heads.multiple_choice import LlamaForMultipleChoice
from mcqa.errors import ConfigError, EncodingError, MissingDependencyError
from mcqa.prompting.prompts import TEMPLATES, get_template
from mcqa.prompting.tokens import Frame
from mcqa.question import Question
from mcqa.scoring.loading import load_scorer

Instance = pytest.importorskip(
    "lm_eval.api.instance", reason="lm-evaluation-harness comes with the extra 'harness'"
).Instance
HarnessModel = importlib.import_module("mcqa.scoring.harness").HarnessModel

PLAIN = {"dtype": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def head_folder(tiny_model_folder, tiny_tokenizer, tmp_path_factory):
    """A head whose score for an option depends on its rivals: wrong groups change every score."""
    folder = tmp_path_factory.mktemp("head")
    model = LlamaForMultipleChoice.from_pretrained(
        tiny_model_folder, multiple_choice={"interaction": "attention"}
    )
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "option_head" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def head(head_folder):
    return HarnessModel(head_folder, batch_size=5, **PLAIN)


@pytest.fixture(scope="module")
def text(tiny_model_folder):
    return HarnessModel(model=str(tiny_model_folder), batch_size=5, **PLAIN)


def ask(document, pairs, task="t"):
    return [
        Instance("loglikelihood", {}, pair, place, metadata=(task, document, 1))
        for place, pair in enumerate(pairs)
    ]


def scores(model, requests):
    results = model.loglikelihood(requests, disable_tqdm=True)
    assert not any(greedy for _, greedy in results)
    return [score for score, _ in results]


def begin_with_nothing(model):
    tokenizer = model.scorer.tokenizer
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A")
    model.scorer.encoder.frame = Frame.of_text(tokenizer)


def by_hand(model, tokenizer, context, continuation):
    """Sum the log-probabilities of a continuation's tokens behind its context, one row."""
    start = tokenizer(context)["input_ids"]
    ids = [*start, *tokenizer(continuation, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        steps = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(steps[place - 1, ids[place]].item() for place in range(len(start), len(ids)))


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", ["head", "text"])
def test_shuffled_and_repeated_requests_get_the_scores_of_their_questions(
    request, name, template, tiny_questions, head_folder, tiny_model_folder
):
    folder = {"head": head_folder, "text": str(tiny_model_folder)}[name]
    scorer = load_scorer(folder, name, template=template, **PLAIN)
    twice = Question(stem="Which one would you eat?", options=("saw", "pear", "saw"))
    questions = [*tiny_questions, twice]
    requests, expected = [], []
    for number, (question, prediction) in enumerate(
        zip(questions, scorer.score_many(questions, 5), strict=True)
    ):
        rendered = get_template(template).render(question)
        requests += ask(number, [(rendered.prefix, text) for text in rendered.continuations])
        expected += prediction.scores
    order = [*range(len(requests)), *range(0, len(requests), 3)]
    random.Random(0).shuffle(order)
    found = scores(request.getfixturevalue(name), [requests[index] for index in order])
    assert found == pytest.approx([expected[index] for index in order], rel=1e-4)


def test_the_same_question_in_two_tasks_or_documents_is_two_questions(head):
    pairs = [("Answer:", " pear"), ("Answer:", " saw"), ("Answer:", " nail")]
    alone = scores(head, ask(0, pairs))
    both = scores(head, ask(0, pairs) + ask(1, pairs) + ask(0, pairs, task="other"))
    assert both == pytest.approx(alone * 3, abs=1e-5)
    assert scores(head, ask(0, pairs[:2])) != pytest.approx(alone[:2], abs=1e-3)


def test_a_space_at_the_end_of_a_context_belongs_to_the_continuation(text):
    options = ("pear", "old rusty saw")
    moved = scores(text, ask(0, [("Answer: ", option) for option in options]))
    plain = scores(text, ask(0, [("Answer:", f" {option}") for option in options]))
    assert moved == pytest.approx(plain)


def test_one_option_a_context_many_options_and_no_context(text, tiny_model, tiny_tokenizer):
    """Documents that no `Question` could hold: as in Winogrande, 30 classes, whole sentences."""
    documents = [
        [("The pear is", " on the table"), ("The saw is", " on the table")],
        [("Answer:", f" saw {number}") for number in range(30)],
        [("", "New York"), ("", "warm water")],
    ]
    for number, pairs in enumerate(documents):
        expected = [by_hand(tiny_model, tiny_tokenizer, *pair) for pair in pairs]
        assert scores(text, ask(number, pairs)) == pytest.approx(expected, rel=1e-4)


def test_a_tokenizer_that_starts_with_nothing_starts_an_empty_context_all_the_same(
    tiny_model_folder, text
):
    other = HarnessModel(str(tiny_model_folder), **PLAIN)
    begin_with_nothing(other)
    assert other.scorer.tokenizer("")["input_ids"] == []
    requests = ask(0, [("", "New York"), ("", "warm water")])
    assert scores(other, requests) == pytest.approx(scores(text, requests))


def test_a_long_context_loses_its_beginning(tiny_model_folder, text):
    """Bytes the tokenizer does not merge are tokens, so cutting text is cutting tokens."""
    context, options = "%%%%@@@@", (" pear", " ++++")
    assert len(text.scorer.tokenizer(context)["input_ids"]) == 1 + len(context)
    ids = text.scorer.tokenizer(list(options), add_special_tokens=False)["input_ids"]
    longest = max(map(len, ids))
    short = HarnessModel(str(tiny_model_folder), max_length=longest + 3, **PLAIN)
    with pytest.warns(UserWarning, match="1 of 1 contexts are longer than max_length"):
        found = scores(short, ask(0, [(context, option) for option in options]))
    begin_with_nothing(short)
    assert found == pytest.approx(scores(short, ask(0, [("@@@", o) for o in options])), abs=1e-5)


def test_the_default_scorer_is_what_the_harness_means_by_log_likelihood(head, text):
    assert (head.scorer.name, text.scorer.name) == ("head", "text")


def test_registering_leaves_the_harnesss_own_models_in_place():
    from lm_eval.api.registry import get_model, model_registry

    assert get_model("mcqa") is HarnessModel
    assert "hf" in model_registry


def test_the_harnesss_default_device_means_auto_without_cuda(tiny_model_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    made = HarnessModel(str(tiny_model_folder), device="cuda:0", batch_size="auto:4")
    assert made.scorer.model.device.type == "cpu"
    assert made.batch_size == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name one model"),
        ({"run": "a", "model": "b"}, "name one model"),
        ({"run": "a", "scorer": "letter"}, "use head, text, text-mean, text-char"),
        ({"run": "a", "batch_size": 0}, "positive integer"),
        ({"run": "a", "batch_size": "many"}, "positive integer"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        HarnessModel(**settings)


def test_other_kinds_of_tasks_are_refused(head):
    with pytest.raises(ConfigError, match=r"single continuation \(document 3 of task 'lambada'\)"):
        head.loglikelihood(ask(3, [("The pear is on the", " table")], task="lambada"))
    with pytest.raises(ConfigError, match="whole texts"):
        head.loglikelihood_rolling([])
    with pytest.raises(ConfigError, match="written answers"):
        head.generate_until([])


def test_options_without_a_token_or_with_too_many_are_refused(head):
    for odd in ("", "saw " * 300):
        with pytest.raises(EncodingError, match=r"document 0 of task 't': its options have"):
            scores(head, ask(0, [("Answer:", " pear"), ("Answer:", odd)]))


def test_without_the_harness_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.models", None)
    monkeypatch.delitem(sys.modules, "mcqa.scoring.harness")
    with pytest.raises(MissingDependencyError, match=r"pip install 'mcqa\[harness\]'"):
        importlib.import_module("mcqa.scoring.harness")
