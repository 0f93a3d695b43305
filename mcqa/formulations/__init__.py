"""The two formulations, each a module with the same names.

NAME
HAS_HEAD                   whether `HeadOptions` are for it
OBJECTIVES                 what it can be trained on, by name; the first is the default
SCORERS                    scorer name -> function(model, tokenizer, batch) -> predictions
JUDGES                     names of the scorers for which `judged` splits questions with several
                           right answers; training splits them for its default scorer
TEMPLATES                  scorer name -> template to use where none is asked for
WRITES                     scorer name -> how many tokens it puts behind a prompt with an option
head_settings(path, tokenizer, options) -> what `run.json` keeps of `HeadOptions`, or None
default_scorer(objective)  the scorer by default, given what was trained on, None if nothing
available_scorers(head)    names of the scorers that a model with these head settings has
load_backbone(path, head=..., ...)   the model, as `backbones.load_weights` loads it
empty_backbone(path, head=..., dtype=...)   the same untrained, on torch's default device
prepare_for_training(model)
"""

import importlib

from mcqa.errors import ConfigError

NAMES = ("generative", "multiple_choice")


def get_formulation(name: str):
    """Return a formulation's module; ConfigError where there is none of this name."""
    if name not in NAMES:
        raise ConfigError(f"formulation {name!r} does not exist; there are: {', '.join(NAMES)}.")
    return importlib.import_module(f"mcqa.formulations.{name}")
