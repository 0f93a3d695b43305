"""What commands read questions and score models with: their options, as one object a group.

A field of a group is an option of the command line. Inward travels what the groups' methods return:
questions, and settings.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

import click

from mcqa.cli.common import say
from mcqa.system import processes

POSITIVE = click.IntRange(1)


def options(*decorators):
    """Combine click options into one decorator, in the order given."""
    return lambda function: functools.reduce(lambda f, d: d(f), reversed(decorators), function)


def option(text: str | None = None, kind=None, *, flag: str | None = None, **settings):
    """Return a dataclass's field that is an option: its help, and its type or list of choices.

    The flag is made of the field's name where none is given.
    """
    kind = click.Choice(kind) if isinstance(kind, list) else kind
    return field(metadata={"flag": flag, "settings": {"help": text, "type": kind, **settings}})


def options_of(group, *names: str):
    """Return a decorator for the options of a group, or for those of its fields with these names.

    A field without an option is a group of its own.
    """
    chosen = [each for each in fields(group) if not names or each.name in names]
    return options(
        *(_option_of(each) if each.metadata else gathering(each.type) for each in chosen)
    )


def _option_of(each):
    flag = each.metadata["flag"] or "--" + each.name.replace("_", "-")
    return click.option(flag, each.name, **each.metadata["settings"])


def gathering(group):
    """Return a decorator for a group's options that hands the command one object for them.

    The command's argument has the name of the group in lower case.
    """

    def decorate(function):
        @functools.wraps(function)
        def gathered(**values):
            own = {each.name: values.pop(each.name) for each in fields(group)}
            return function(**values, **{group.__name__.lower(): group(**own)})

        return options_of(group)(gathered)

    return decorate


@dataclass(frozen=True)
class Reading:
    """Say how rows are read; the fields are arguments of `mcqa.data.open_questions`."""

    split: str | None = option("Split of a Hub data set or of 'bundled' (default: test).")
    limit: int | None = option("Use only the first N questions.", POSITIVE)
    format: str = option("medmcqa, arc, mmlu, medqa, ...", flag="--data-format", default="auto")
    label_base: int | None = option("What labels count from.", click.IntRange(0, 1))
    fields: tuple[str, ...] = option(
        "Read FIELD as NAME; repeat it.", flag="--field", multiple=True, metavar="NAME=FIELD"
    )
    unlabelled: str = option(
        "What to do with a row without exactly one right answer.",
        ["error", "skip", "keep"],
        default="keep",
    )
    skip_invalid: bool = option("Put bad rows into rejected.jsonl.", is_flag=True)

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
        from mcqa.data import is_bundled

        if is_bundled(source):
            return {"split": split or bundled, "limit": limit}
        return self.settings() | {"split": split, "limit": limit}

    def load(self, data: str | Sequence[str], folder) -> tuple:
        """Return questions and the account of the other rows; print and write what was left out."""
        from mcqa.data import open_questions, source_name
        from mcqa.data.reader import write_rejected

        reader = open_questions(data, **self.settings())
        questions = reader.store()
        for remark in reader.account.remarks():
            say(f"{source_name(data)}: {remark}")
        if self.skip_invalid and processes.is_main():
            write_rejected(folder, reader.account.rejected, announce=say)
        return questions, reader.account

    def record(self, data: str | Sequence[str], questions: Sequence, account) -> tuple[dict, str]:
        """Return which questions `load` read, as `evaluation.json` keeps it and in words."""
        from mcqa.data import data_commit, data_fingerprint, source_name

        sha256, commit = data_fingerprint(data, self.split), data_commit(data, self.split)
        name = source_name(data)
        kept = {"source": name, "split": self.split, "n": len(questions), "sha256": sha256}
        said = [name, f"{len(questions):,} questions", *account.remarks(), f"sha256 {sha256[:16]}"]
        return kept | {"commit": commit}, ", ".join(said + [f"commit {commit}"] * bool(commit))


@dataclass(frozen=True)
class Validation:
    """Say which questions temperatures and combinations are fitted on."""

    validation_data: str | None = option(
        "Other questions, to fit temperatures and combinations on: "
        "file, Hub data set, or 'bundled'."
    )
    validation_split: str | None = option("Their split; without --validation-data, that of DATA.")
    validation_limit: int | None = option("Use only the first N.", POSITIVE)

    def load(
        self, data: str | Sequence[str], questions: Sequence, reading: Reading
    ) -> tuple[list, str]:
        """Return validation questions, none by default, and in words where they are from."""
        source = self.validation_data or (self.validation_split and data)
        if source is None:
            if self.validation_limit is not None:
                raise click.UsageError(
                    "--validation-limit needs --validation-data or --validation-split."
                )
            return [], ""
        from mcqa.data import source_name
        from mcqa.evaluating.validation import load_validation

        chosen = self.validation_split, self.validation_limit
        how = reading.further(source, *chosen, bundled="validation")
        held_out = load_validation(source, questions, **how)
        split = f", {how['split']} split" if how["split"] else ""
        return held_out, f"{len(held_out):,} questions of {source_name(source)}{split}"


@dataclass(frozen=True)
class Examples:
    """Say which worked examples come before a question."""

    shots: int | None = option("Worked examples before a question.", POSITIVE)
    shots_data: str | None = option("File or data set to draw them from.")
    shots_split: str | None = option("Its split (Hub, bundled).")
    seed: int = option("Seed of every draw.", click.IntRange(0), default=0)

    def load(self, reading: Reading):
        """Return where worked examples are drawn from, or None without any."""
        if (self.shots is None) != (self.shots_data is None):
            raise click.UsageError("--shots and --shots-data go together.")
        if self.shots is None:
            return None
        from mcqa.data import load_questions
        from mcqa.prompting.prompts import Shots

        how = reading.further(self.shots_data, self.shots_split, bundled="train")
        return Shots(tuple(load_questions(self.shots_data, **how)), self.shots, self.seed)


@dataclass(frozen=True)
class Context:
    """Say what there is to read before a question."""

    context: str | None = option(
        "What to read before a question. data: its own context; none; gold: the passage that "
        "comes with it, its context or else its explanation, which usually names the answer; "
        "retrieved: passages that BM25 finds. Default: as the run was trained, else data.",
        ["data", "none", "gold", "retrieved"],
    )
    index: str | None = option("retrieved: passages that `mcqa index` wrote.", metavar="DIR")
    corpus: str | None = option(
        "retrieved: passages, or questions with explanations, instead of --index.", metavar="FILE"
    )
    top_k: int | None = option("retrieved: how many; default: as in training, else 3.", POSITIVE)

    def settings(self, models: Sequence[tuple[str, str | None]], reading: Reading) -> dict:
        """Return settings of `mcqa.load_scorer`, with an index where a model is to get passages.

        A corpus of questions is read as those that are scored.
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


