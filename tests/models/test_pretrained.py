"""Pretrained models by name: from folders made here, small and random."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from helpers.datasets import write_csv, write_images
from helpers.pretrained import image_encoder, text_encoder
from helpers.trials import drive, load

from automl.compression.quantize import Quantize
from automl.config import decode, encode
from automl.data.image_folder import ImageFolder
from automl.data.text import Text
from automl.errors import UserError
from automl.models import foreign
from automl.models.deployed import Deployed, predict
from automl.models.family import dump, restore, untrained
from automl.models.pretrained import Pretrained
from automl.space.space import TrialConfig
from automl.training.loop import Train
from automl.training.schedules import Fixed

transformers = pytest.importorskip("transformers")
ROWS = [
    (f"a {('bad', 'good')[row % 2]} {('film', 'text')[row % 3 == 0]}", row % 2) for row in range(40)
]


@pytest.fixture
def encoder(tmp_path):
    return text_encoder(tmp_path / "encoder")


@pytest.fixture
def films(tmp_path, encoder):
    path = write_csv(tmp_path / "films.csv", ("text", "label"), ROWS)
    return Text(path, length=8, tokenizer=encoder)


def with_head(folder, names):
    """A classifier in the encoder's place, its two classes named so."""
    labels = {"id2label": names} if names else {}
    config = transformers.BertConfig.from_pretrained(folder, **labels)
    stored = transformers.BertForSequenceClassification(config)
    torch.nn.init.normal_(stored.classifier.bias)
    stored.save_pretrained(folder)
    return stored


def pictures(folder, size=(8, 8)):
    return ImageFolder(write_images(folder / f"images{size[0]}", count=10, size=size))


def test_a_text_encoder_is_fine_tuned_and_quantized(films, encoder, store):
    train = Train(learning_rate=Fixed(3e-3), batch_size=Fixed(8), epochs=6)
    config = TrialConfig(films, Pretrained(f"hf/{encoder}"), (train, Quantize()))
    reports, result = drive(config, store)
    assert (result.status, result.reason) == ("complete", "")
    assert reports[-1].metrics["accuracy"] == 1.0
    assert decode(encode(config)) == config


def test_the_body_has_the_weights_of_the_folder_and_the_head_the_classes(films, encoder):
    network = untrained(Pretrained(f"hf/{encoder}"), load(films).info)
    state = safetensors.torch.load_file(Path(encoder) / "model.safetensors")
    own = network.body.model.bert.state_dict()
    assert all(torch.equal(own[n], t) for n, t in state.items() if not n.startswith("pooler"))
    assert network.body.model.classifier.weight.shape == (2, 32)


def test_a_stored_head_for_the_data_s_classes_comes_into_their_order(films, encoder):
    stored = with_head(Path(encoder), {0: "1", 1: "0"})
    data = load(films)
    network, ids = untrained(Pretrained(f"hf/{encoder}"), data.info), data.validation.inputs
    assert data.info.classes == ("0", "1") and not foreign.notes(network)
    rows = torch.from_numpy(ids).long()
    with torch.inference_mode():
        theirs = stored.eval()(input_ids=rows, attention_mask=rows.ne(0).long()).logits
    assert torch.allclose(predict(network, rows), theirs[:, [1, 0]], atol=1e-6)


@pytest.mark.parametrize("named", [{}, {0: "good", 1: "bad"}])
def test_a_stored_head_for_other_classes_begins_anew_and_is_told(named, films, encoder):
    stored = with_head(Path(encoder), named)
    network = untrained(Pretrained(f"hf/{encoder}"), load(films).info)
    for name in ("weight", "bias"):
        own, theirs = (getattr(m.classifier, name) for m in (network.body.model, stored))
        assert not (own == theirs).any() and (name == "weight") == bool(own.any())
    (note,) = foreign.notes(network)
    names = ", ".join(named.values()) or "LABEL_0, LABEL_1"
    assert f"the stored one is for the classes {names}, the data have 0, 1" in note


def test_what_stands_after_the_end_of_a_text_changes_nothing(films, encoder):
    network = untrained(Pretrained(f"hf/{encoder}"), load(films).info)
    long = replace(films, length=16)
    rows = [torch.from_numpy(load(data).train.inputs[:4]) for data in (films, long)]
    short, padded = (predict(network, ids.long()) for ids in rows)
    assert torch.allclose(short, padded, atol=1e-6)


