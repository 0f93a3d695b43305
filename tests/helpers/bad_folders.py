"""Models, runs and output folders that cannot be used."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from bad_inputs import (
    EVALUATE,
    MEMORY,
    SCORE,
    TRAIN,
    TRAIN_HEAD,
    Case,
    Place,
    cut,
    edited,
    replaced,
    row,
    spoiled,
)
from encoders import save
from safetensors.torch import load_file, save_file

WEIGHTS, ADAPTER, RECORD = "model.safetensors", "adapter_model.safetensors", "run.json"
RESTORE = "Restore the folder, or name another model."
AGAIN = "Restore the run folder, or train again."
CANNOT = "model 'MODEL' cannot be loaded:"
ANY = (
    "A model is 'smollm2-135m', a folder with a model, a run folder, a .gguf file, or a Hub "
    "id like 'unsloth/Llama-3.2-1B'."
)
RUN = SCORE.replace("MODEL", "RUN")
FOREIGN = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}


class Harmful:
    """Leave a mark where a pickle of it is opened."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def pickled(weights: str, name: str):
    """Return what replaces weights by a pickle that leaves a mark when it is opened."""

    def replace(folder: Path) -> None:
        (folder / weights).unlink()
        torch.save({"weight": Harmful(folder / "opened")}, folder / name)

    return replace


def tensors(change, name: str = WEIGHTS):
    """Return what changes the tensors of a file."""

    def rewrite(folder: Path) -> None:
        found = load_file(folder / name)
        change(found)
        save_file(found, folder / name, metadata={"format": "pt"})

    return rewrite


def halve_one(found) -> None:
    key = "model.layers.0.mlp.up_proj.weight"
    found[key] = found[key][:64].clone()


def drop_head(found) -> None:
    for name in [name for name in found if name.startswith("option_head.")]:
        del found[name]


def foreign_code(folder: Path) -> None:
    edited("config.json", **FOREIGN)(folder)
    (folder / "own.py").write_text(f"open({str(folder / 'opened')!r}, 'w')")


def an_encoder(place: Place) -> None:
    place.model = save("bert", place.folder / "model")


def a_decoder_that_looks_ahead(place: Place) -> None:
    from transformers import RoFormerConfig, RoFormerForCausalLM

    place.model = save("bert", place.folder / "model")  # for its tokenizer
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = RoFormerConfig(vocab_size=384, intermediate_size=48, **sizes)
    RoFormerForCausalLM(config).save_pretrained(place.model)


def no_model(place: Place) -> None:
    place.model = place.folder / "absent"


def an_empty_model(place: Place) -> None:
    place.model = place.folder / "model"
    place.model.mkdir()


def a_head_without_its_tensor(place: Place) -> None:
    """A multiple-choice model, as `mcqa merge` writes it, whose head got lost."""
    from mcqa.export.merge import merge_run

    place.model = place.folder / "model"
    merge_run(place.runs["multiple-choice"], place.model, device="cpu")
    tensors(drop_head)(place.model)


