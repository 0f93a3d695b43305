"""Studies that cannot be run."""

from bad_inputs import Case, settings

STUDY = "study CONFIG --output OUT"

STUDIES = (
    Case(
        "several faults in a study's file",
        "CONFIG cannot be used: title: Input should be a valid string seeds: Value error, values "
        "repeat; name each once seed: Extra inputs are not permitted",
        STUDY,
        settings("title: 5\nseeds: [1, 1]\nseed: 3\n"),
    ),
    Case(
        "a formulation that does not exist",
        "CONFIG cannot be used: formulations.head.formulation: Input should be 'generative' or "
        "'multiple_choice'",
        STUDY,
        settings("formulations: {head: {formulation: classifier}}\n"),
    ),
    Case(
        "a data set without test questions",
        "CONFIG cannot be used: data.x: Value error, the training questions would be the test; "
        "name `test`, a source",
        STUDY,
        settings("data: {x: {data: train.jsonl}}\n"),
    ),
    Case(
        "a setting that does not exist in a study",
        "cell bundled-smollm2-135m-generative-all-seed0: lora_rank Extra inputs are not permitted",
        STUDY,
        settings("settings: {lora_rank: 8}\n"),
    ),
    Case(
        "a setting that the study itself decides",
        "cell bundled-smollm2-135m-generative-all-seed0: seed, output: set by the study's own "
        "fields",
        STUDY,
        settings("settings: {seed: 8, output: there}\n"),
    ),
    Case(
        "a study's file that is no list of fields",
        "CONFIG: a study is a list of `field: value` lines.",
        STUDY,
        settings("- seeds\n"),
    ),
    Case(
        "seeds that are no numbers",
        "Invalid value for '--seeds': 'x' is not a whole number from 0 on.",
        STUDY + " --seeds 1,x",
        settings("seeds: [0, 1, 2]\n"),
    ),
)
