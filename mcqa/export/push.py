"""Put a run on the Hugging Face Hub: adapter, tokenizer, `run.json` and card, and nothing private.

The traps: a base that is a folder here is nowhere for others, a link in the run folder may lead to
what is private, a repository that is there already keeps its visibility, and a library's error may
hold the token; so none is passed on as it is.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import huggingface_hub
from huggingface_hub import EvalResult, ModelCard, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from mcqa.data.files import READERS, ending_of
from mcqa.errors import ConfigError, McqaError, ModelError, RunError
from mcqa.evaluating.folder import RECORD, read_record
from mcqa.evaluation.metrics import split_kinds
from mcqa.models.embedded import LICENCE
from mcqa.models.names import RUN_FILE, ModelReference, resolve_model
from mcqa.runs import trained
from mcqa.runs.card import UNKNOWN_LICENCE, model_card, training_sets
from mcqa.runs.merging import check_output
from mcqa.system.files import inside, whole_folder, write_json

ADAPTER_CONFIG = "adapter_config.json"
TRAINED = (trained.ADAPTER_FILE, trained.TRAINED_FILE)
TOKENIZER = ("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "chat_template*")
TOKENIZER += ("vocab*", "merges.txt", "*.model")
TOKENIZER_PATHS = ("name_or_path", "tokenizer_file", "vocab_file", "merges_file")
DATA = ("source", "split", "sha256", "commit")
TOLD = ("scorer", "template", "shots", "context", "chat", "quantization", "dtype", "versions")
NOWHERE = {"folder": "folder", "run": "folder", "gguf": "file"}  # bases that others do not have
TOKEN = re.compile(r"hf_\w+")
LOG_IN = (
    "Log in with `hf auth login`, or set HF_TOKEN to a token that may write "
    "(https://huggingface.co/settings/tokens)."
)


def prepare_folder(
    run: str,
    repo: str,
    folder: Path,
    *,
    base: str | None = None,
    licence: str | None = None,
    evaluations: Sequence[str] = (),
) -> tuple[dict[str, int], str]:
    """Write a new folder that a run can be loaded from elsewhere, with its model card.

    Returned are the files' sizes in bytes by their names, and the licence that the card says.

    Args:
        base: the base's name for others; by default its own, which a local folder does not have.
        licence: of the base; by default what the base's own card says.
        evaluations: folders of `mcqa evaluate` that this run was scored in.

    Raises:
        ConfigError: an argument does not fit, or a file to take is a link to elsewhere.
        ModelError: what was trained is missing or damaged.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        reason = str(error).partition(". Use `repo_type`")[0].rstrip(".")
        raise ConfigError(
            f"repository {repo!r}: {reason}. Name it OWNER/NAME, like 'jo/head'."
        ) from error
    reference = resolve_model(run)
    if reference.kind != "run":
        raise ConfigError(
            f"{run!r} is not a run folder. Push a finished run; a merged model is a plain folder, "
            "which `hf upload` takes as it is."
        )
    check_output(folder)
    source, record = Path(reference.path), trained.read_record(reference.path)
    files = sorted({file.name for pattern in TRAINED + TOKENIZER for file in source.glob(pattern)})
    for name in (RUN_FILE, ADAPTER_CONFIG, *files):
        inside(source, name)
    _check_whole(source, record)
    scores = [score for path in evaluations for score in _scores(path, record, run)]
    known = trained.base_of(source, record)
    if not base and known.kind not in ("embedded", "hub"):
        raise ConfigError(
            f"the base of this run is the {NOWHERE[known.kind]} {known.name}, which nobody else "
            "has. Say what it is on the Hub with --base OWNER/NAME."
        )
    named = base or known.repository
    licence = licence or _licence(known, named)
    shown = _without_paths(record) | {"base_model": named}
    if named != record["base_model"]:  # its commits are its own
        shown["base_commit"] = None
    told = {"base_model_name_or_path": named, "revision": shown.get("base_commit")}
    with whole_folder(folder) as made:
        for name in files:
            shutil.copyfile(source / name, made / name)
        _rewrite(source, made, ADAPTER_CONFIG, **told)
        _rewrite(source, made, "tokenizer_config.json", **dict.fromkeys(TOKENIZER_PATHS))
        card = model_card(shown, repo=repo, licence=licence, scores=scores)
        (made / "README.md").write_text(card, encoding="utf-8")
        write_json(made / RUN_FILE, shown)
    return {file.name: file.stat().st_size for file in sorted(folder.iterdir())}, licence


def _check_whole(folder: Path, record: dict) -> None:
    """Refuse an adapter that is missing or of another size than when it was saved."""
    size = sum((folder / name).stat().st_size for name in TRAINED if (folder / name).is_file())
    if not size or size != record.get("adapter_bytes", size):
        raise ModelError(
            f"{folder}: what was trained takes {size:,} bytes, and {RUN_FILE} says "
            f"{record.get('adapter_bytes', 0):,}. Restore the run folder, or train again."
        )


def _licence(base: ModelReference, name: str) -> str:
    """Return what the base's card says of its licence, `unknown` where that is not to be found."""
    if base.kind == "embedded":
        return LICENCE
    card = Path(base.path) / "README.md"
    try:
        own = ModelCard.load(card).data if card.is_file() else None
        data = own or huggingface_hub.HfApi().model_info(name, timeout=10).card_data
    except Exception:  # no network, no such card, no right to see it: the card says `unknown`
        data = None
    return (data.get("license") if data else None) or UNKNOWN_LICENCE


