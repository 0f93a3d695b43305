"""`mcqa index`, and `--context` in score, evaluate and train: what is read, kept and refused."""

import json

import pytest

import mcqa
from mcqa.prediction import read_predictions
from mcqa.prompting.encoding import Encoder
from mcqa.prompting.prompts import get_template
from mcqa.retrieval.contexts import UPPER_BOUND, Contexts
from mcqa.retrieval.index import PassageIndex

WORDS = ("skin", "liver", "heart", "lung", "spleen", "tongue", "thumb", "brain", "bone")
SCORED = ["--device", "cpu", "--dtype", "float32", "--batch-size", 4]


def row(word, n, explanation=True):
    told = {"explanation": f"The {word} is an organ."} if explanation else {}
    options = ["saw", f"the {word}"]
    return {"id": f"q{n}", "question": f"Organ {word}?", "options": options, "label": 1, **told}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A training, a validation and a test file, and an index of the explanations of all three."""
    folder = tmp_path_factory.mktemp("explained")
    parts = {"train": WORDS[:6], "validation": WORDS[6:7], "test": WORDS[7:]}
    rows = {name: [row(w, f"-{w}") for w in words] for name, words in parts.items()}
    rows["all"] = [row for part in list(rows.values()) for row in part]
    for name, part in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part))
    return folder


@pytest.fixture(scope="module")
def index(run_main, sets):
    assert run_main("index", sets / "all.jsonl", "--output", sets / "idx") == 0
    return sets / "idx"


@pytest.fixture(scope="module")
def trained(run_main, training, sets, index):
    """A run that was trained with two retrieved passages and validation questions."""
    flags = [*training, "--data", sets / "train.jsonl", "--max-steps", 2, "--batch-size", 3]
    flags += ["--validation-data", sets / "validation.jsonl", "--context", "retrieved"]
    flags += ["--index", index, "--top-k", 2, "--output", sets / "run"]
    assert run_main("train", "multiple-choice", *flags) == 0
    return sets / "run"


@pytest.fixture
def score(command, sets, tmp_path):
    """Score the test questions and return the command's result and its predictions."""

    def run(model, *settings, data="test"):
        output = tmp_path / "p.jsonl"
        flags = ["--model", model, "--data", sets / f"{data}.jsonl", "--output", output, *SCORED]
        result = command("score", *flags, *settings)
        assert result.code == 0, result.err
        return result, read_predictions(output)

    return run


def names(prediction):
    return [passage.id for passage in prediction.retrieved]


def test_an_index_says_what_is_in_it_and_what_is_not(command, sets, tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(row(w, w, explanation=w != "lung")) for w in WORDS))
    result = command("index", path, "--output", tmp_path / "idx")
    assert result.out == f"8 passages of {path}: {tmp_path / 'idx'}\n"
    assert "1 questions have neither an explanation nor a context" in result.err
    again = command("index", path, "--output", tmp_path / "idx", "--overwrite", "--format", "json")
    told = json.loads(again.out)
    assert told == {
        "folder": str(tmp_path / "idx"),
        "passages": 8,
        "checksum": PassageIndex.load(tmp_path / "idx").checksum,
    }


def test_what_was_retrieved_stands_in_the_predictions_and_is_nobodys_own(
    score, index, sets, tiny_model_folder
):
    result, predictions = score(
        tiny_model_folder, "--context", "retrieved", "--index", index, "--top-k", 9
    )
    assert "Retrieving from 9 passages" in result.err
    others = sorted(f"q-{word}" for word in WORDS[:7])  # none of the two test questions' own
    for prediction in predictions:
        assert sorted(names(prediction)) == others
        scores = [passage.score for passage in prediction.retrieved]
        assert scores == sorted(scores, reverse=True)
    _, of_file = score(
        tiny_model_folder, "--context", "retrieved", "--corpus", sets / "all.jsonl", "--top-k", 9
    )
    assert of_file == predictions
    questions = mcqa.load_questions(sets / "test.jsonl")
    scorer = mcqa.load_scorer(
        str(tiny_model_folder),
        context="retrieved",
        index=index,
        top_k=9,
        device="cpu",
        dtype="float32",
    )
    assert scorer.score_many(questions, batch_size=4) == predictions