@dataclass(frozen=True)
class Scoring:
    """Say how models score; the fields are arguments of `mcqa.load_scorer`, but for a few."""

    context: Context
    scorer: str | None = option(
        "text, text-mean, text-char, pmi, letter, constrained, generate; "
        "head for multiple-choice runs. Default: head, text after --objective options, text-mean."
    )
    template: str | None = option("cloze, lettered or hybrid; default: the run's own.")
    batch_size: int = option(None, POSITIVE, default=16)
    max_length: int | None = option("Most tokens of a prompt.", POSITIVE)
    quantization: str | None = option(
        "Of the backbone; default: the run's own, else none.", ["nf4", "fp4", "int8", "none"]
    )
    dtype: str | None = option(
        "Compute type; default: the run's own, else auto.",
        ["auto", "bfloat16", "float16", "float32"],
    )
    device: str = option("auto, cpu, cuda, ...", default="auto")
    examples: Examples
    chat: bool = option("Use the model's chat template.", is_flag=True)
    system: str | None = option("System message of the chat.")
    parser: str = option("How generate reads an answer.", ["strict", "lenient"], default="strict")
    fallback: str = option(
        "What generate does with an answer it cannot read.", ["none", "text"], default="none"
    )
    orders: str | None = option(
        "With --average: score each question in these orders of its options, every rotation, every "
        "order (up to 6 options), or K drawn with --seed.",
        metavar="cyclic|all|K",
    )
    average: bool = option("Give each option its mean score over --orders.", is_flag=True)

    def announce_orders(self, questions: Sequence) -> None:
        """Say what scoring in several orders takes; an error where there are no such orders."""
        if self.average != (self.orders is not None):
            raise click.UsageError(
                "--orders and --average go together; `mcqa evaluate` looks at each order by itself "
                "with --permutations."
            )
        if self.average:
            from mcqa.scoring.orders import Plan

            plan = Plan.of(self.orders, questions, self.examples.seed, setting="orders")
            say(f"Scores are means over {self.orders} orders: {plan}")

    def settings(self, models: Sequence[tuple[str, str | None]], reading: Reading) -> dict:
        """Return arguments of `mcqa.load_scorer` for models, given as names with scorers."""
        others = ("scorer", "batch_size", "examples", "context", "orders", "average")
        own = {name: value for name, value in vars(self).items() if name not in others}
        shots = self.examples.load(reading)
        averaged = {"orders": self.orders, "seed": self.examples.seed} if self.average else {}
        return own | averaged | {"shots": shots, **self.context.settings(models, reading)}


reading_options, validation_options = gathering(Reading), gathering(Validation)
scoring_options = gathering(Scoring)


def one_or_several(context, parameter, values: Sequence[str]):
    """Return the one value of a repeated option, None for none, and several as they are."""
    return values if len(values) > 1 else next(iter(values), None)


DATA = (
    "File, folder, pattern like 'test/*.csv', Hub data set, or 'bundled' (also bundled-several, "
    "bundled-scale)"
)
data_option = click.option(
    "--data",
    required=True,
    multiple=True,
    callback=one_or_several,
    help=f"{DATA}; repeat it to read several as one.",
)
data_options = options(data_option, reading_options)
