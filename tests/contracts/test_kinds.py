"""Questions of every kind in one run: learned, scored, calibrated, resumed, by every formulation.

A set is learned by heart. What is asked of it then is better than chance for each kind by itself.
"""

import json
from pathlib import Path

import pytest

from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError
from mcqa.kinds import KINDS
from mcqa.prediction import read_predictions
from mcqa.question import Question
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.loading import load_scorer
from mcqa.scoring.scoring_run import score
from mcqa.training.questions import Mixture, QuestionSet

COLOURS = ("red", "green", "blue", "white", "black", "brown")
LEVELS = ("never", "rarely", "often", "always")
WAYS = {
    "multiple_choice": {"learning_rate": 2e-2},
    "multiple_choice, binary": {"loss": "binary", "learning_rate": 2e-2},
    "multiple_choice, beside the next token": {"lm_loss_weight": 0.5},
    "generative": {"objective": "options"},
    "generative, completion": {"objective": "completion"},
}


def mixed_questions(soft=True):
    """Six questions of each kind, and six with soft labels; answers follow from nothing."""
    questions = []
    for n, colour in enumerate(COLOURS):
        others = [COLOURS[n - 1], COLOURS[n - 2]]
        questions += [
            Question(stem=f"Which goes with {colour}?", options=(*others, colour), label=n % 3),
            Question(stem=f"Is {colour} fast?", kind="yes_no", label=n % 2),
            Question(stem=f"How often {colour}?", kind="scale", options=LEVELS, label=n % 4),
            Question(
                stem=f"What suits {colour}?",
                kind="several",
                options=("apple", "hammer", "pear"),
                label=[i for i in range(3) if (n + 1) >> i & 1],
            ),
        ]
        if soft:
            targets = [(0.8, 0.2), (0.1, 0.9)][n // 3]
            question = Question(
                stem=f"Up, {colour}?", options=("up", "down"), label=n // 3, targets=targets
            )
            questions.append(question)
    return questions


@pytest.fixture
def learn(tiny_training, monkeypatch):
    """Train on the mixed questions, and validate on them."""

    def train(way, questions=None, **settings):
        soft = "completion" not in way
        stored = StoredQuestions(questions or mixed_questions(soft))
        record = {"source": "mixed", "split": None, "n": len(stored), "sha256": "0" * 64}
        one = QuestionSet(stored, record | {"commit": None}, name="mixed", part=stored)
        with monkeypatch.context() as patch:
            patch.setattr("mcqa.training.setup.load_training", lambda *_, **__: Mixture([one]))
            patch.setattr("mcqa.training.setup.load_validation", lambda *_, **__: one)
            settings = {"batch_size": 15, "max_steps": 80, "steps_between": 80} | settings
            return tiny_training(way.partition(",")[0], **WAYS[way] | settings)

    return train


@pytest.mark.parametrize("way", WAYS)
def test_what_was_learned_by_heart_is_known_of_every_kind(learn, way, tmp_path):
    run = learn(way)
    questions = mixed_questions(soft="completion" not in way)
    scorer = load_scorer(run.folder, device="cpu")
    predictions = scorer.score_many(questions)
    assert [(p.id, p.kind, p.label, p.targets) for p in predictions] == [
        (q.id, q.kind, q.label, q.targets) for q in questions
    ]
    for kind in KINDS:
        right = [p.correct for p in predictions if p.kind == kind]
        by_chance = {"several": 1 / 8, "scale": 1 / 4}.get(kind, 1 / 2)
        assert sum(right) / len(right) > by_chance + 0.3, (kind, sum(right), len(right))
    for prediction in predictions:
        assert len(prediction.scores) == len(prediction.probabilities)
        if not KINDS[prediction.kind].several:
            assert sum(prediction.probabilities) == pytest.approx(1)

    reported = []
    written, _ = score(
        scorer, questions, tmp_path / "p.jsonl", batch_size=15, on_progress=reported.append
    )
    assert sum(reported) == len(questions)
    assert written == read_predictions(tmp_path / "p.jsonl")
    assert written == read_predictions(Path(run.folder) / VALIDATION_FILE)
    calibration = run.record["calibration"]
    assert calibration.keys() == run.record["validation_accuracy"].keys() == KINDS.keys()
    assert {kind for kind, one in calibration.items() if "threshold" in one} == {
        kind.name for kind in KINDS.values() if kind.threshold
    }
    several = calibration["several"]
    assert scorer.threshold_of("several") == several["threshold"]
    assert run.record["validation_accuracy"]["several"]["n"] == several["n"] == len(COLOURS)
    card = (Path(run.folder) / "README.md").read_text()
    assert f"several: temperature {several['temperature']:.3g}" in card or several["at_bound"]


def test_soft_labels_are_learned_as_they_are(learn):
    run = learn("multiple_choice", max_steps=100, learning_rate=1e-2)
    for prediction in load_scorer(run.folder, device="cpu").score_many(mixed_questions()):
        if prediction.targets:
            assert prediction.probabilities == pytest.approx(prediction.targets, abs=0.1)


@pytest.mark.parametrize("way", ["multiple_choice", "generative"])
def test_a_mixed_run_resumed_ends_where_an_unbroken_one_does(learn, way, tmp_path, monkeypatch):
    settings = {"max_steps": 6, "steps_between": 2, "batch_size": 8, "lora_dropout": 0.3}
    unbroken = learn(way, **settings)

    def power_cut(self, step):
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mcqa.training.progress.TrainingLog.on_save", power_cut)
        with pytest.raises(KeyboardInterrupt):
            learn(way, **settings, output=str(tmp_path / "run"))
    resumed = learn(way, **settings, output=str(tmp_path / "run"), resume=True)
    assert resumed.losses == unbroken.losses
    for name in ("trained_sha256", "calibration", "validation_accuracy"):
        assert resumed.record[name] == unbroken.record[name]


@pytest.mark.parametrize("way", WAYS)
def test_accumulated_mixed_batches_equal_one_batch(learn, way):
    """By tokens for the completion, else by questions, whatever their kinds and weights."""
    few = {"max_steps": 3, "steps_between": 1, "kind_weights": ("scale=0.5", "yes_no=2")}
    whole = learn(way, **few, batch_size=30)
    parts = learn(way, **few, batch_size=5, accumulation=6)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-3)
    assert learn(way, max_steps=1, steps_between=1, batch_size=30).losses != whole.losses[:1]