def test_gold_and_none_read_what_they_say(score, sets, tiny_model_folder, tiny_tokenizer):
    questions = mcqa.load_questions(sets / "test.jsonl")
    _, plain = score(tiny_model_folder)
    for kind in ("none", "gold"):
        encoder = Encoder(tiny_tokenizer, get_template("cloze"), 256, contexts=Contexts(kind))
        expected = [encoded.tokens for encoded in encoder.encode(questions)]
        _, predictions = score(tiny_model_folder, "--context", kind)
        assert [p.tokens for p in predictions] == expected
        assert {p.retrieved for p in predictions} == {None}
        assert (predictions == plain) == (kind == "none")  # these have no context of their own


def test_cut_passages_are_counted(score, index, tiny_model_folder):
    settings = ["--context", "retrieved", "--index", index, "--top-k", 7, "--format", "json"]
    result, predictions = score(tiny_model_folder, *settings, "--max-length", 40)
    assert json.loads(result.out)["truncated"] == 2
    assert all(p.truncated > 0 and len(p.retrieved) == 7 for p in predictions)


def test_a_run_is_asked_as_it_was_trained_unless_told_otherwise(score, trained, index):
    record = json.loads((trained / "run.json").read_text())
    checksum = PassageIndex.load(index).checksum
    assert record["context"].items() >= {"kind": "retrieved", "top_k": 2}.items()
    assert (record["context"]["checksum"], record["context"]["passages"]) == (checksum, 9)
    assert "| context | retrieved, top 2 of 9 passages of " in (trained / "README.md").read_text()
    _, predictions = score(trained, "--index", index)
    assert {len(p.retrieved) for p in predictions} == {2}
    _, without = score(trained, "--context", "none")
    assert {p.retrieved for p in without} == {None}
    assert [p.scores for p in without] != [p.scores for p in predictions]


def test_validation_questions_are_kept_apart_in_training_and_scored_as_then(trained, index, sets):
    [validated] = read_predictions(trained / "validation_predictions.jsonl")
    assert len(validated.retrieved) == 2
    assert "q-thumb" not in names(validated)
    settings = {"device": "cpu", "index": index}
    scorer = mcqa.load_scorer(str(trained), **settings)
    assert scorer.score_many(mcqa.load_questions(sets / "validation.jsonl")) == [validated]
    assert scorer.calibration["choice"]["n"] == 1
    assert mcqa.load_scorer(str(trained), top_k=1, **settings).calibration is None
    assert mcqa.load_scorer(str(trained), context="none", device="cpu").calibration is None


def test_evaluate_asks_each_model_its_own_way_and_says_so(
    command, trained, index, sets, tiny_model_folder, tmp_path
):
    flags = ["--data", sets / "test.jsonl", *SCORED, "--output", tmp_path, "--max-length", 40]
    models = ["--model", trained, "--model", f"{tiny_model_folder}:text"]
    result = command("evaluate", *models, *flags, "--index", index, "--permutations", "all")
    assert result.code == 0, result.err
    run, base = (read_predictions(path) for path in sorted(tmp_path.glob("*/predictions.jsonl")))
    if run[0].retrieved is None:
        run, base = base, run
    assert {len(p.retrieved) for p in run} == {2}
    assert {p.retrieved for p in base} == {None}
    details = json.loads((tmp_path / "evaluation.json").read_text())["details"]
    assert "run: retrieved, top 2 of 9 passages with checksum " in details["Context"]
    assert "text: data" in details["Context"]
    assert "Cut to fit" in (tmp_path / "report.html").read_text()
    result = command("evaluate", *models[:2], *flags, "--context", "gold", "--overwrite")
    assert UPPER_BOUND in (tmp_path / "report.md").read_text()


def test_other_passages_are_other_work(command, index, sets, tiny_model_folder, tmp_path):
    flags = ["--model", tiny_model_folder, "--data", sets / "test.jsonl", *SCORED]
    flags += ["--output", tmp_path, "--context", "retrieved"]
    kept = json.dumps({"work": {"context": "retrieved, top 3 of other passages"}}) + "\n"
    (tmp_path / "predictions.partial.jsonl").write_text(kept)
    result = command("evaluate", *flags, "--index", index)
    assert result.code == 2
    assert (
        "context: 'retrieved, top 3 of other passages' then, 'retrieved, top 3 of 9" in result.err
    )
