"""What of a question's kind and labels the model is told."""

import pytest
import torch

from heads.targets import BINARY, CUMULATIVE, OWN, SOFTMAX
from mcqa.errors import ConfigError
from mcqa.formulations.objectives import COMPLETION, OPTIONS
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.question import Question
from mcqa.training.mixture import parse_kind_weights

CHOICE = Question(stem="Which?", options=("a", "b"), label=1)
YES = Question(stem="Is it?", kind="yes_no", label=0)
OTHERS = [
    Question(stem="How much?", kind="scale", options=("no", "some", "all"), label=2),
    Question(stem="Which are?", kind="several", options=("a", "b", "c"), label=[0, 2]),
    Question(stem="Which?", options=("a", "b"), targets=(0.25, 0.75)),
]


@pytest.fixture
def collate(tiny_tokenizer):
    encoder = Encoder(tiny_tokenizer, get_template("cloze"), 200)

    def made(objective, questions, **weights):
        return objective.collate(encoder.encode(questions), tiny_tokenizer, **weights)

    return made


def test_plain_choices_come_with_labels_alone(collate):
    batch = collate(OPTIONS, [CHOICE, YES])
    assert batch["labels"].tolist() == [1, 0]
    assert not batch.keys() & {"targets", "losses", "weights"}


def test_each_question_of_a_mixed_batch_has_its_loss_its_targets_and_its_weight(collate):
    batch = collate(OPTIONS, [CHOICE, YES, *OTHERS], weights={"several": 0.5})
    assert batch["losses"].tolist() == [OWN, OWN, CUMULATIVE, BINARY, SOFTMAX]
    assert batch["weights"].tolist() == [1, 1, 1, 0.5, 1]
    assert batch["labels"].tolist() == [1, 0, 2, 0, 1]
    expected = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 1], [0.25, 0.75, 0]]
    assert torch.equal(batch["targets"], torch.tensor(expected))


def test_a_completion_is_told_the_weights_alone(collate):
    assert "weights" not in collate(COMPLETION, [CHOICE, OTHERS[0]])
    batch = collate(COMPLETION, [CHOICE, OTHERS[0]], weights={"scale": 2.0})
    assert batch["weights"].tolist() == [1, 2]


@pytest.mark.parametrize("text", ["several", "several=0", "several=x", "all=1", "scale=inf"])
def test_a_weight_that_cannot_be_used_is_refused(text):
    with pytest.raises(ConfigError, match="expected KIND=WEIGHT, each kind once"):
        parse_kind_weights([text])


def test_weights_of_kinds_are_named_once():
    assert parse_kind_weights(["several=0.5", "scale=2"]) == {"several": 0.5, "scale": 2.0}
    with pytest.raises(ConfigError, match="each kind once"):
        parse_kind_weights(["scale=1", "scale=2"])
