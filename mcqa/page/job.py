"""One training in a process of its own, which goes on when the page is closed or loaded anew.

    runs/.training.json     what was started, with which process
    runs/.training.yaml     its settings, as `mcqa train --config` takes them
    runs/.training.log      what it printed

How far it is stands in its run folder, as of any training; so nothing depends on the page.

The trap: a process that has ended keeps its number until its parent asks for it, and afterwards
another may get that number. So the state knows when the process began, and the dead are no process.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import yaml

from mcqa.errors import ConfigError
from mcqa.models.names import RUN_FILE
from mcqa.page import uploads
from mcqa.page.sources import RUNS
from mcqa.runs.training_folder import LOG_FILE, last_checkpoint
from mcqa.system.files import require_folder, write_json, write_whole
from mcqa.system.locks import locked
from mcqa.training.config import TrainingConfig, load_config

STATE, SETTINGS, PRINTED = ".training.json", ".training.yaml", ".training.log"
FORMULATIONS = ("generative", "multiple-choice")
NAME = re.compile(r"[\w][\w.-]{0,99}")
_STEP = re.compile(r"step (\d+)/(\d+) .*?(\d+ s left)")
_ERROR = re.compile(r"^Error: (.*)", re.DOTALL | re.MULTILINE)
_CURVES = {"loss": "loss", "eval_loss": "validation loss", "eval_accuracy": "validation accuracy"}


@dataclass(frozen=True)
class Job:
    """Hold a training that was started.

    Args:
        formulation: one of `FORMULATIONS`.
        output: its run folder.
        pid, born: its process, and when that began, in seconds.
        upload: the file that it trains on, where that was uploaded.
    """

    formulation: str
    output: str
    pid: int
    born: float
    upload: str | None = None

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._process() is not None

    @property
    def finished(self) -> bool:
        """Whether the run is whole."""
        return not self.running and (Path(self.output) / RUN_FILE).is_file()

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        stopped = not self.running and not self.finished
        return stopped and last_checkpoint(Path(self.output)) is not None

    def stop(self) -> None:
        """End it as Ctrl-C does; what it kept can be resumed."""
        if process := self._process():
            process.send_signal(signal.SIGINT)

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def settings_of(name: str, given: Mapping, more: str) -> dict:
    """Return the settings of a training, those in YAML last, which replace others.

    Raises:
        ConfigError: the name is none of a folder in `runs`, or the YAML is none of settings.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"run name {name!r}: use up to 100 letters, digits, `-`, `_` and `.`, the first of "
            f"them no `-` or `.`; the run is written to {RUNS}/NAME."
        )
    try:
        further = yaml.safe_load(more) or {}
    except yaml.YAMLError as error:
        raise ConfigError(
            f"further settings: not YAML ({' '.join(str(error).split())})."
        ) from error
    if not isinstance(further, dict):
        raise ConfigError("further settings: a list of `setting: value` lines is wanted.")
    known = {key: value for key, value in given.items() if value not in (None, "")}
    return known | further | {"output": str(RUNS / name)}


def checked_settings(settings: Mapping) -> TrainingConfig:
    """Return settings that go together; a ConfigError that says all that is wrong with them."""
    return load_config(None, dict(settings))


def start(formulation: str, settings: Mapping, upload: Path | None = None) -> Job:
    """Start a training; a ConfigError where one is running, or the settings cannot be used."""
    checked_settings(settings)
    require_folder(RUNS)
    with locked(RUNS / STATE):
        if (before := current()) and before.running:
            raise ConfigError(
                f"{before.output} is being trained, and one training runs at a time. Wait for it, "
                "or stop it."
            )
        if before and before.upload and before.upload != str(upload):
            uploads.remove(Path(before.upload))
        write_whole(RUNS / SETTINGS, yaml.safe_dump(dict(settings), allow_unicode=True))
        return _spawn(formulation, str(settings["output"]), upload, resume=False)


def resume(job: Job) -> Job:
    """Go on with a training that was stopped, by the same command with --resume."""
    with locked(RUNS / STATE):
        if job.running:
            raise ConfigError(f"{job.output} is being trained already.")
        upload = Path(job.upload) if job.upload else None
        return _spawn(job.formulation, job.output, upload, resume=True)


def _spawn(formulation: str, output: str, upload: Path | None, *, resume: bool) -> Job:
    command = [sys.executable, "-m", "mcqa", "train", formulation, "--config", str(RUNS / SETTINGS)]
    with (RUNS / PRINTED).open("wb") as printed:
        process = subprocess.Popen(
            [*command, *(["--resume"] if resume else [])],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C in the page's terminal is not for it
            env={**os.environ, "NO_COLOR": "1"},
        )
    born = psutil.Process(process.pid).create_time()
    job = Job(formulation, output, process.pid, born, upload and str(upload))
    write_json(RUNS / STATE, asdict(job))
    return job


def current() -> Job | None:
    """Return the training that was started last; None where none was, or that is not known."""
    try:
        return Job(**json.loads((RUNS / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def tidy(job: Job) -> None:
    """Remove the upload of a training that is finished."""
    if job.finished and job.upload:
        uploads.remove(Path(job.upload))


def printed() -> str:
    """Return what the training printed so far."""
    try:
        return (RUNS / PRINTED).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def error_in(text: str) -> str:
    """Return the error that a training ended with, empty where it printed none.

    >>> error_in("step 1/2\\nError: not enough memory.\\n")
    'not enough memory.'
    """
    found = _ERROR.search(text)
    return found[1].strip() if found else ""


def progress_in(text: str) -> tuple[int, int, str] | None:
    """Return step, steps and the time left of the last line that tells them.

    >>> progress_in("  step 5/20  loss 1.200  3 s, 9 s left")
    (5, 20, '9 s left')
    """
    lines = _STEP.findall(text)
    return (int(lines[-1][0]), int(lines[-1][1]), lines[-1][2]) if lines else None


def curves(output: str) -> dict[str, list[dict]]:
    """Return what a run logged, by name: rows of `step` and `value`."""
    try:
        text = (Path(output) / LOG_FILE).read_text(encoding="utf-8")
    except OSError:
        return {}
    found: dict[str, list[dict]] = {}
    for line in text.split("\n")[:-1]:  # the last line may be half
        entry = json.loads(line)
        for key, name in _CURVES.items():
            if key in entry:
                found.setdefault(name, []).append({"step": entry["step"], "value": entry[key]})
    return found
