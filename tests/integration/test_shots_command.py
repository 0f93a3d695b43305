"""`mcqa score` with worked examples, a chat and lenient reading; `mcqa evaluate` with examples."""

import json
import shutil

import pytest
from transformers import AutoTokenizer

from mcqa.data import load_questions
from mcqa.prompting.prompts import Shots
from mcqa.scoring.loading import load_scorer

CHAT = (
    "{{ bos_token }}{% for turn in messages %}{{ turn['role'] }}: {{ turn['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:\n{% endif %}"
)
SCORED = ["--device", "cpu", "--dtype", "float32", "--limit", 6]


@pytest.fixture(scope="module")
def chat_folder(tiny_model_folder, tmp_path_factory):
    """The tiny model with room for examples and a tokenizer that knows how to chat."""
    folder = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(tiny_model_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 1024}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def shots_file(tmp_path_factory):
    """Labelled questions to draw from."""
    path = tmp_path_factory.mktemp("shots") / "train.jsonl"
    rows = [
        {"id": f"t{n}", "question": f"Is it {n}?", "options": ["apple", "saw"], "label": n % 2}
        for n in range(6)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def score(command, chat_folder, question_file, tmp_path):
    """Score six questions and return the command's result and the rows it wrote."""

    def run(*settings, data=question_file):
        output = tmp_path / "predictions.jsonl"
        flags = ["--model", chat_folder, "--data", data, "--output", output, *SCORED]
        result = command("score", *flags, *settings)
        assert result.code == 0, result.err
        return result, [json.loads(line) for line in output.open()]

    return run


def as_rows(predictions):
    return [(p.id, p.choice, p.tokens, p.text, p.parsed) for p in predictions]


def test_all_flags_together_are_the_python_api(score, chat_folder, question_file, shots_file):
    flags = ["--shots", 2, "--shots-data", shots_file, "--seed", 3, "--chat"]
    flags += ["--system", "Be brief.", "--parser", "lenient", "--fallback", "text"]
    result, rows = score("--scorer", "generate", *flags, "--format", "json")
    scorer = load_scorer(
        str(chat_folder),
        "generate",
        dtype="float32",
        device="cpu",
        shots=Shots(load_questions(shots_file), 2, seed=3),
        chat=True,
        system="Be brief.",
        parser="lenient",
        fallback="text",
    )
    questions = load_questions(question_file, limit=6)
    written = [(r["id"], r["choice"], r["tokens"], r["text"], r["parsed"]) for r in rows]
    assert written == as_rows(scorer.score_many(questions))
    assert all(row["choice"] is not None for row in rows)
    filled = [row["parsed"] for row in rows if row["parsed"].endswith(", fallback text")]
    assert filled  # a model with random weights writes no answer
    assert json.loads(result.out)["unparsed"] == 0


def test_without_a_fallback_the_unread_are_counted(score):
    result, rows = score("--scorer", "generate", "--format", "json")
    unread = sum(row["choice"] is None for row in rows)
    assert json.loads(result.out)["unparsed"] == unread > 0


def test_examples_are_part_of_the_prompt(score, shots_file, tiny_tokenizer):
    flags = ["--scorer", "text"]
    _, plain = score(*flags)
    draw = [*flags, "--shots", 2, "--shots-data", shots_file]
    _, shown = score(*draw)
    _, again = score(*draw, "--seed", 0)
    _, other = score(*draw, "--seed", 1)
    assert shown == again
    assert [r["scores"] for r in shown] != [r["scores"] for r in plain]
    assert [r["scores"] for r in shown] != [r["scores"] for r in other]
    examples = "Question: Is it 0?\nAnswer: apple\n\nQuestion: Is it 1?\nAnswer: saw\n\n"
    longer = len(tiny_tokenizer(examples, add_special_tokens=False)["input_ids"])
    for one, more in zip(plain, shown, strict=True):
        assert abs(more["tokens"] - one["tokens"] - longer) <= 4  # apples and saws differ a little


def test_a_question_is_not_its_own_example(score, question_file, chat_folder):
    """With the questions themselves as pool, of three stems only the two others can be drawn."""
    _, rows = score("--scorer", "text", "--shots", 1, "--shots-data", question_file)
    questions = load_questions(question_file)
    scorer = load_scorer(
        str(chat_folder), "text", dtype="float32", device="cpu", shots=Shots(questions, 1)
    )
    for row, encoded in zip(rows, scorer.encoder.encode(questions[:6]), strict=True):
        assert row["tokens"] == encoded.tokens
        text = scorer.tokenizer.decode(encoded.prefix)
        assert text.count("Question: ") == 2
        assert text.count(encoded.question.stem) == 1


def test_evaluate_takes_examples_too(command, chat_folder, question_file, shots_file, tmp_path):
    flags = ["--data", question_file, *SCORED, "--shots", 2, "--shots-data", shots_file, "--chat"]
    model = ["--model", chat_folder, "--scorer", "letter"]
    result = command("evaluate", *model, *flags, "--output", tmp_path / "evaluation")
    assert result.code == 0, result.err
    assert command("score", *model, *flags, "--output", tmp_path / "p.jsonl").code == 0
    evaluated = (tmp_path / "evaluation" / "predictions.jsonl").read_text()
    assert evaluated == (tmp_path / "p.jsonl").read_text()


LISTED = {"options": ["plum", "old rusty saw", "nail"]}
MEDMCQA = {"opa": "plum", "opb": "old rusty saw", "opc": "nail", "opd": "pear"}


@pytest.mark.parametrize(
    ("fields", "label"), [(LISTED, "label"), (MEDMCQA, "cop")], ids=["generic", "medmcqa"]
)
def test_labels_of_the_examples_count_from_where_the_user_says(
    score, chat_folder, tmp_path, fields, label
):
    rows = [{"question": f"Is it {n}?", **fields, label: 1 + n % 2} for n in range(6)]
    data, train = tmp_path / "data.jsonl", tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train.write_text("".join(json.dumps(row | {"question": "Which?"}) + "\n" for row in rows))
    flags = ["--scorer", "text", "--label-base", 1, "--shots", 3, "--shots-data", train]
    _, written = score(*flags, data=data)
    shots = Shots(load_questions(train, label_base=1), 3)
    scorer = load_scorer(str(chat_folder), "text", dtype="float32", device="cpu", shots=shots)
    expected = scorer.encoder.encode(load_questions(data, label_base=1))
    assert [row["tokens"] for row in written] == [encoded.tokens for encoded in expected]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--shots", 2], "--shots and --shots-data go together"),
        (["--shots-data", "bundled"], "--shots and --shots-data go together"),
        (["--shots", 0], "--shots"),
        (["--shots", 2, "--shots-data", "absent.jsonl"], "absent.jsonl"),
        (["--system", "Be brief."], "add --chat"),
        (["--chat"], "no chat template"),
        (["--parser", "lenient"], "settings of 'generate', not of 'text-mean'"),
        (["--scorer", "text", "--fallback", "text"], "settings of 'generate', not of 'text'"),
        (["--scorer", "generate", "--parser", "generous"], "generous"),
        (["--scorer", "generate", "--fallback", "letter"], "letter"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    refused, tiny_model_folder, question_file, tmp_path, flags, message
):
    output = tmp_path / "p.jsonl"
    model = ["--model", tiny_model_folder, "--data", question_file, *SCORED]
    assert message in refused("score", *model, *flags, "--output", output)
    assert not output.exists()


def test_more_examples_than_questions_to_draw_from_are_refused(
    refused, tiny_model_folder, question_file, shots_file, tmp_path
):
    flags = ["--data", question_file, "--shots", 6, "--shots-data", shots_file]
    flags += ["--output", tmp_path / "p.jsonl"]
    message = refused("score", "--model", tiny_model_folder, *flags)
    assert "shots: 6 examples from 6 labelled questions" in message
