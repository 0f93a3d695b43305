"""What a model's name means: the embedded alias, a folder, a run folder, a GGUF file, or a Hub id.

A Hub id may name a revision, `owner/name@revision`: a branch, a tag or a commit. Whatever it names
is pinned to its commit before anything is loaded.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from mcqa.errors import ModelError
from mcqa.models.embedded import ALIAS, ensure_embedded
from mcqa.models.gguf_files import ENDING, ensure_converted

RUN_FILE = "run.json"
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ModelReference:
    """Say what a model name means, as the user gave it."""

    name: str
    kind: str  # embedded, run, folder, gguf or hub
    path: str  # a folder, of a run its own, or a Hub id, `@` and its commit behind it where known
    commit: str | None = None

    @property
    def repository(self) -> str:
        """The name without a revision."""
        return self.name.partition("@")[0] if self.kind == "hub" else self.name


def resolve_model(name: str) -> ModelReference:
    """Find out which of the five kinds a model name is; else ModelError."""
    name = str(name)
    if name == ALIAS:
        return ModelReference(name, "embedded", str(ensure_embedded()))
    path = Path(name)
    if name and path.is_dir():
        if (path / RUN_FILE).is_file():
            return ModelReference(name, "run", name)
        if (path / "config.json").is_file():
            return ModelReference(name, "folder", name)
        raise ModelError(
            f"{name}: a folder with neither {RUN_FILE} (a finished run) nor config.json (a model)."
        )
    if name.lower().endswith(ENDING):
        if path.is_file():
            return ModelReference(name, "gguf", str(ensure_converted(path)))
        raise ModelError(
            f"model {name!r}: no such file. A GGUF file must be on this machine; "
            "`hf download OWNER/NAME model.gguf` gets one from the Hub."
        )
    if not name or path.exists() or name.startswith((".", "/", "~")) or not HUB_ID.fullmatch(name):
        raise ModelError(
            f"model {name!r}: no such folder. A model is {ALIAS!r}, a folder with a model, "
            f"a run folder, a {ENDING} file, or a Hub id like 'unsloth/Llama-3.2-1B'."
        )
    return ModelReference(name, "hub", name)


def pinned(reference: ModelReference) -> ModelReference:
    """Return a Hub model at the commit that its revision means now, any other as it is.

    Where neither the Hub nor its cache tells, it stays as it is too: loading it says why.
    """
    if reference.kind != "hub":
        return reference
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    repository, _, revision = reference.path.partition("@")
    try:
        config = hf_hub_download(repository, "config.json", revision=revision or None)
    except (OSError, ValueError, EntryNotFoundError):
        return reference
    commit = Path(config).parent.name
    known = COMMIT.fullmatch(commit)
    return replace(reference, path=f"{repository}@{commit}", commit=commit) if known else reference


def located(path: str) -> dict:
    """Return the arguments by which `from_pretrained` finds a folder, or a Hub id at a revision."""
    name, _, revision = path.partition("@")
    if not revision or Path(path).is_dir():
        return {"pretrained_model_name_or_path": path}
    return {"pretrained_model_name_or_path": name, "revision": revision}
