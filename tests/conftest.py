"""A tiny Llama, its tokenizer and questions it can learn: built in code, offline, seeded.

The libraries are imported inside the fixtures, so that tests which need no model start at once.
"""

import gc
import os
import random

import pytest
from hypothesis import settings

from mcqa.question import Question

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Two workers share two cores, and on tiny matrices a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Property tests: MCQA_HYPOTHESIS=slow tries 2,000 examples of each instead of 100.
settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("slow", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("MCQA_HYPOTHESIS", "quick"))

SENTENCES = (
    "Choose the correct option for the following question.",
    "### Question:\nWhich of these is a fruit?\n\n### Choice:\nA. pear. B. hammer.",
    "### Context:\nTwo friends sort what lies on the table.\n\n### Answer:\n",
    "Question: Which one of these would you eat?\nAnswer: apple",
    "New York and New York City, warm water and cold water.",
    "C. saw. D. nail. E. plum. The cherry and the wrench are on the table.",
)
FRUITS = ("apple", "pear", "plum", "cherry")
TOOLS = ("hammer", "saw", "nail", "wrench", "old rusty saw")
STEMS = ("Which of these is a fruit?", "Which one would you eat?", "What grows on a tree?")


def pytest_collection_finish():
    """Spare garbage collections what the imports made: 0.3 s each, and a training asks for two."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _no_page_keeps_models():
    """Let go of the models that a page has loaded, where one has been drawn at all."""
    yield
    import sys

    if "mcqa.page.asking" in sys.modules:
        sys.modules["mcqa.page.asking"]._loaded.cache_clear()


@pytest.fixture(autouse=True)
def _seeded():
    """Start every test from the same random state, where torch is loaded at all."""
    import sys

    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A byte-level BPE tokenizer that puts `<s>` first and pads with its end-of-sequence token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", backend.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        padding_side="left",
    )


@pytest.fixture(scope="session")
def tiny_config(tiny_tokenizer):
    """A Llama of two layers; 4-bit blocks need sizes that 64 divides."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=tiny_tokenizer.bos_token_id,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
    )


@pytest.fixture(scope="session")
def tiny_model_folder(tiny_config, tiny_tokenizer, tmp_path_factory):
    """A saved causal LM with random weights, large enough that no two options score alike."""
    import torch
    from transformers import LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-llama")
    torch.manual_seed(0)
    model = LlamaForCausalLM(tiny_config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(std=0.15)
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder):
    """The saved causal LM in float32, to be read and not changed."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(tiny_model_folder).eval()


@pytest.fixture(scope="session")
def tiny_questions():
    """36 labelled questions of 2 to 5 options: the one fruit among tools is right."""
    chance = random.Random(0)
    questions = []
    for number in range(36):
        options = chance.sample(TOOLS, 1 + number % 4)
        label = chance.randrange(len(options) + 1)
        options.insert(label, chance.choice(FRUITS))
        questions.append(
            Question(
                id=f"q{number}",
                stem=STEMS[number % len(STEMS)],
                options=tuple(options),
                label=label,
                context="Two friends sort what lies on the table." if number % 5 == 0 else None,
            )
        )
    return questions
