"""Small tokenizers of the kinds that decoders have, trained in code on a few sentences.

`SENTENCEPIECE` write a space as "▁" and most of them one more at the beginning of a text; what they
lack becomes bytes. `BYTE_LEVEL` split a text by a pattern before they look up its bytes.
"""

import functools

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

SENTENCES = (
    "Choose the correct option for the following question.",
    "### Question:\nWhich of these is a fruit?\n\n### Choice:\nA. pear. B. hammer.",
    "### Context:\nTwo friends sort what lies on the table.\n\n### Answer:\nA pear",
    "Question: Which one of these would you eat?\nAnswer: apple",
    "New York and New York City, warm water and cold water. D E F",
    "C. saw. D. nail. E. plum. The cherry and the wrench are on the table.",
)
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPECIAL = ["<unk>", "<s>", "</s>"]
CONTROL = ["<|im_start|>", "<|im_end|>"]
NAMES = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@functools.cache
def _llama_rules() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges, learned from words alone, as SentencePiece learns them."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=460, special_tokens=SPECIAL + BYTES, show_progress=False
    )
    backend.train_from_iterator(" ".join(SENTENCES).split("\n"), trainer)
    vocabulary = backend.get_vocab()
    pairs = [(a, b) for a in vocabulary for b in vocabulary if a + b in vocabulary]
    merges = [pair for pair in pairs if not {*pair, pair[0] + pair[1]} & {*SPECIAL, *BYTES}]
    return vocabulary, sorted(merges, key=lambda pair: vocabulary[pair[0] + pair[1]])


def _llama(**settings):
    vocabulary, merges = _llama_rules()
    settings = {"add_bos_token": True, "pad_token": "</s>"} | settings
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=merges, **settings)
    tokenizer.add_special_tokens({"additional_special_tokens": CONTROL})
    return tokenizer


def _prepend():
    """Llama's rules as older files hold them: each text, and each part of one, gets a "▁"."""
    vocabulary, merges = _llama_rules()
    backend = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = _spaced_decoder()
    return _wrapped(backend, "<s> $A")


def _spaced_decoder():
    return decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )


def _unigram():
    """A vocabulary of likely pieces, of which "\\nA" reaches from the prompt into an option."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(SENTENCES * 3, trainer)
    return _wrapped(backend, "<s> $A")


def _byte_level(pattern: str | None = None, *, digits: bool = False, template: str = "<s> $A"):
    backend = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    if pattern:
        steps.append(pre_tokenizers.Split(Regex(pattern), "isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern))
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([*SENTENCES, "A\n\nB\n\n\n C  D   E 12 345 6789"], trainer)
    return _wrapped(backend, template)


def _wrapped(backend, template: str):
    special = [(name, backend.token_to_id(name)) for name in ("<s>", "</s>")]
    used = [pair for pair in special if pair[0] in template.split()]
    backend.post_processor = processors.TemplateProcessing(template, special_tokens=used)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, additional_special_tokens=CONTROL, padding_side="left", **NAMES
    )


SENTENCEPIECE = {
    "llama": _llama,
    "llama, always": lambda: _llama(legacy=True),
    "llama, never": lambda: _llama(add_prefix_space=False),
    "llama, end": lambda: _llama(add_eos_token=True),
    "prepend": _prepend,
    "unigram": _unigram,
}
BYTE_LEVEL = {
    "gpt-2": lambda: _byte_level(template="$A"),
    "llama-3": lambda: _byte_level(LLAMA_3),
    "smollm2": lambda: _byte_level(digits=True, template="$A"),
    "end": lambda: _byte_level(template="<s> $A </s>"),
}
KINDS = SENTENCEPIECE | BYTE_LEVEL


@functools.cache
def small_tokenizer(kind: str):
    """Return a tokenizer of a kind, always the same object: it is not to be changed."""
    return KINDS[kind]()
