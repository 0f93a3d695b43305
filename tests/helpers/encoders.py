"""Tiny encoders of every listed type, and the two ways their tokenizers write a pair."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from heads.encoder import encoder_class

SENTENCES = (
    "Question: Which of these is a fruit? What grows on a tree?\nAnswer: pear plum cherry apple",
    "Context: Two friends sort what lies on the table: hammer, saw, nail, wrench, New York.",
)
SIZES = {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 130,
    "initializer_range": 0.1,
    "pad_token_id": 1,
}
RELATIVE = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "max_relative_positions": 32,
}
CONFIGS = {
    "albert": lambda: AlbertConfig(**SIZES, embedding_size=32),
    "bert": lambda: BertConfig(**SIZES),
    "camembert": lambda: CamembertConfig(**SIZES),
    "deberta-v2": lambda: DebertaV2Config(
        **SIZES | RELATIVE, position_biased_input=False, type_vocab_size=0
    ),
    "distilbert": lambda: DistilBertConfig(
        vocab_size=384,
        dim=64,
        hidden_dim=128,
        n_layers=2,
        n_heads=4,
        max_position_embeddings=130,
        initializer_range=0.1,
        pad_token_id=1,
    ),
    "electra": lambda: ElectraConfig(**SIZES, embedding_size=32),
    "modernbert": lambda: ModernBertConfig(**SIZES, local_attention=16),
    "mpnet": lambda: MPNetConfig(**SIZES),
    "roberta": lambda: RobertaConfig(**SIZES, type_vocab_size=1),
    "xlm-roberta": lambda: XLMRobertaConfig(**SIZES, type_vocab_size=1),
}


def build(name):
    """Return a random float32 encoder that takes branched batches."""
    torch.manual_seed(0)
    return encoder_class(name)(CONFIGS[name]()).eval()


def build_tokenizer(name):
    """Return a byte-level tokenizer that writes pairs as the encoder's own does.

    `<s> A </s></s> B </s>` for RoBERTa, `[CLS] A [SEP] B [SEP]` with segments for the others.
    """
    doubled = "roberta" in name or name == "camembert"
    first, last = ("<s>", "</s>") if doubled else ("[CLS]", "[SEP]")
    between = f"{last} {last}" if doubled else last
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZES["vocab_size"],
        special_tokens=[first, "<pad>", last, "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    segment = "" if doubled else ":1"
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {between} $B{segment} {last}{segment}",
        special_tokens=[(first, 0), (last, 2)],
    )
    has_segments = not doubled and name != "modernbert"
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token=first,
        sep_token=last,
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"] + ["token_type_ids"] * has_segments,
    )


def save(name, folder):
    """Save a random masked language model and its tokenizer, as the Hub has them: headless."""
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(CONFIGS[name]()).save_pretrained(folder)
    build_tokenizer(name).save_pretrained(folder)
    return folder
