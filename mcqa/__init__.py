"""Answer multiple-choice questions with a decoder LLM, two ways, and compare them fairly.

    import mcqa

    scorer = mcqa.load_scorer("smollm2-135m")
    result = scorer.score(mcqa.Question(stem="...", options=("...", "...")))

Names are imported on first use, so that `import mcqa` loads neither torch nor transformers.
"""

import importlib

from mcqa.system.openmp import set_waiting

__version__ = "0.1.0"

_HOMES = {
    "Question": "mcqa.question",
    "McqaError": "mcqa.errors",
    "Prediction": "mcqa.prediction",
    "load_questions": "mcqa.data",
    "load_scorer": "mcqa.scoring.loading",
}

__all__ = ["McqaError", "Prediction", "Question", "__version__", "load_questions", "load_scorer"]

set_waiting()


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'mcqa' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return __all__