MODELS = (
    Case(
        "a model without a configuration, asked for its memory",
        "MODEL: a folder with neither run.json (a finished run) nor config.json (a model).",
        MEMORY,
        spoiled("model", lambda folder: (folder / "config.json").unlink()),
    ),
    Case(
        "weights quantized by another library, asked for their memory",
        "model 'MODEL' comes quantized by gptq, whose sizes are not known here; name the model "
        "before quantization.",
        MEMORY,
        spoiled("model", edited("config.json", quantization_config={"quant_method": "gptq"})),
    ),
    Case("no such folder", f"model 'MODEL': no such folder. {ANY}", make=no_model),
    Case(
        "a second model that does not exist",
        f"model './absent': no such folder. {ANY}",
        EVALUATE + " --model ./absent",
    ),
    Case(
        "a scorer that a second model lacks",
        "scorer 'head' does not go with 'MODEL', which is generative: use text, text-mean, "
        "text-char, pmi, letter, constrained, generate.",
        EVALUATE + " --model MODEL:head",
    ),
    Case(
        "a folder without a model",
        "MODEL: a folder with neither run.json (a finished run) nor config.json (a model).",
        make=an_empty_model,
    ),
    Case(
        "a broken config.json",
        f"{CANNOT} It looks like the config file at 'MODEL/config.json' is not a valid JSON file. "
        f"{RESTORE}",
        make=spoiled("model", replaced("config.json", "{")),
    ),
    Case(
        "a config.json of no known type",
        f"{CANNOT} Unrecognized model in MODEL. … {RESTORE}",
        make=spoiled("model", replaced("config.json", "{}")),
    ),
    Case(
        "a model with Python code of its own",
        f"{CANNOT} it needs Python code of its own, which is never run; only the architectures of "
        f"transformers are. {RESTORE}",
        make=spoiled("model", foreign_code),
    ),
    Case(
        "a pickle (pytorch_model.bin)",
        f"{CANNOT} it has no model.safetensors, and nothing else is read: a pickle like "
        "pytorch_model.bin can run any code. Where you trust it, load it with transformers and "
        f"save it with save_pretrained, which writes safetensors. {RESTORE}",
        make=spoiled("model", pickled(WEIGHTS, "pytorch_model.bin")),
    ),
    Case(
        "weights cut short",
        f"{CANNOT} … {RESTORE}",
        make=spoiled("model", cut(WEIGHTS)),
    ),
    Case(
        "weights that lack a tensor",
        "model 'MODEL': its weights lack model.norm.weight, and would be random there. Restore "
        "the folder, or name a model of this architecture with all its weights.",
        make=spoiled("model", tensors(lambda found: found.pop("model.norm.weight"))),
    ),
    Case(
        "weights without their head",
        "model 'MODEL': its weights lack option_head.weight, and would be random there. Restore "
        "the folder, or name a model of this architecture with all its weights.",
        make=a_head_without_its_tensor,
    ),
    Case(
        "weights of another size",
        f"{CANNOT} its weights are of other sizes than its config.json says. {RESTORE}",
        make=spoiled("model", tensors(halve_one)),
    ),
    Case(
        "weights that are not numbers",
        "question 'q…': its scores (nan, nan, …) are not all finite numbers (computed in "
        "float32). Score with --dtype float32; if they stay so, the model's weights are damaged.",
        SCORE + " --dtype float32",
        spoiled("model", tensors(lambda found: found["model.norm.weight"].fill_(float("nan")))),
    ),
    Case(
        "no tokenizer",
        f"{CANNOT} it has no tokenizer.json or other tokenizer file. {RESTORE}",
        make=spoiled("model", lambda folder: [p.unlink() for p in folder.glob("token*")]),
    ),
    Case(
        "a broken tokenizer",
        f"{CANNOT} … {RESTORE}",
        make=spoiled("model", cut("tokenizer.json")),
    ),
    Case(
        "an encoder asked to generate",
        "model 'MODEL' is an encoder (bert): it cannot continue a text. Tune it with `mcqa train "
        "multiple-choice`, then score the run.",
        make=an_encoder,
    ),
    Case(
        "a decoder that looks ahead",
        "model 'MODEL' is a RoFormerForCausalLM (roformer): it looks ahead at the tokens that are "
        "to be predicted, so that its scores would be wrong. Name a model of another architecture.",
        make=a_decoder_that_looks_ahead,
    ),
    Case(
        "a head of decoders for an encoder",
        "pooling: only for the head of decoders; an encoder (bert) has the head of its own class. "
        "Leave it out.",
        TRAIN_HEAD + " --pooling mean",
        an_encoder,
    ),
    Case(
        "a Hub id that cannot be reached",
        "model 'owner/absent' cannot be loaded: … A model is 'smollm2-135m', a folder with a "
        "model, a run folder, a .gguf file, or a Hub id (which needs a network, once).",
        SCORE.replace("MODEL", "owner/absent"),
    ),
)


def swapped(place: Place) -> None:
    """A run whose adapter has one tensor doubled, which no reader notices."""
    spoiled("run", tensors(lambda found: next(iter(found.values())).mul_(2), ADAPTER))(place)


def base_gone(folder: Path) -> None:
    edited(RECORD, base_model=str(folder.parent / "base"))(folder)


def finished(place: Place) -> None:
    shutil.copytree(place.run, place.out)