def _without_paths(value, key: str = ""):
    """Return a copy of JSON in which of every path only the last part stays."""
    if isinstance(value, dict):
        return {name: _without_paths(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner, key) for inner in value]
    if isinstance(value, str) and (key in ("output", "index", "corpus") or _is_path(value)):
        return PureWindowsPath(value).name or value  # which splits at both slashes
    return value


def _is_path(text: str) -> bool:
    """Say whether a text is a path of this machine; a Hub id has one slash and is no file."""
    source = text.rpartition("=")[0] or text  # of a set with a weight
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    relative = text.startswith((".", "~")) or "\\" in text or source.count("/") > 1
    if absolute or relative:
        return True
    return "/" in text and (ending_of(source) in READERS or Path(source).exists())


def _rewrite(source: Path, target: Path, name: str, **changes) -> None:
    """Copy a JSON file with some fields changed, those that it has; None takes one away."""
    if (source / name).is_file():
        values = json.loads((source / name).read_text(encoding="utf-8"))
        gone = {key for key in changes if changes[key] is None}
        kept = {key: changes.get(key, values[key]) for key in values if key not in gone}
        write_json(target / name, kept)


def _scores(folder: str, record: dict, run: str) -> list[EvalResult]:
    """Return what an evaluation's folder says about a run, known by its seconds and bytes.

    That is one result, or one of each kind where there are others than plain choices.
    """
    kept = read_record(Path(folder))
    cost = {"training_seconds": record.get("seconds"), "adapter_bytes": record.get("adapter_bytes")}
    of_run = [e for e in kept.evaluations if (e.cost or {}).items() >= cost.items()]
    if len(of_run) != 1:
        names = ", ".join(evaluation.name for evaluation in kept.evaluations)
        raise ConfigError(
            f"{folder}: {len(of_run)} of its models ({names}) are the run {run}; one must be. Name "
            "a folder that `mcqa evaluate --model` wrote for this very run."
        )
    metrics = of_run[0].metrics
    if not metrics["n"]:
        raise ConfigError(f"{folder}: its questions have no labels, so there is no score in it.")
    try:
        source, split, sha256, commit = (kept.data[key] for key in DATA)
        told = {name: of_run[0].work[name] for name in TOLD}
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder}: an older version wrote it, whose {RECORD} does not say which questions "
            "were scored and how. Evaluate again."
        ) from error
    name = _without_paths(source)
    learned = sha256 in {one["sha256"] for one in training_sets(record)}
    data = {"source": name, "sha256": sha256, "trained_on": learned}
    shown = name + (", which it was trained on" if learned else "")
    return [
        EvalResult(
            task_type="multiple-choice",
            dataset_type=name.partition("@")[0] if commit else name,
            dataset_name=f"{shown}, {kind}" if kind else shown,
            dataset_split=split,
            dataset_revision=commit or sha256,
            dataset_args=data | ({"kind": kind} if kind else {}),
            metric_type="accuracy",
            metric_value=own["accuracy"],
            metric_args=told | {"n": own["n"], "ci95": own["accuracy_ci95"]},
        )
        for kind, own in split_kinds(metrics).items()
        if own["n"]
    ]


def upload(
    folder: Path, repo: str, *, private: bool, revision: str | None, message: str | None
) -> str:
    """Upload a folder and return its address; a missing repository or branch is made.

    Raises:
        ConfigError: there is no token, or the repository is public and should be private.
        RunError: the Hub cannot be reached, or refuses.
    """
    if not get_token():
        raise ConfigError(f"no token of the Hugging Face Hub is set. {LOG_IN}")
    try:
        api = huggingface_hub.HfApi()
        url = api.create_repo(repo, private=private or None, exist_ok=True)
        if private and not api.repo_info(url.repo_id).private:
            raise ConfigError(
                f"{url.repo_id} is there already and everybody can see it; nothing was uploaded. "
                "Make it private in its settings, or name another one."
            )
        if revision:
            api.create_branch(url.repo_id, branch=revision, exist_ok=True)
        what = {"folder_path": folder, "commit_message": message or "A run of mcqa"}
        api.upload_folder(repo_id=url.repo_id, revision=revision, **what)
        return str(url)
    except McqaError:
        raise
    except Exception as error:  # all of them: any message may hold the token
        failure = _refusal(error, get_token())
    raise RunError(f"{repo}: {failure}")


def _refusal(error: Exception, token: str | None) -> str:
    """Return in one line, without the token, why the Hub did not take the upload."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if status == 401:
        return f"the Hub does not accept the token. {LOG_IN}"
    if status == 403:
        return f"this token may not write there. {LOG_IN} Or name a repository of yours."
    if "OfflineModeIsEnabled" in kinds:
        return "HF_HUB_OFFLINE is set. Unset it, or use --dry-run --output DIR."
    if kinds & {"ConnectionError", "TimeoutError", "TransportError"}:
        return (
            "the Hub cannot be reached. Try again with a network; --dry-run --output DIR writes "
            "the folder alone."
        )
    reason = str(error).strip().partition("\n")[0].replace(token or "***", "***")
    reason = TOKEN.sub("***", reason).rstrip(".")
    return f"not uploaded ({type(error).__name__}: {reason}). The same command tries again."
