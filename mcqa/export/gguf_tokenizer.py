"""A byte-level BPE tokenizer as llama.cpp keeps it.

The trap: llama.cpp splits text by rules of its own that have names. A rule without a name that is
known is refused, for another one gives other tokens and no error.
"""

import json

from mcqa.errors import ConfigError

REMEDY = "`mcqa merge` makes a folder that llama.cpp's own convert_hf_to_gguf.py takes."
SINGLE_DIGITS = "smollm"  # digits one by one, then as GPT-2 splits
USUAL = ("llama-bpe", "qwen2", "qwen35", "gpt-4o", "tekken")  # of several names for one rule


def add_tokenizer(writer, tokenizer, vocab_size: int) -> None:
    """Write a byte-level BPE tokenizer into a `gguf.GGUFWriter`; ConfigError for any other.

    Args:
        vocab_size: rows of the embeddings; those without a token get a name that is never read.
    """
    from gguf import TokenType

    backend = getattr(tokenizer, "backend_tokenizer", None)
    kept = _kept(backend)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer_name(kept["pre_tokenizer"]))
    added = {token["id"]: token for token in kept["added_tokens"]}
    texts, kinds = [], []
    for number in range(vocab_size):
        text = tokenizer.convert_ids_to_tokens(number) if number < len(tokenizer) else None
        kind = TokenType.NORMAL
        if text is None:
            text, kind = f"[PAD{number}]", TokenType.UNUSED
        elif number in added:
            special = added[number]["special"]
            kind = TokenType.CONTROL if special else TokenType.USER_DEFINED
        texts.append(text)
        kinds.append(kind)
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    merges = kept["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    for kind in ("bos", "eos", "unk", "pad"):
        number = getattr(tokenizer, f"{kind}_token_id")
        if number is not None:
            getattr(writer, f"add_{kind}_token_id")(number)
    ids = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(ids[-1] == tokenizer.eos_token_id)
    writer.add_add_space_prefix(False)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _kept(backend) -> dict:
    """Return what tokenizer.json holds of a tokenizer of bytes; ConfigError for any other."""
    kept = json.loads(backend.to_str()) if backend else {"model": {"type": "none"}}
    if kept["model"]["type"] != "BPE" or kept["model"].get("byte_fallback"):
        raise ConfigError(
            "format gguf: only byte-level BPE tokenizers are written (GPT-2's, Llama 3's, Qwen's), "
            f"and this one is another ({kept['model']['type']}). {REMEDY}"
        )
    return kept


def pre_tokenizer_name(rule: dict | None) -> str:
    """Return llama.cpp's name for the rule by which a tokenizer splits text before merging."""
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    steps = (rule or {}).get("pretokenizers") or [rule or {}]
    kinds = [step.get("type") for step in steps]
    plain = kinds[-1] == "ByteLevel" and not steps[-1].get("add_prefix_space")
    if plain and kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if plain and kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return SINGLE_DIGITS
    if plain and kinds == ["Split", "ByteLevel"]:
        pattern = steps[0]["pattern"].get("Regex")
        for name in USUAL:
            if GGUF_PRE_TOKENIZER_SPLITS.get(name) == pattern:
                return name
    raise ConfigError(
        "format gguf: the rule by which this tokenizer splits text has no name that is known here. "
        + REMEDY
    )