def unfinished(place: Place) -> None:
    shutil.copytree(place.run, place.out)
    (place.out / RECORD).unlink()


def begun_by_an_earlier_version(place: Place) -> None:
    """Its checkpoints are of transformers' Trainer."""
    unfinished(place)
    for checkpoint in (place.out / "checkpoints").iterdir():
        (checkpoint / "progress.json").rename(checkpoint / "trainer_state.json")


def out_is_a_file(place: Place) -> None:
    place.out.write_text("precious")


def out_is_read_only(place: Place) -> None:
    place.patch.setattr("os.access", lambda path, mode: False)


def out_is_full(place: Place) -> None:
    place.out.mkdir()
    (place.out / "thesis.txt").write_text("precious")


def evaluated(place: Place, model: Path) -> None:
    from mcqa.cli import main

    with pytest.raises(SystemExit):
        main(
            EVALUATE.replace("MODEL", str(model))
            .replace("FILE", str(place.file))
            .replace("OUT", str(place.out))
            .split()
        )


def evaluated_base(place: Place) -> None:
    """The base was evaluated, and not the run."""
    evaluated(place, place.model)


def evaluated_before(place: Place) -> None:
    """The run was evaluated by a version that did not keep what decided the answers."""
    evaluated(place, place.run)
    path = place.out / "evaluation.json"
    record = json.loads(path.read_text())
    del record["data"], record["runs"][0]["work"]
    path.write_text(json.dumps(record))


def out_is_in_use(place: Place) -> None:
    """Another process writes there, and was killed as it did elsewhere."""
    from mcqa.system.locks import locked

    place.out.mkdir()
    place.held = [locked(place.out), locked(place.out / "p.partial.jsonl")]
    for held in place.held:
        held.__enter__()


def linked(name: str):
    """Make an output folder in which a name is a link to a folder of somebody's."""

    def make(place: Place) -> None:
        precious = place.folder / "precious" / "checkpoint-1"
        precious.mkdir(parents=True)
        (precious.parent / "mine.svg").write_text("precious")
        (precious / "thesis.txt").write_text("precious")
        place.out.mkdir()
        (place.out / name).symlink_to(precious.parent)

    return make


def a_linked_model_folder(place: Place) -> None:
    spoiled("model", lambda folder: None)(place)
    linked("model-letter")(place)


def a_linked_tokenizer(folder: Path) -> None:
    """The chat template is a link to what is private."""
    (folder.parent / "private").write_text("secret")
    (folder / "chat_template.jinja").symlink_to(folder.parent / "private")


def without_a_token(place: Place) -> None:
    place.patch.setattr("huggingface_hub.get_token", lambda: None)


def out_is_a_folder(place: Place) -> None:
    (place.out / "p.jsonl").mkdir(parents=True)


PUSH = "push RUN jo/head --dry-run --output OUT --base jo/base"
RETENTION = "retention RUN --data FILE --output OUT --device cpu"
MERGE = "merge RUN --output OUT --device cpu"
IN_USE = (
    "OUT is in use by another process, which must end first. Wait for it, or choose another "
    "--output."
)
LEADS_OUT = (
    "leads out of OUT by a link, and links out of a folder are not followed. Put what it leads to "
    "in its place, or take the link away."
)

