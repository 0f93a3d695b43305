"""What commands read questions and score models with: their options, as one object a group.

The options of a group stand in `--help` as any others, and a command gets one frozen dataclass for
them, whose methods read what they say. Inward travels what those return: questions, and settings.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import click

from mcqa.cli.common import say
from mcqa.system import processes

POSITIVE = click.IntRange(1)


def options(*decorators):
    """Combine click options into one decorator, in the order given."""
    return lambda function: functools.reduce(lambda f, d: d(f), reversed(decorators), function)


def gathering(kind, *decorators):
    """Combine options into one decorator that hands the command one object for them.

    Args:
        kind: its class, a dataclass with a field for each option; the command's argument has its
            name in lower case.
        decorators: the options.
    """

    def decorate(function):
        @functools.wraps(function)
        def gathered(**values):
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            return function(**values, **{kind.__name__.lower(): kind(**own)})

        return options(*decorators)(gathered)

    return decorate


@dataclass(frozen=True)
class Reading:
    """Say how rows are read; the fields are arguments of `mcqa.data.open_questions`."""

    split: str | None
    limit: int | None
    format: str
    label_base: int | None
    fields: tuple[str, ...]
    unlabelled: str
    skip_invalid: bool

    def settings(self) -> dict:
        """Return the arguments of `mcqa.data.open_questions`."""
        from mcqa.data.formats import parse_fields

        return asdict(self) | {"fields": parse_fields(self.fields)}

    def further(
        self, source: str, split: str | None, limit: int | None = None, *, bundled: str
    ) -> dict:
        """Return settings for further questions: a file is read as the first, the bundled as it is.

        `bundled` is the split of the bundled ones where none is given.
        """
        if source == "bundled":
            return {"split": split or bundled, "limit": limit}
        return self.settings() | {"split": split, "limit": limit}

    def load(self, data: str, folder) -> tuple:
        """Return questions and the account of the other rows; print and write what was left out."""
        from mcqa.data import open_questions
        from mcqa.data.reader import write_rejected

        reader = open_questions(data, **self.settings())
        questions = reader.store()
        for remark in reader.account.remarks():
            say(f"{data}: {remark}")
        if self.skip_invalid and processes.is_main():
            write_rejected(folder, reader.account.rejected, announce=say)
        return questions, reader.account

    def record(self, data: str, questions: Sequence, account) -> tuple[dict, str]:
        """Return which questions `load` read, as `evaluation.json` keeps it and in words."""
        from mcqa.data import data_commit, data_fingerprint

        sha256, commit = data_fingerprint(data, self.split), data_commit(data, self.split)
        kept = {"source": data, "split": self.split, "n": len(questions), "sha256": sha256}
        said = [data, f"{len(questions):,} questions", *account.remarks(), f"sha256 {sha256[:16]}"]
        return kept | {"commit": commit}, ", ".join(said + [f"commit {commit}"] * bool(commit))


reading_options = gathering(
    Reading,
    click.option("--split", help="Split of a Hub data set or of 'bundled' (default: test)."),
    click.option("--limit", type=POSITIVE, help="Use only the first N questions."),
    click.option("--data-format", "format", default="auto", help="medmcqa, arc, mmlu, medqa, ..."),
    click.option("--label-base", type=click.IntRange(0, 1), help="What labels count from."),
    click.option(
        "--field",
        "fields",
        multiple=True,
        metavar="NAME=FIELD",
        help="Read FIELD as NAME; repeat it.",
    ),
    click.option(
        "--unlabelled",
        type=click.Choice(["error", "skip", "keep"]),
        default="keep",
        help="What to do with a row without exactly one right answer.",
    ),
    click.option("--skip-invalid", is_flag=True, help="Put bad rows into rejected.jsonl."),
)

data_options = options(
    click.option("--data", required=True, help="File, Hub data set, or 'bundled'."),
    reading_options,
)


@dataclass(frozen=True)
class Validation:
    """Say which questions temperatures and combinations are fitted on."""

    validation_data: str | None
    validation_split: str | None
    validation_limit: int | None

    def load(self, data: str, questions: Sequence, reading: Reading) -> tuple[list, str]:
        """Return validation questions, none by default, and in words where they are from.

        Their file is read as the questions' is; the bundled ones come from the validation split.
        """
        source = self.validation_data or (self.validation_split and data)
        if source is None:
            if self.validation_limit is not None:
                raise click.UsageError(
                    "--validation-limit needs --validation-data or --validation-split."
                )
            return [], ""
        from mcqa.evaluating.validation import load_validation

        chosen = self.validation_split, self.validation_limit
        how = reading.further(source, *chosen, bundled="validation")
        held_out = load_validation(source, questions, **how)
        split = f", {how['split']} split" if how["split"] else ""
        return held_out, f"{len(held_out):,} questions of {source}{split}"


validation_options = gathering(
    Validation,
    click.option(
        "--validation-data",
        help="Other questions, to fit temperatures and combinations on: "
        "file, Hub data set, or 'bundled'.",
    ),
    click.option(
        "--validation-split", help="Their split; without --validation-data, that of DATA."
    ),
    click.option("--validation-limit", type=POSITIVE, help="Use only the first N."),
)


@dataclass(frozen=True)
class Examples:
    """Say which worked examples come before a question."""

    shots: int | None
    shots_data: str | None
    shots_split: str | None
    seed: int

    def load(self, reading: Reading):
        """Return where worked examples are drawn from, or None without any.

        Their file is read as the questions' is; the bundled ones come from the training split.
        """
        if (self.shots is None) != (self.shots_data is None):
            raise click.UsageError("--shots and --shots-data go together.")
        if self.shots is None:
            return None
        from mcqa.data import load_questions
        from mcqa.prompting.prompts import Shots

        how = reading.further(self.shots_data, self.shots_split, bundled="train")
        return Shots(tuple(load_questions(self.shots_data, **how)), self.shots, self.seed)


examples_options = gathering(
    Examples,
    click.option("--shots", type=POSITIVE, help="Worked examples before a question."),
    click.option("--shots-data", help="File or data set to draw them from."),
    click.option("--shots-split", help="Its split (Hub, bundled)."),
    click.option("--seed", type=click.IntRange(0), default=0, help="Seed of every draw."),
)


@dataclass(frozen=True)
class Context:
    """Say what there is to read before a question."""

    context: str | None
    index: str | None
    corpus: str | None
    top_k: int | None

    def settings(self, models: Sequence[tuple[str, str | None]], reading: Reading) -> dict:
        """Return settings of `mcqa.load_scorer`, with an index where a model is to get passages.

        A corpus of questions is read as those that are scored.

        Args:
            models: names and scorers.
            reading: how the questions are read.
        """
        from mcqa.retrieval.index import open_passages
        from mcqa.scoring.loading import look_up

        given = (self.index, self.corpus) != (None, None)
        kinds = [look_up(*model).context(self.context, passages=given) for model in models]
        index = None
        if "retrieved" in kinds:
            how = reading.settings() | {"split": None, "limit": None, "unlabelled": "keep"}
            index = open_passages(self.index, self.corpus, say, **how)
        elif given or self.top_k is not None:
            raise click.UsageError("--index, --corpus and --top-k go with --context retrieved.")
        return {"context": self.context, "index": index, "top_k": self.top_k}


context_options = gathering(
    Context,
    click.option(
        "--context",
        type=click.Choice(["data", "none", "gold", "retrieved"]),
        help="What to read before a question. data: its own context; none; gold: the passage that "
        "comes with it, its context or else its explanation, which usually names the answer; "
        "retrieved: passages that BM25 finds. Default: as the run was trained, else data.",
    ),
    click.option("--index", metavar="DIR", help="retrieved: passages that `mcqa index` wrote."),
    click.option(
        "--corpus",
        metavar="FILE",
        help="retrieved: passages, or questions with explanations, instead of --index.",
    ),
    click.option(
        "--top-k", type=POSITIVE, help="retrieved: how many; default: as in training, else 3."
    ),
)

batch_size_option = click.option("--batch-size", type=POSITIVE, default=16)
device_option = click.option("--device", default="auto", help="auto, cpu, cuda, ...")


@dataclass(frozen=True)
class Scoring:
    """Say how models score; the fields are arguments of `mcqa.load_scorer`, but for three."""

    scorer: str | None
    template: str | None
    batch_size: int
    max_length: int | None
    quantization: str | None
    dtype: str | None
    device: str
    chat: bool
    system: str | None
    parser: str
    fallback: str
    examples: Examples
    context: Context

    def settings(self, models: Sequence[tuple[str, str | None]], reading: Reading) -> dict:
        """Return arguments of `mcqa.load_scorer` for models, given as names with scorers."""
        others = ("scorer", "batch_size", "examples", "context")
        own = {name: value for name, value in vars(self).items() if name not in others}
        shots = self.examples.load(reading)
        return own | {"shots": shots, **self.context.settings(models, reading)}


scoring_options = gathering(
    Scoring,
    context_options,
    click.option(
        "--scorer",
        help="text, text-mean, text-char, pmi, letter, constrained, generate; "
        "head for multiple-choice runs. Default: head, text after --objective options, text-mean.",
    ),
    click.option("--template", help="cloze, lettered or hybrid; default: the run's own."),
    batch_size_option,
    click.option("--max-length", type=POSITIVE, help="Most tokens of a prompt."),
    click.option(
        "--quantization",
        type=click.Choice(["nf4", "fp4", "int8", "none"]),
        help="Of the backbone; default: the run's own, else none.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["auto", "bfloat16", "float16", "float32"]),
        help="Compute type; default: the run's own, else auto.",
    ),
    device_option,
    examples_options,
    click.option("--chat", is_flag=True, help="Use the model's chat template."),
    click.option("--system", help="System message of the chat."),
    click.option(
        "--parser",
        type=click.Choice(["strict", "lenient"]),
        default="strict",
        help="How generate reads an answer.",
    ),
    click.option(
        "--fallback",
        type=click.Choice(["none", "text"]),
        default="none",
        help="What generate does with an answer it cannot read.",
    ),
)
