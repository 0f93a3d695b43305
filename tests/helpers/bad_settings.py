"""Flags and settings that cannot be used."""

from bad_inputs import EVALUATE, MEMORY, SCORE, TRAIN, TRAIN_HEAD, Case, Place, row, settings

DISTILL = "distill MODEL --data FILE --output OUT/t.jsonl"
CONFIG = TRAIN + " --config CONFIG"
NO_PASSAGES = (
    "context retrieved needs passages: give either --index, a folder that `mcqa index` wrote, or "
    "--corpus."
)
CHOICE = "Invalid value for '--{}': '{}' is not one of {}."


def no_tracker(place: Place) -> None:
    from mcqa.training.trackers import AVAILABLE

    place.patch.setitem(AVAILABLE, "wandb", lambda: False)


def many_options(place: Place) -> None:
    row(options=[f"option {n}" for n in range(7)])(place)


FLAGS = (
    Case(
        "no such scorer",
        "scorer 'letters' does not exist; for 'MODEL' there are: text, text-mean, text-char, pmi, "
        "letter, constrained, generate.",
        SCORE + " --scorer letters",
    ),
    Case(
        "a scorer of the other formulation",
        "scorer 'head' does not go with 'MODEL', which is generative: use text, text-mean, "
        "text-char, pmi, letter, constrained, generate.",
        SCORE + " --scorer head",
    ),
    Case(
        "no such template",
        "template 'plain' does not exist; there are: cloze, lettered, hybrid.",
        SCORE + " --template plain",
    ),
    Case(
        "letters without a template that shows them",
        "scorer 'letter' needs a template that lists the options with letters; 'cloze' does not. "
        "Use --template lettered.",
        SCORE + " --scorer letter --template cloze",
    ),
    Case(
        "more options than letters",
        "question 'q2': scorer 'letter' takes up to 26 options, and it has 27; use 'text' or "
        "'text-mean', which take any number.",
        SCORE + " --scorer letter",
        row(options=[f"{n}" for n in range(27)], label=None),
    ),
    Case(
        "batch size 0",
        "Invalid value for '--batch-size': 0 is not in the range x>=1.",
        SCORE + " --batch-size 0",
    ),
    Case(
        "no such quantization",
        CHOICE.format("quantization", "int4", "'nf4', 'fp4', 'int8', 'none'"),
        SCORE + " --quantization int4",
    ),
    Case(
        "no such dtype",
        CHOICE.format("dtype", "half", "'auto', 'bfloat16', 'float16', 'float32'"),
        SCORE + " --dtype half",
    ),
    Case(
        "a device that does not exist",
        "device 'cuda:99' cannot be used here: …. Use auto, cpu, or cuda where there is a GPU.",
        SCORE + " --device cuda:99",
    ),
    Case(
        "a revision of what is not on the Hub",
        "--revision v2: none of MODEL is on the Hub without a revision of its own. Leave "
        "--revision out.",
        SCORE + " --revision v2",
    ),
    Case(
        "a device without memory",
        "device 'meta' cannot be used here: …. Use auto, cpu, or cuda where there is a GPU.",
        SCORE + " --device meta",
    ),
    Case(
        "more tokens than the model takes",
        "max_length 300: the model's positions reach 256 tokens only.",
        SCORE + " --max-length 300",
    ),
    Case(
        "more tokens than the model takes before it writes",
        "max_length 200: the model's positions reach 192 tokens only besides the 64 that scorer "
        "'generate' writes.",
        SCORE + " --scorer generate --max-length 200",
    ),
    Case(
        "a seed below 0",
        "Invalid value for '--seed': -1 is not in the range x>=0.",
        EVALUATE + " --seed -1",
    ),
    Case(
        "shots without their data",
        "--shots and --shots-data go together.",
        SCORE + " --shots 2",
    ),
    Case(
        "more shots than questions",
        "shots: 50 examples from 36 labelled questions; there must be at least one example and "
        "more questions than examples.",
        SCORE + " --shots 50 --shots-data FILE",
    ),
    Case(
        "a chat with a model that has none",
        "chat: this model's tokenizer has no chat template; leave chat out.",
        SCORE + " --chat",
    ),
    Case(
        "a system message without a chat",
        "system: a system message needs a chat; add --chat.",
        SCORE + " --system Hello",
    ),
    Case(
        "a parser for a scorer that reads nothing",
        "parser and fallback are settings of 'generate', not of 'text'.",
        SCORE + " --scorer text --parser lenient",
    ),
    Case(
        "no such orders",
        "permutations is 'some'; use cyclic, all, or a number from 2 on.",
        EVALUATE + " --permutations some",
    ),
    Case(
        "all orders of too many options",
        "question 'q2': 7 options have 5,040 orders; …",
        EVALUATE + " --permutations all",
        many_options,
    ),
    Case(
        "orders to average that do not exist",
        "orders is '1'; use cyclic, all, or a number from 2 on.",
        SCORE + " --orders 1 --average",
    ),
    Case(
        "orders without an average",
        "--orders and --average go together; `mcqa evaluate` looks at each order by itself with "
        "--permutations.",
        SCORE + " --orders cyclic",
    ),
    Case(
        "an average of what has no scores",
        "orders: scorer 'generate' writes an answer and gives no scores to average.",
        SCORE + " --scorer generate --orders cyclic --average",
    ),
    Case(
        "a teacher without probabilities",
        "scorer 'generate' writes an answer and gives no probabilities to learn from.",
        DISTILL + " --scorer generate",
    ),
    Case(
        "questions to write over those that are read",
        "output FILE: these are the questions to read; name another file.",
        DISTILL.replace("OUT/t.jsonl", "FILE --overwrite"),
    ),
    Case(
        "clusters by a subject that no question has",
        "cluster_by subject: no question of FILE has a subject. Leave it out, or give the "
        "questions a field `subject`.",
        EVALUATE + " --cluster-by subject",
    ),
    Case(
        "a validation limit without validation questions",
        "--validation-limit needs --validation-data or --validation-split.",
        EVALUATE + " --validation-limit 5",
    ),
    Case(
        "no such data format",
        "format is 'squad'; it must be auto, medmcqa, arc, mmlu, mmlu_pro, frenchmedmcqa, medqa, "
        "swag, hellaswag, race, sciq, pubmedqa, boolq, systemone, generic, commonsenseqa, "
        "openbookqa.",
        SCORE + " --data-format squad",
    ),
    Case(
        "a field without a name",
        "field 'prompt': expected NAME=FIELD, like stem=prompt.",
        SCORE + " --field prompt",
    ),
    Case(
        "a field that no row has",
        "FILE, line 1: the field 'prompt', which --field names, is missing.",
        SCORE + " --field stem=prompt",
    ),
    Case(
        "retrieved context without passages",
        NO_PASSAGES,
        SCORE + " --context retrieved",
    ),
    Case(
        "an index and a corpus at once",
        NO_PASSAGES,
        EVALUATE + " --context retrieved --index OUT --corpus FILE",
    ),
    Case(
        "an index for another context than retrieved",
        "--index, --corpus and --top-k go with --context retrieved.",
        EVALUATE + " --context gold --index OUT",
    ),
    Case(
        "top-k 0",
        "Invalid value for '--top-k': 0 is not in the range x>=1.",
        SCORE + " --context retrieved --corpus FILE --top-k 0",
    ),
    Case(
        "no such context",
        CHOICE.format("context", "golden", "'data', 'none', 'gold', 'retrieved'"),
        SCORE + " --context golden",
    ),
    Case("no such flag", "No such option…--nonsense…", SCORE + " --nonsense"),
    Case(
        "no such command",
        "No such command 'scores'.",
        "scores",
    ),
)

