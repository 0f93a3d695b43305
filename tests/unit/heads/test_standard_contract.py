"""What transformers expects of a multiple-choice model: rows in, MultipleChoiceModelOutput out."""

from itertools import chain

import numpy as np
import pytest
import torch
from architectures import build
from datasets import Dataset
from transformers import (
    DataCollatorForMultipleChoice,
    Trainer,
    TrainingArguments,
)
from transformers.modeling_outputs import MultipleChoiceModelOutput

from heads.branching import pack

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
HEADS = [
    {"pooling": pooling, "interaction": interaction}
    for pooling in ("last", "mean", "attention")
    for interaction in ("none", "attention")
]


def as_rows(questions, side, pad=0):
    """Return the (B, O, T) rows, attention mask and option mask of prefixes and continuations."""
    rows = [
        [[*prefix, *option] for option in options]
        for prefix, options in zip(questions.prefixes, questions.continuations, strict=True)
    ]
    shape = len(rows), max(map(len, rows)), max(len(row) for o in rows for row in o)
    ids, mask = torch.full(shape, pad), torch.zeros(shape, dtype=torch.long)
    exists = torch.zeros(shape[:2], dtype=torch.bool)
    for b, options in enumerate(rows):
        for o, row in enumerate(options):
            where = slice(0, len(row)) if side == "right" else slice(shape[2] - len(row), None)
            ids[b, o, where], mask[b, o, where] = torch.tensor(row), 1
            exists[b, o] = True
    return {"input_ids": ids, "attention_mask": mask, "option_mask": exists}


@torch.no_grad()
@pytest.mark.parametrize("settings", HEADS, ids=lambda s: "-".join(s.values()))
def test_sharing_a_prefix_changes_no_logit_nor_does_padding(settings, random_questions):
    model = build("llama", **settings)
    expected = model(**as_rows(random_questions, "right"), share_prefix=False)
    assert isinstance(expected, MultipleChoiceModelOutput)
    assert expected.logits.dtype == torch.float32
    for side in ("left", "right"):
        for pad in (0, 5):
            rows = as_rows(random_questions, side, pad)
            torch.testing.assert_close(model(**rows).logits, expected.logits, **CLOSE)


@torch.no_grad()
def test_rows_and_our_own_branched_batches_score_alike(random_questions):
    # The last token does not depend on where an option is taken to begin.
    model = build("llama")
    branched = pack(random_questions.prefixes, random_questions.continuations)
    rows = model(**as_rows(random_questions, "right")).logits
    torch.testing.assert_close(rows, model(**branched.as_dict()).logits, **CLOSE)


@pytest.mark.parametrize("settings", HEADS, ids=lambda s: "-".join(s.values()))
def test_padded_options_get_no_probability_and_give_no_gradient(settings):
    model = build("llama", **settings)
    ids = torch.tensor([[[5, 6, 1], [5, 6, 2], [5, 6, 3]], [[7, 8, 1], [7, 8, 2], [9, 9, 9]]])
    exists = torch.tensor([[True, True, True], [True, True, False]])
    labels = torch.tensor([2, 0])
    output = model(ids, option_mask=exists, labels=labels)
    output.loss.backward()
    assert output.logits.softmax(-1)[1, 2] == 0
    first = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ids[1, 2] = torch.tensor([300, 301, 302])
    again = model(ids, option_mask=exists, labels=labels)
    again.loss.backward()
    assert torch.equal(again.logits, output.logits)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all()
            torch.testing.assert_close(parameter.grad, first[name])


def test_a_label_on_a_padded_option_is_refused():
    ids = torch.tensor([[[5, 6, 1], [5, 6, 2]]])
    with pytest.raises(ValueError, match="padded option"):
        build("llama")(ids, option_mask=torch.tensor([[1, 0]]), labels=torch.tensor([1]))


@torch.no_grad()
def test_scores_follow_the_options(random_questions):
    order = torch.randperm(8)
    for settings in HEADS:
        model = build("llama", **settings)
        rows = as_rows(random_questions, "right")
        expected = model(**rows).logits[:, order]
        reordered = {name: tensor[:, order] for name, tensor in rows.items()}
        torch.testing.assert_close(model(**reordered).logits, expected, **CLOSE)


@torch.no_grad()
def test_an_interaction_sees_its_rivals_and_a_plain_head_does_not(random_questions):
    rows = as_rows(random_questions, "right")
    fewer = {name: tensor[1:2, :4] for name, tensor in rows.items()}
    whole = {name: tensor[1:2] for name, tensor in rows.items()}
    for interaction, same in (("none", True), ("attention", False)):
        model = build("llama", interaction=interaction)
        close = torch.allclose(model(**whole).logits[:, :4], model(**fewer).logits, atol=1e-5)
        assert close == same


@torch.no_grad()
def test_two_to_ten_options_and_any_batch(random_questions):
    model = build("llama")
    for count in range(2, 11):
        rows = torch.randint(2, 384, (3, count, 6))
        rows[:, :, :3] = rows[:, :1, :3]
        whole = model(rows).logits
        assert whole.shape == (3, count)
        for question in range(3):
            alone = model(rows[question : question + 1]).logits
            torch.testing.assert_close(alone[0], whole[question], **CLOSE)


@torch.no_grad()
def test_labels_are_not_read_by_the_logits_and_a_tuple_can_be_had():
    model = build("llama")
    ids = torch.tensor([[[5, 6, 1], [5, 6, 2]]])
    output = model(ids, labels=torch.tensor([1]))
    assert torch.equal(output.logits, model(ids, labels=torch.tensor([0])).logits)
    loss, logits = model(ids, labels=torch.tensor([1]), return_dict=False)
    assert (loss.item(), logits.tolist()) == (output.loss.item(), output.logits.tolist())


def test_two_dimensional_rows_are_refused():
    with pytest.raises(ValueError, match=r"input_ids has shape \(2, 3\)"):
        build("llama")(torch.ones(2, 3, dtype=torch.long))


def swag_like(tokenizer, questions):
    """Prepare rows as the SWAG example of transformers does: pairs, tokenized and regrouped."""

    def preprocess(examples):
        firsts = [[context] * 2 for context in examples["context"]]
        seconds = [
            [f" {examples[f'ending{i}'][n]}" for i in range(2)]
            for n in range(len(examples["context"]))
        ]
        tokenized = tokenizer(list(chain(*firsts)), list(chain(*seconds)))
        return {k: [v[i : i + 2] for i in range(0, len(v), 2)] for k, v in tokenized.items()}

    rows = [
        {"context": q.stem, "ending0": q.options[0], "ending1": q.options[1], "label": q.label}
        for q in questions
        if len(q.options) == 2
    ]
    data = Dataset.from_list(rows * 4)
    return data.map(preprocess, batched=True)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_the_trainer_and_the_stock_collator_train_it(
    name, tiny_tokenizer, tiny_questions, tmp_path
):
    model = build(name)
    data = swag_like(tiny_tokenizer, tiny_questions)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=12,
        per_device_train_batch_size=18,
        learning_rate=3e-3,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data,
        data_collator=DataCollatorForMultipleChoice(tokenizer=tiny_tokenizer),
        compute_metrics=lambda p: {"accuracy": float(np.mean(p[0].argmax(-1) == p[1]))},
    )
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_loss"] < 0.5 * before["eval_loss"]
    assert after["eval_accuracy"] == 1
