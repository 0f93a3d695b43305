"""Virtual tokens, against PEFT's own forward: plain rows, one at a time, through its wrapper."""

import pytest
import torch
from architectures import CONFIGS
from peft import PeftConfig, PeftModel, PeftModelForCausalLM, PeftModelForFeatureExtraction
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from heads.branching import pack
from heads.likelihood import next_token_log_probabilities
from mcqa.errors import ConfigError
from mcqa.runs.trained import TRAINED_FILE
from mcqa.scoring.loading import load_scorer

KINDS = ("prefix-tuning", "prompt-tuning", "p-tuning")


@pytest.fixture(scope="module", params=KINDS)
def run(request, formulation_name, tiny_training):
    learning_rate = 1e-2 if request.param == "p-tuning" else 0.1
    return tiny_training(
        formulation_name,
        recipe=request.param,
        virtual_tokens=5,
        learning_rate=learning_rate,
        max_steps=3,
    )


@torch.no_grad()
def reference_scores(run, encoded):
    """Score one question's options with PEFT and transformers alone."""
    base = AutoModelForCausalLM.from_pretrained(run.config.model)
    rows = [torch.tensor([[*encoded.prefix, *tokens]]) for tokens in encoded.continuations]
    if run.formulation.NAME == "generative":
        model = PeftModel.from_pretrained(base, run.folder)
        assert isinstance(model, PeftModelForCausalLM)
        results = []
        for row, tokens in zip(rows, encoded.continuations, strict=True):
            mask = torch.ones_like(row)
            logits = model(input_ids=row, attention_mask=mask).logits[0, -row.shape[1] :]
            each = logits.log_softmax(-1)[-len(tokens) - 1 : -1]
            chosen = each.gather(1, torch.tensor(tokens)[:, None])
            results.append(float(chosen.mean()))
        return results
    config = PeftConfig.from_pretrained(run.folder)
    config.task_type = "FEATURE_EXTRACTION"
    model = PeftModelForFeatureExtraction.from_pretrained(base.model, run.folder, config=config)
    weight = load_file(f"{run.folder}/{TRAINED_FILE}")["option_head.weight"]
    results = []
    for row in rows:
        output = model(input_ids=row, attention_mask=torch.ones_like(row))
        results.append(float(output.last_hidden_state[0, -1] @ weight[0]))
    return results


def test_scores_are_those_of_plain_peft(run, tiny_questions):
    scorer = load_scorer(run.folder, device="cpu")
    questions = tiny_questions[:8]
    for question, result in zip(questions, scorer.score_many(questions), strict=True):
        expected = reference_scores(run, run.encoder.encode([question])[0])
        assert result.scores == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["mistral-window", "gemma3-window"])
def test_completions_train_where_attention_has_a_window(
    architecture, kind, tiny_training, tiny_tokenizer, tiny_questions, tmp_path
):
    config = CONFIGS[architecture]()
    config.eos_token_id = tiny_tokenizer.eos_token_id
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    run = tiny_training(
        "generative",
        model=str(tmp_path),
        recipe=kind,
        virtual_tokens=5,
        learning_rate=1e-2 if kind == "p-tuning" else 0.1,
        max_steps=3,
    )
    assert run.losses[-1] < run.losses[0]
    questions = tiny_questions[:4]
    results = load_scorer(run.folder, device="cpu").score_many(questions)
    for encoded, result in zip(run.encoder.encode(questions), results, strict=True):
        expected = reference_scores(run, encoded)
        assert result.scores == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_prompt_may_not_push_the_question_out_of_the_context(run):
    room = 256 - 5 - (run.record["objective"] == "completion")
    assert run.record["max_length"] == room
    with pytest.raises(ConfigError, match="positions reach 251 tokens only"):
        load_scorer(run.folder, device="cpu", max_length=256)


@pytest.mark.parametrize("kind", KINDS)
def test_generation_reads_the_virtual_tokens(kind, tiny_training, tiny_questions):
    rate = 1e-2 if kind == "p-tuning" else 0.3
    run = tiny_training(
        "generative", recipe=kind, virtual_tokens=5, learning_rate=rate, max_steps=6
    )
    together = load_scorer(run.folder, "generate", template="cloze", device="cpu")
    texts = [p.text for p in together.score_many(tiny_questions[:6])]
    assert texts == [p.text for p in together.score_many(tiny_questions[:6], batch_size=1)]
    bare = load_scorer(run.config.model, "generate", template="cloze", device="cpu")
    assert texts != [p.text for p in bare.score_many(tiny_questions[:6])]
    # Greedy, word by word, by likelihoods, which come another way.
    prefixes = [list(e.prefix) for e in together.encoder.encode(tiny_questions[:6])]
    for prefix, text in zip(prefixes, texts, strict=True):
        written = []
        for _ in range(4):
            batch = pack([prefix + written], [[()]])
            with torch.no_grad():
                written.append(int(next_token_log_probabilities(together.model, batch).argmax()))
        expected = run.tokenizer.decode(written, skip_special_tokens=True)
        assert text.startswith(expected.partition("\n")[0].rstrip("\ufffd"))
