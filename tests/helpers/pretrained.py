"""Small folders such as pretrained models come in: a config, weights and a tokenizer, made here."""

import json
from pathlib import Path

import pytest

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", "good", "bad", "film", "text", "very")


def write_tokenizer(folder: Path, words: tuple[str, ...] = WORDS) -> Path:
    """A tokenizer.json of whole words, between [CLS] and [SEP]."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens([word for word in words if word.startswith("[")])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def text_encoder(folder: Path, **options) -> str:
    """A BERT of two small layers with random weights, and its tokenizer."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(
        **{"vocab_size": len(WORDS), "intermediate_size": 48, **sizes, **options}
    )
    transformers.BertModel(config).save_pretrained(folder)
    return str(write_tokenizer(folder))


def image_encoder(folder: Path, **options) -> str:
    """A ViT of two small layers for pictures of 8 by 8 pixels, and how they are scaled."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape = {"image_size": 8, "patch_size": 4, "num_channels": 3}
    config = transformers.ViTConfig(**{"intermediate_size": 48, **sizes, **shape, **options})
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    size = {"height": config.image_size, "width": config.image_size}
    scaling = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.25, 0.25], "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(scaling))
    return str(folder)