RUNS = (
    Case(
        "a broken run.json",
        f"RUN/run.json: cannot be read (…). {AGAIN}",
        RUN,
        spoiled("run", cut(RECORD)),
    ),
    Case(
        "a run.json without a field",
        f"RUN/run.json: not a run of mcqa, it lacks template, dtype. {AGAIN}",
        RUN,
        spoiled("run", edited(RECORD, template=None, dtype=None)),
    ),
    Case(
        "a run.json with a field of another kind",
        f"RUN/run.json: max_length is 'many', not a whole number. {AGAIN}",
        RUN,
        spoiled("run", edited(RECORD, max_length="many")),
    ),
    Case(
        "a run.json of another formulation",
        f"RUN/run.json: formulation is 'ranking', not one of generative, multiple_choice. {AGAIN}",
        RUN,
        spoiled("run", edited(RECORD, formulation="ranking")),
    ),
    Case(
        "a run.json with a value that is not allowed",
        f"RUN/run.json: quantization is 'int4', not one of nf4, fp4, int8, none. {AGAIN}",
        RUN,
        spoiled("run", edited(RECORD, quantization="int4")),
    ),
    Case(
        "no adapter",
        f"RUN: adapter_model.safetensors is missing. {AGAIN}",
        RUN,
        spoiled("run", lambda folder: (folder / ADAPTER).unlink()),
    ),
    Case(
        "an adapter that is a pickle",
        "RUN: adapter_model.safetensors is missing. adapter_model.bin is a pickle, which can run "
        f"any code, and is not read. {AGAIN}",
        RUN,
        spoiled("run", pickled(ADAPTER, "adapter_model.bin")),
    ),
    Case(
        "an adapter cut short",
        f"RUN: the adapter is damaged and cannot be loaded: …. {AGAIN}",
        RUN,
        spoiled("run", cut(ADAPTER)),
    ),
    Case(
        "a broken adapter_config.json",
        f"RUN: the adapter is damaged and cannot be loaded: …. {AGAIN}",
        RUN,
        spoiled("run", cut("adapter_config.json")),
    ),
    Case(
        "another adapter",
        "RUN: the adapter's tensors do not match the checksum in run.json; the file was changed or "
        f"damaged. {AGAIN}",
        RUN,
        swapped,
    ),
    Case(
        "no base model",
        f"RUN: the base model of this run is gone. model '…base': no such folder. {ANY} Put it "
        "back, or write into run.json as base_model where it is now.",
        RUN,
        spoiled("run", base_gone),
    ),
    Case(
        "a folder to merge that is no run",
        "'MODEL' is not a run folder; only a run has an adapter to merge.",
        MERGE.replace("RUN", "MODEL"),
    ),
    Case(
        "merging into a folder with something in it",
        "OUT is not an empty folder. Choose another --output.",
        MERGE,
        out_is_full,
    ),
    Case(
        "what a model forgot that is no run",
        "'MODEL' is not a run folder; only a run has a base that it can have forgotten something "
        "of. `mcqa evaluate` compares any models.",
        RETENTION.replace("RUN", "MODEL"),
    ),
    Case(
        "what a run forgot, without right answers",
        "question 'q2' has no label, and what was forgotten shows in right answers alone. Pass "
        "--unlabelled skip to leave such questions out.",
        RETENTION,
        row(label=None),
    ),
    Case(
        "a scorer that the base does not have",
        "scorer 'head' does not go with '…', which is generative: use text, text-mean, text-char, "
        "pmi, letter, constrained, generate.",
        RETENTION + " --base-scorer head",
    ),
    Case(
        "pushing a folder that is no run",
        "'MODEL' is not a run folder. Push a finished run; a merged model is a plain folder, which "
        "`hf upload` takes as it is.",
        PUSH.replace("RUN", "MODEL"),
    ),
    Case(
        "pushing an unfinished run",
        "OUT: a folder with neither run.json (a finished run) nor config.json (a model).",
        PUSH.replace("RUN", "OUT").replace("--output OUT", "--output OUT/push"),
        unfinished,
    ),
    Case(
        "pushing a run whose base nobody else has",
        "the base of this run is the folder …, which nobody else has. Say what it is on the Hub "
        "with --base OWNER/NAME.",
        PUSH.replace(" --base jo/base", ""),
    ),
    Case(
        "pushing an adapter cut short",
        f"RUN: what was trained takes … bytes, and run.json says …. {AGAIN}",
        PUSH,
        spoiled("run", cut(ADAPTER)),
    ),
    Case(
        "pushing a run in which a file is a link",
        f"RUN/chat_template.jinja {LEADS_OUT.replace('OUT', 'RUN')}",
        PUSH,
        spoiled("run", a_linked_tokenizer),
    ),
    Case(
        "no name of a repository",
        "repository 'jo/a/b': Repo id must be in the form 'repo_name' or 'namespace/repo_name': "
        "'jo/a/b'. Name it OWNER/NAME, like 'jo/head'.",
        PUSH.replace("jo/head", "jo/a/b"),
    ),
    Case(
        "an evaluation of another run",
        "OUT: 0 of its models (…) are the run RUN; one must be. Name a folder that `mcqa evaluate "
        "--model` wrote for this very run.",
        PUSH.replace("--output OUT", "--output OUT/push --evaluation OUT"),
        evaluated_base,
    ),
    Case(
        "an evaluation that an older version wrote",
        "OUT: an older version wrote it, whose evaluation.json does not say which questions were "
        "scored and how. Evaluate again.",
        PUSH.replace("--output OUT", "--output OUT/push --evaluation OUT"),
        evaluated_before,
    ),
    Case(
        "pushing without a token",
        "no token of the Hugging Face Hub is set. Log in with `hf auth login`, or set HF_TOKEN to "
        "a token that may write (https://huggingface.co/settings/tokens).",
        "push RUN jo/head --base jo/base",
        without_a_token,
    ),
    Case(
        "a dry run without a folder",
        "--dry-run and --output go together.",
        "push RUN jo/head --dry-run",
    ),
    Case(
        "training over a finished run",
        "OUT holds a finished run. Choose another --output, or pass --overwrite.",
        TRAIN,
        finished,
    ),
    Case(
        "training over an unfinished run",
        "OUT holds an unfinished run. Pass --resume to go on with it, or --overwrite to start "
        "anew.",
        TRAIN,
        unfinished,
    ),
    Case(
        "training where another process does",
        IN_USE,
        TRAIN,
        out_is_in_use,
    ),
    Case(
        "training where checkpoints are a link",
        f"OUT/checkpoints {LEADS_OUT}",
        TRAIN + " --overwrite",
        linked("checkpoints"),
    ),
    Case(
        "an evaluation into a run folder",
        "OUT: a run is in there, whose validation answers would be replaced. "
        "Choose another --output.",
        EVALUATE,
        finished,
    ),
    Case(
        "an evaluation over a finished one",
        "OUT holds a finished evaluation. Choose another --output, or pass --overwrite.",
        EVALUATE,
        evaluated_base,
    ),
    Case(
        "what a run forgot, over a finished evaluation",
        "OUT holds a finished evaluation. Choose another --output, or pass --overwrite.",
        RETENTION,
        evaluated_base,
    ),
    Case(
        "an evaluation where another process evaluates",
        IN_USE,
        EVALUATE + " --overwrite",
        out_is_in_use,
    ),
    Case(
        "a predictions file that another process is about to write",
        IN_USE.replace("OUT", "OUT/p.partial.jsonl"),
        make=out_is_in_use,
    ),
    Case(
        "an evaluation where plots are a link",
        f"OUT/plots {LEADS_OUT}",
        EVALUATE,
        linked("plots"),
    ),
    Case(
        "an evaluation where a model's folder is a link",
        f"OUT/model-letter {LEADS_OUT}",
        EVALUATE.replace("MODEL", "MODEL:text --model MODEL:letter"),
        a_linked_model_folder,
    ),
    Case(
        "resuming a run that an earlier version began",
        "OUT holds an unfinished run of an earlier version of mcqa, whose checkpoints this one "
        "cannot read. Go on with that version, or pass --overwrite instead of --resume to start "
        "anew.",
        TRAIN + " --resume",
        begun_by_an_earlier_version,
    ),
    Case(
        "an unfinished run as a model",
        "OUT: a folder with neither run.json (a finished run) nor config.json (a model).",
        SCORE.replace("MODEL", "OUT"),
        unfinished,
    ),
    Case(
        "going on from a run of the other formulation",
        "model 'RUN' is a run of the formulation generative; multiple_choice cannot go on from it. "
        "Name its base model '…', or train generative.",
        TRAIN_HEAD.replace("MODEL", "RUN"),
    ),
    Case(
        "an output folder that is a file",
        "output OUT: not a folder, and none can be made (…).",
        EVALUATE,
        out_is_a_file,
    ),
    Case(
        "an output file that is a folder",
        "output OUT/p.jsonl: a folder; name a file to write.",
        make=out_is_a_folder,
    ),
    Case(
        "an output folder that must not be written to",
        "output OUT: the folder must not be written to.",
        EVALUATE,
        out_is_read_only,
    ),
)
