"""Files of weights: what fits is loaded, what does not is named, and nothing is unpickled."""

import pytest
import safetensors.torch
import torch
from torch import nn

from automl.errors import UserError
from automl.models import weight_files


def net(width=4):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def saved(state, folder):
    file = folder / "w.safetensors"
    safetensors.torch.save_file(state, file)
    return file


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod."])
def test_a_prefix_that_a_wrapper_left_is_taken_off_and_told(tmp_path, prefix):
    trained, module = net(), net()
    state = {prefix + name: tensor for name, tensor in trained.state_dict().items()}
    told = weight_files.load(module, saved(state, tmp_path), "net")
    assert told == f"the weights of w.safetensors were loaded without the prefix {prefix!r}"
    assert torch.equal(module[0].weight, trained[0].weight)


def test_a_prefix_that_the_module_has_is_put_before(tmp_path):
    module = nn.Module()
    module.model = net()
    told = weight_files.load(module, saved(net().state_dict(), tmp_path), "net")
    assert told == "the weights of w.safetensors were loaded with the prefix 'model.'"


def test_of_tied_weights_a_file_may_hold_one(tmp_path):
    module = net()
    module.add_module("again", module[0])
    assert weight_files.load(module, saved(net().state_dict(), tmp_path), "net") == ""


def test_what_does_not_fit_is_named(tmp_path):
    state = net(5).state_dict()
    state["head.weight"] = state.pop("2.bias")
    with pytest.raises(UserError) as error:
        weight_files.load(net(), saved(state, tmp_path), "net")
    assert str(error.value) == (
        f"{tmp_path}/w.safetensors does not fit net: "
        "other shapes: 0.weight (5, 3) for (4, 3), 0.bias (5,) for (4,), "
        "1.weight (5,) for (4,) and 4 more; missing: 2.bias; not in the module: head.weight"
    )


def test_a_pickle_is_not_opened(tmp_path):
    with pytest.raises(UserError, match=r"`automl convert .*w\.pt .*w\.safetensors` makes a file"):
        weight_files.load(net(), tmp_path / "w.pt", "net")


@pytest.mark.parametrize("holder", [None, "state_dict", "model"])
def test_a_checkpoint_is_converted(tmp_path, holder):
    state = net().state_dict()
    held = state if holder is None else {holder: state, "epoch": 3, "optimizer": {"lr": 0.1}}
    torch.save(held, tmp_path / "w.pt")
    left_out = weight_files.convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    assert left_out == ([] if holder is None else ["epoch", "optimizer"])
    assert weight_files.load(net(), tmp_path / "w.safetensors", "net") == ""


def test_a_file_with_code_is_refused(tmp_path):
    torch.save(net(), tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt holds more than tensors, .*module\.state_dict"):
        weight_files.convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_a_file_that_is_none_is_told(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        weight_files.convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(UserError, match="holds no tensors by name"):
        weight_files.convert(tmp_path / "w.pt", tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").write_text("no tensors")
    with pytest.raises(UserError, match="is no safetensors file that can be read"):
        weight_files.load(net(), tmp_path / "w.safetensors", "net")


@pytest.mark.parametrize("held", [b"", b"hi\n", b"PK\x03\x04", b"\x80\x02."])
def test_bytes_that_are_no_file_of_torch_are_told(held, tmp_path):
    (tmp_path / "w.pt").write_bytes(held)
    with pytest.raises(UserError, match="is no file of torch's"):
        weight_files.convert(tmp_path / "w.pt", tmp_path / "w.safetensors")


def test_paths_that_cannot_be_are_told(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        weight_files.convert(tmp_path, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="cannot be written: No such file or directory"):
        weight_files.convert(tmp_path / "w.pt", tmp_path / "none" / "w.safetensors")
