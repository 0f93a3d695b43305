"""A generative run, merged and saved as a plain folder, answers elsewhere as it does here."""

import pytest
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from mcqa.prompting.prompts import get_template
from mcqa.scoring.loading import load_scorer

N = 8
LENGTH = 64  # the most tokens that `generate` writes


@pytest.fixture(scope="module")
def merged(runs, tiny_model_folder, tmp_path_factory):
    """The folder that the page on the generative formulation says how to make."""
    folder = tmp_path_factory.mktemp("merged")
    base = AutoModelForCausalLM.from_pretrained(tiny_model_folder, dtype="float32")
    run = runs["generative"]
    PeftModel.from_pretrained(base, run).merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(run).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prompts(tiny_questions):
    return [get_template("cloze").render(question).prefix for question in tiny_questions[:N]]


@pytest.fixture(scope="module")
def ours(runs, tiny_questions):
    """The run's own answers, which are not all the same."""
    answers = load_scorer(str(runs["generative"]), "generate", device="cpu").score_many(
        tiny_questions[:N]
    )
    assert len({answer.text for answer in answers}) > 1
    return answers


def first_lines(texts):
    return [text.partition("\n")[0] for text in texts]


def test_our_scorer_answers_alike_on_run_and_folder(ours, merged, tiny_questions):
    scorer = load_scorer(str(merged), "generate", template="cloze", dtype="float32", device="cpu")
    assert not hasattr(scorer.model, "peft_config")
    assert scorer.score_many(tiny_questions[:N]) == ours


def test_a_pipeline_answers_as_our_scorer(ours, merged, prompts):
    generator = pipeline("text-generation", model=str(merged), dtype="float32", device="cpu")
    settings = {"do_sample": False, "max_new_tokens": LENGTH, "return_full_text": False}
    texts = [generator(prompt, **settings)[0]["generated_text"] for prompt in prompts]
    assert first_lines(texts) == first_lines(answer.text for answer in ours)


@pytest.mark.parametrize(
    ("auto_class", "where"),
    [(AutoModelForCausalLM, "merged"), (AutoPeftModelForCausalLM, "run")],
    ids=["folder", "run"],
)
def test_plain_generate_answers_as_our_scorer(ours, merged, runs, prompts, auto_class, where):
    folder = {"merged": merged, "run": runs["generative"]}[where]
    model = auto_class.from_pretrained(folder, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = []
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt")
        output = model.generate(**inputs, do_sample=False, max_new_tokens=LENGTH)
        written = output[0, inputs["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(written, skip_special_tokens=True))
    assert first_lines(texts) == first_lines(answer.text for answer in ours)


def test_the_folder_scores_as_the_run(merged, runs, tiny_questions):
    there = load_scorer(str(merged), "text", dtype="float32", device="cpu")
    here = load_scorer(str(runs["generative"]), "text", device="cpu")
    pairs = zip(there.score_many(tiny_questions), here.score_many(tiny_questions), strict=True)
    for one, other in pairs:
        assert one.scores == pytest.approx(other.scores, rel=1e-3, abs=1e-4)