def test_a_network_is_rebuilt_from_its_files(films, encoder):
    network = untrained(Pretrained(f"hf/{encoder}"), load(films).info)
    files = dump(network)
    again = restore(files["weights.safetensors"], files["spec.json"])
    assert dump(again) == files


def test_without_weights_it_begins_at_random_and_options_reach_its_config(films, encoder):
    model = Pretrained(f"hf/{encoder}", options={"num_hidden_layers": 1}, trained=False)
    assert not model.comes_trained
    network = untrained(model, load(films).info)
    assert len(network.body.model.bert.encoder.layer) == 1
    state = safetensors.torch.load_file(Path(encoder) / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    assert not torch.equal(network.body.model.bert.state_dict()[name], state[name])


def test_other_weights_in_the_same_folder_are_another_model(encoder):
    before = Pretrained(f"hf/{encoder}").fingerprint()
    assert Pretrained("hf/some-name", weights=encoder).fingerprint() != ""
    text_encoder(Path(encoder))
    assert Pretrained(f"hf/{encoder}").fingerprint() != before


@pytest.mark.parametrize("size", [(8, 8), (12, 10)])
def test_pictures_of_any_size_are_scaled_and_resized_by_its_own_config(size, tmp_path, store):
    model = Pretrained(f"hf/{image_encoder(tmp_path / 'encoder')}")
    data = pictures(tmp_path, size)
    scaling = model.scaling(load(data).info)
    assert np.allclose(scaling.mean, (127.5, 102.0, 76.5)) and np.allclose(scaling.std, 63.75)
    _, result = drive(TrialConfig(data, model, (Train(epochs=1), Quantize())), store)
    assert (result.status, result.reason) == ("complete", "")


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"do_flip_channel_order": True, "image_mean": [0.5] * 3}, 0.0, 255.0),
        ({"do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, 0.0, 255.0),
        ({"do_normalize": False, "do_rescale": False}, 0.0, 1.0),
        (
            {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
            *[127.5] * 2,
        ),
    ],
    ids=str,
)
def test_pictures_are_scaled_as_the_preprocessor_s_settings_say(settings, mean, std, tmp_path):
    encoder = Path(image_encoder(tmp_path / "encoder"))
    (encoder / "preprocessor_config.json").write_text(json.dumps(settings))
    scaling = Pretrained(f"hf/{encoder}").scaling(load(pictures(tmp_path)).info)
    assert np.allclose(scaling.mean, mean) and np.allclose(scaling.std, std)


def test_a_model_that_asks_for_blue_first_gets_it(tmp_path, store):
    encoder = Path(image_encoder(tmp_path / "encoder"))
    model, data, rows = Pretrained(f"hf/{encoder}"), pictures(tmp_path), torch.rand(2, 3, 8, 8)
    torch.manual_seed(0)
    plain = untrained(model, load(data).info)
    settings = {"do_flip_channel_order": True}
    (encoder / "preprocessor_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    flipped = untrained(model, load(data).info)
    assert torch.equal(predict(flipped, rows), predict(plain, rows.flip(1)))
    _, result = drive(TrialConfig(data, model, (Quantize(),)), store)
    assert (result.status, result.reason) == ("complete", "")


def test_a_resize_is_torch_s_own(tmp_path):
    model = Pretrained(f"hf/{image_encoder(tmp_path / 'encoder')}")
    data = load(pictures(tmp_path, (12, 10)))
    network = untrained(model, data.info)
    rows = torch.rand(2, 3, 12, 10)
    small = torch.nn.functional.interpolate(rows, (8, 8), mode="bilinear")
    assert torch.equal(predict(network, rows), predict(network, small))


def test_grey_pictures_are_shown_on_all_channels(tmp_path):
    model = Pretrained(f"hf/{image_encoder(tmp_path / 'encoder')}")
    data = load(replace(pictures(tmp_path), channels=1))
    assert np.allclose(model.scaling(data.info).mean, 0.4 * 255)
    rows = torch.from_numpy(data.train.inputs[:2])
    network = untrained(model, data.info)
    assert predict(Deployed(network, data.info), rows).shape == (2, 2)


def test_pictures_whose_white_is_1_are_told(tmp_path):
    model = Pretrained(f"hf/{image_encoder(tmp_path / 'encoder')}")
    info = load(pictures(tmp_path)).info
    info = replace(info, inputs=replace(info.inputs, mean=(0.5, 0.5, 0.5)))
    with pytest.raises(UserError, match=r"0.5 bright on average, so 255 is not white; give white"):
        model.scaling(info)
    assert replace(model, white=1.0).scaling(info).mean == (0.5, 0.4, 0.3)


def test_texts_as_bytes_and_too_long_ones_are_told(films, encoder):
    model = Pretrained(f"hf/{encoder}")
    with pytest.raises(UserError, match=r"the texts come as bytes; name it in the dataset"):
        untrained(model, load(replace(films, tokenizer="")).info)
    with pytest.raises(UserError, match=r"reads 512 tokens at most; give length=512"):
        model.build_text(11, 513, 2)
    with pytest.raises(UserError, match=r"knows 11 tokens, and the texts have 12"):
        model.build_text(12, 8, 2)


def test_positions_that_begin_behind_padding_shorten_the_longest_text(tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.RobertaConfig(
        vocab_size=11, intermediate_size=48, max_position_embeddings=66, pad_token_id=1, **sizes
    )
    transformers.RobertaModel(config).save_pretrained(tmp_path)
    model = Pretrained(f"hf/{tmp_path}")
    with pytest.raises(UserError, match=r"reads 64 tokens at most; give length=64"):
        model.build_text(11, 65, 2)
    assert predict(model.build_text(11, 64, 2), torch.full((2, 64), 5)).shape == (2, 2)


def test_a_model_that_was_never_fetched_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"not on this machine; fetch it once with `hf download"):
        Pretrained("hf/some-body/some-model").build_text(11, 8, 2)


def test_a_pickle_is_not_opened(encoder):
    folder = Path(encoder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model.bin is a pickle, which may run any code"):
        Pretrained(f"hf/{encoder}").build_text(11, 8, 2)


def test_weights_that_lack_a_layer_are_told(encoder):
    config = json.loads((Path(encoder) / "config.json").read_text())
    (Path(encoder) / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(UserError, match=r"16 are missing, the first is bert.encoder.layer.2"):
        Pretrained(f"hf/{encoder}").build_text(11, 8, 2)


@pytest.mark.parametrize("name", ["bert", "keras/bert", "hf/"])
def test_a_name_of_no_library_is_told(name):
    with pytest.raises(UserError, match=r'write "hf/NAME", "timm/NAME" or "torchvision/NAME"'):
        Pretrained(name)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("hf/bert", "transformers", "pretrained"),
        ("timm/resnet18", "timm", "timm"),
        ("torchvision/resnet18", "torchvision", "torchvision"),
    ],
)
def test_a_missing_library_is_told(name, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    sentence = rf"{name} needs the package '{module}'; install it: .*\[{extra}\]"
    with pytest.raises(UserError, match=sentence):
        Pretrained(name, trained=False).build((3, 32, 32), 2)


def saved(name, folder, input_shape, num_outputs):
    """The weights of an untrained model of timm or torchvision, and a file of them."""
    pytest.importorskip("torchvision")
    pytest.importorskip("timm")
    state = Pretrained(name, trained=False).build(input_shape, num_outputs).model.state_dict()
    file = str(folder / "weights.safetensors")
    safetensors.torch.save_file(state, file)
    return state, file


@pytest.mark.parametrize("name", ["timm/resnet18", "torchvision/resnet18"])
def test_the_head_of_a_file_that_names_no_classes_begins_anew(name, tmp_path):
    before, file = saved(name, tmp_path, (3, 8, 8), 2)
    network = untrained(Pretrained(name, file), load(pictures(tmp_path)).info)
    own = network.body.model.state_dict()
    assert {n for n in own if not torch.equal(own[n], before[n])} == {"fc.weight", "fc.bias"}
    assert "for answers that its files do not name" in foreign.notes(network)[0]


@pytest.mark.parametrize("name", ["timm/resnet18", "torchvision/resnet18"])
def test_the_weights_of_a_file_fit_another_number_of_classes(name, tmp_path):
    before, file = saved(name, tmp_path, (3, 32, 32), 10)
    after = Pretrained(name, file, size=(32, 32)).build((1, 32, 32), 3)
    assert predict(after, torch.rand(2, 1, 32, 32)).shape == (2, 3)
    own = after.model.state_dict()
    assert {n for n in own if not torch.equal(own[n], before[n])} == {"fc.weight", "fc.bias"}
    with pytest.raises(UserError, match=r"does not fit: layer1.2.conv1.weight is in only one"):
        Pretrained(name.replace("18", "34"), file).build((3, 32, 32), 3)