TRAINING = (
    Case(
        "a setting that does not exist",
        "CONFIG cannot be used: lora_rank: no such setting; there are: …",
        CONFIG,
        settings("lora_rank: 8\n"),
    ),
    Case(
        "several faults at once",
        "CONFIG cannot be used: quantization = 'int4': Input should be 'nf4', 'fp4', 'int8' or "
        "'none' warmup_steps = -1: Input should be greater than or equal to 0",
        CONFIG.replace(" --quantization none", ""),
        settings("quantization: int4\nwarmup_steps: -1\n"),
    ),
    Case(
        "a file that is no YAML",
        "CONFIG: cannot be read as YAML (…).",
        CONFIG,
        settings("model: [a, b\n"),
    ),
    Case(
        "YAML that would run code",
        "CONFIG: cannot be read as YAML (could not determine a constructor for the tag …).",
        CONFIG,
        settings("model: !!python/object/apply:os.getcwd []\n"),
    ),
    Case(
        "YAML that is no list of settings",
        "CONFIG: a configuration is a list of `setting: value` lines.",
        CONFIG,
        settings("- model\n"),
    ),
    Case(
        "no such configuration",
        "CONFIG: cannot be read as YAML ([Errno 2] No such file or directory: 'CONFIG').",
        CONFIG,
    ),
    Case(
        "a negative learning rate",
        "settings cannot be used: learning_rate = '-1': Input should be greater than 0",
        TRAIN + " --learning-rate -1",
    ),
    Case(
        "epochs without an end",
        "settings cannot be used: epochs = 'inf': Input should be a finite number",
        TRAIN + " --epochs inf",
    ),
    Case(
        "a seed that is too large",
        "settings cannot be used: seed = '5000000000': Input should be less than 4294967296",
        TRAIN + " --seed 5000000000",
    ),
    Case(
        "--resume with --overwrite",
        "settings cannot be used: resume and overwrite exclude each other; pass one of them",
        TRAIN + " --resume --overwrite",
    ),
    Case(
        "a tracker that is not installed",
        "report_to: wandb not installed. Run `pip install wandb`, or leave it out.",
        TRAIN + " --report-to wandb",
        no_tracker,
    ),
    Case(
        "a flag of the head, without one",
        "No such option…--pooling…",
        TRAIN + " --pooling mean",
    ),
    Case(
        "a setting of the head, without one",
        "pooling: only the multiple-choice formulation has a head; leave it out, or use `mcqa "
        "train multiple-choice`.",
        CONFIG,
        settings("pooling: mean\n"),
    ),
    Case(
        "an objective of the other formulation",
        "objective 'completion' does not go with multiple_choice: use options.",
        TRAIN_HEAD + " --objective completion",
    ),
    Case(
        "a weight of a kind that is none",
        "settings cannot be used: kind_weights 'some=2': expected KIND=WEIGHT, each kind once, "
        "like several=0.5; the kinds are choice, yes_no, scale, several, and a weight is above 0.",
        TRAIN + " --kind-weights some=2",
    ),
    Case(
        "shuffled options that no prompt shows",
        "settings cannot be used: shuffle_options: template cloze does not show the options' "
        "order, so that another one changes nothing; use lettered or hybrid",
        TRAIN + " --shuffle-options",
    ),
    Case(
        "no such recipe",
        "settings cannot be used: recipe = 'magic': Input should be …'lora'…",
        TRAIN + " --recipe magic",
    ),
    Case(
        "a recipe on a quantization that it does not work on",
        "settings cannot be used: recipe full does not work on quantization nf4; use none",
        MEMORY + " --recipe full --quantization nf4",
    ),
    Case(
        "a memory question about a recipe that does not exist",
        "settings cannot be used: recipe = 'magic': Input should be …'lora'…",
        MEMORY + " --recipe magic",
    ),
    Case(
        "a length without room for the options",
        "length 20: has no room for 4 options of 8 tokens behind a question; make it longer, or "
        "--options or --option-length smaller.",
        MEMORY + " --formulation multiple-choice --length 20",
    ),
    Case(
        "a length beyond what the model takes",
        "length 300: the model's positions reach 256 tokens only.",
        MEMORY + " --length 300",
    ),
    Case(
        "layers that the model lacks",
        "target modules nonsense: …",
        TRAIN + " --target-modules nonsense",
    ),
    Case(
        "words to start from that are several tokens",
        "head_words: 'wonderful' is … tokens of this tokenizer; name a word that is one, with "
        "the space before it where it has one.",
        TRAIN_HEAD + " --head-init words --head-words wonderful --head-words bad",
    ),
    *(
        Case(
            wrong,
            f"settings cannot be used: data 'FILE={weight}': expected SOURCE or SOURCE=WEIGHT with "
            "a weight above 0 and at most 100, like train.jsonl=2 or train.jsonl=0.5, or the path "
            "of a file",
            TRAIN.replace("FILE", f"FILE={weight}"),
        )
        for wrong, weight in (
            ("a weight of 0", "0"),
            ("a negative weight", "-1"),
            ("a weight that is no number", "nan"),
            ("a weight that is a text", "twice"),
        )
    ),
    Case(
        "a weight that leaves nothing of a set",
        "data FILE=0.01: nothing is left of its 36 questions. Give it a larger weight, or leave it "
        "out.",
        TRAIN.replace("FILE", "FILE=0.01"),
    ),
    Case(
        "one set of training questions twice",
        "settings cannot be used: data: 'FILE' is named more than once; name it once, with a "
        "weight: FILE=2",
        TRAIN + " --train-data FILE",
    ),
    Case(
        "a validation split of several sets",
        "settings cannot be used: validation_split needs validation_data beside several sets of "
        "data",
        TRAIN + " --train-data bundled --validation-split validation",
    ),
    Case(
        "retrieved context without passages",
        "settings cannot be used: context retrieved needs either index or corpus",
        TRAIN + " --context retrieved",
    ),
    Case(
        "passages that nothing retrieves",
        "settings cannot be used: index, corpus and top_k are for context retrieved",
        TRAIN + " --corpus FILE",
    ),
    Case(
        "a best step by accuracy, without validation questions",
        "settings cannot be used: best_metric needs validation_data or validation_split",
        TRAIN + " --best-metric accuracy",
    ),
)
