"""`mcqa push`: what is uploaded loads and scores as the run does, and tells no secrets."""

import getpass
import json
import re
import types
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

import mcqa
from heads.branching import pack
from heads.likelihood import option_log_likelihoods

SECRET = "hf_abcDEF0123456789"
FILES = {
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "run.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def base_here(tiny_model_folder, monkeypatch):
    """Stand where the base can be named without a path, as on the Hub; return that name."""
    monkeypatch.chdir(tiny_model_folder.parent)
    return tiny_model_folder.name


@pytest.fixture
def dry_run(command, runs, base_here, tmp_path):
    def push(formulation, *more):
        flags = ["--dry-run", "--output", tmp_path / "push", "--base", base_here, *more]
        return command("push", runs[formulation], "jo/head", *flags), tmp_path / "push"

    return push


class Hub:
    """Stand in for `HfApi`: keep what it is told, and refuse where that is asked for."""

    def __init__(self, private=False, error=None):
        self.private, self.error, self.calls, self.uploaded = private, error, [], {}

    def __call__(self):
        return self

    def create_repo(self, repo, **settings):
        self.calls.append(("create_repo", repo, settings))
        if self.error:
            raise self.error
        return types.SimpleNamespace(repo_id=repo)

    def repo_info(self, repo):
        return types.SimpleNamespace(private=self.private)

    def create_branch(self, repo, **settings):
        self.calls.append(("create_branch", repo, settings))

    def upload_folder(self, *, folder_path, **settings):
        self.calls.append(("upload_folder", settings))
        self.uploaded = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}

    def model_info(self, repo, **settings):
        raise OSError("no network")


@pytest.fixture
def hub(monkeypatch):
    def make(**settings):
        made = Hub(**settings)
        monkeypatch.setenv("HF_TOKEN", SECRET)
        monkeypatch.setattr("huggingface_hub.HfApi", made)
        return made

    return make


def test_the_folder_of_a_dry_run_scores_as_the_run(dry_run, runs, formulation, tiny_questions):
    result, folder = dry_run(formulation)
    assert result.code == 0, result.err
    assert {path.name for path in folder.iterdir()} == FILES
    assert "Nothing was uploaded." in result.out
    for name in FILES:
        assert name in result.out
    pushed = mcqa.load_scorer(str(folder), device="cpu")
    own = mcqa.load_scorer(str(runs[formulation]), device="cpu")
    assert pushed.score_many(tiny_questions) == own.score_many(tiny_questions)


def test_no_path_and_no_user_is_in_what_is_uploaded(
    dry_run, runs, formulation, question_file, tiny_model_folder
):
    _, folder = dry_run(formulation)
    texts = "".join((folder / name).read_text() for name in FILES if "safetensors" not in name)
    for path in (question_file, tiny_model_folder, runs[formulation]):
        assert str(path.parent) not in texts
    assert not re.search(rf"/(tmp|home|{getpass.getuser()})\b", texts)
    record = json.loads((folder / "run.json").read_text())
    assert record["train"]["sets"][0]["source"] == "questions.jsonl"
    assert record["settings"]["data"] == ["questions.jsonl"]
    assert record["settings"]["output"] == formulation
    assert record["base_model"] == tiny_model_folder.name
    own = json.loads((runs[formulation] / "run.json").read_text())
    assert {k for k in own if own[k] != record[k]} == {
        "base_model",
        "started_from",
        "train",
        "settings",
    }


def test_the_card_tells_scores_data_prompt_licence(
    command, dry_run, runs, question_file, validation_file, tmp_path
):
    run = runs["generative"]
    evaluation = tmp_path / "evaluation"
    for file, output in ((question_file, evaluation), (validation_file, tmp_path / "second")):
        scored = ["--data", file, "--output", output, "--device", "cpu"]
        assert command("evaluate", "--model", run, *scored).code == 0
    metrics = json.loads((evaluation / "metrics.json").read_text())
    folders = ["--evaluation", evaluation, "--evaluation", tmp_path / "second"]
    result, folder = dry_run("generative", *folders, "--license", "mit")
    assert result.code == 0, result.err
    card = (folder / "README.md").read_text()
    sha256 = json.loads((run / "run.json").read_text())["train"]["sets"][0]["sha256"][:12]
    low, high = (100 * bound for bound in metrics["accuracy_ci95"])
    accuracy = f"{metrics['accuracy']:.1%} ({low:.1f} to {high:.1f})"
    trained_on = f"| questions.jsonl, **which it was trained on** (sha256 {sha256}) |"
    assert f"{trained_on} text-mean | cloze | data | {accuracy} | 36 |" in card
    assert "| validation.jsonl (sha256 " in card
    assert f"36 from questions.jsonl (sha256 {sha256})" in card
    assert "license: mit\n" in card
    first, second = ModelCard.load(folder / "README.md").data.eval_results
    assert first.dataset_name == "questions.jsonl, which it was trained on"
    assert second.dataset_name == second.dataset_type == "validation.jsonl"
    assert (first.task_type, first.metric_type) == ("multiple-choice", "accuracy")
    assert (first.dataset_revision[:12], first.metric_value) == (sha256, metrics["accuracy"])
    work = json.loads((evaluation / "evaluation.json").read_text())["runs"][0]["work"]
    told = {name: work[name] for name in ("scorer", "template", "dtype", "versions")}
    told |= {"n": 36, "ci95": metrics["accuracy_ci95"]}
    assert told.items() <= first.metric_args.items()
    assert "Question: Which of these is a fruit?\nAnswer:\n" in card
    assert '[" a hammer", " an apple", " a spoon"]' in card
    unknown, folder = dry_run("generative", "--output", tmp_path / "other")
    card = (tmp_path / "other" / "README.md").read_text()
    assert "license: unknown\n" in card
    assert "check the licence of" in card
    assert "The licence of the base is not known" in unknown.err