def test_plain_choices_train_as_ever_whatever_other_kinds_weigh(learn, tiny_questions):
    few = {"max_steps": 2, "questions": tiny_questions}
    plain = learn("multiple_choice", **few)
    weighed = learn("multiple_choice", **few, kind_weights=("scale=0.5",))
    assert weighed.losses == pytest.approx(plain.losses, rel=1e-6)
    assert plain.record["calibration"].keys() >= {"scorer", "temperature"}


def test_what_cannot_be_learned_is_refused_before_training(learn):
    with pytest.raises(ConfigError, match=r"soft labels.*--objective options"):
        learn("generative, completion", questions=mixed_questions(soft=True))
    with pytest.raises(ConfigError, match="Give a weight to yes_no"):
        learn("generative", kind_weights=("several=0.5",))


def test_a_run_of_before_there_were_kinds_is_calibrated_for_choices(learn, tiny_questions):
    run = learn("multiple_choice", questions=tiny_questions, max_steps=2)
    path = Path(run.folder) / "run.json"
    record = json.loads(path.read_text())
    record["calibration"] = {"scorer": "head", "temperature": 2.0, "n": 36, "at_bound": False}
    path.write_text(json.dumps(record))
    scorer = load_scorer(run.folder, device="cpu")
    assert (scorer.temperature, scorer.temperature_of("choice")) == (2.0, 2.0)
    assert scorer.temperature_of("several") is None
    assert scorer.threshold_of("several") == 0.5