def test_what_the_card_says_about_loading_works(
    dry_run, runs, formulation, tiny_questions, monkeypatch
):
    _, folder = dry_run(formulation)
    by_mcqa, by_peft = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repo: str(folder))
    names = {}
    exec(by_mcqa.partition("scorer.score")[0], names)
    own = mcqa.load_scorer(str(runs[formulation]), device="cpu")
    assert names["scorer"].score(tiny_questions[0]) == own.score(tiny_questions[0])
    exec(by_peft.replace('"jo/head"', f'"{folder}"'), names)
    encoded = own.encoder.encode(tiny_questions[:4])
    batch = pack([e.prefix for e in encoded], [e.continuations for e in encoded])
    model = names["model"].eval().get_base_model()
    with torch.no_grad():
        if formulation == "generative":
            found, expected = (option_log_likelihoods(m, batch) for m in (model, own.model))
        else:
            found, expected = (m(**batch.as_dict()).logits for m in (model, own.model))
    torch.testing.assert_close(found, expected)


def test_what_is_uploaded_is_what_a_dry_run_writes(command, runs, dry_run, hub, base_here):
    made = hub(private=True)
    more = ["--revision", "next", "--message", "first", "--private", "--base", base_here]
    result = command("push", runs["generative"], "jo/head", *more)
    assert result.code == 0, result.err
    assert made.calls == [
        ("create_repo", "jo/head", {"private": True, "exist_ok": True}),
        ("create_branch", "jo/head", {"branch": "next", "exist_ok": True}),
        ("upload_folder", {"repo_id": "jo/head", "revision": "next", "commit_message": "first"}),
    ]
    _, folder = dry_run("generative")
    assert made.uploaded == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert SECRET not in result.out + result.err
    assert not any(SECRET.encode() in content for content in made.uploaded.values())


def test_a_public_repository_is_not_taken_for_a_private_one(command, runs, hub, base_here):
    made = hub(private=False)
    result = command("push", runs["generative"], "jo/head", "--private", "--base", base_here)
    assert result.code == 2
    assert "jo/head is there already and everybody can see it; nothing was uploaded" in result.err
    assert not made.uploaded


def http_error(status):
    from huggingface_hub.errors import HfHubHTTPError

    error = HfHubHTTPError.__new__(HfHubHTTPError)
    error.args = (f"{status} for url with {SECRET}",)
    error.response = types.SimpleNamespace(status_code=status)
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (http_error(401), "jo/head: the Hub does not accept the token. Log in with"),
        (http_error(403), "jo/head: this token may not write there. Log in with"),
        (ConnectionError(f"no route {SECRET}"), "jo/head: the Hub cannot be reached."),
        (ValueError(f"odd: Bearer {SECRET}.\nmore"), "not uploaded (ValueError: odd: Bearer ***)."),
        (ValueError("odd: hf_OtherToken99"), "not uploaded (ValueError: odd: ***)."),
    ],
)
def test_a_refusal_is_one_line_without_the_token(
    command, runs, hub, base_here, error, message, monkeypatch, capsys, run_main
):
    hub(error=error)
    arguments = ["push", runs["generative"], "jo/head", "--base", base_here]
    result = command(*arguments)
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("Error:")]
    assert message in line
    assert "hf_" not in result.out + result.err
    with pytest.raises(mcqa.McqaError) as raised:  # what --debug shows
        mcqa.cli.app.main(args=list(map(str, arguments)), standalone_mode=False)
    assert raised.value.__cause__ is raised.value.__context__ is None
