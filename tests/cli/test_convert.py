"""A checkpoint of torch's made a file of tensors."""

import json

import safetensors.torch
import torch


def test_a_checkpoint_becomes_a_file_of_tensors(here, tmp_path):
    torch.save({"state_dict": {"a.weight": torch.ones(2)}, "epoch": 3}, tmp_path / "net.pt")
    ended = here("convert", "net.pt", "net.safetensors", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["left_out"]) == (0, ["epoch"])
    assert safetensors.torch.load_file(tmp_path / "net.safetensors")["a.weight"].tolist() == [1, 1]
    assert here("convert", "net.pt", "net.safetensors").stdout.splitlines() == [
        "net.safetensors holds the tensors of net.pt",
        "left out: epoch",
    ]


def test_a_file_with_code_is_the_users_mistake(here, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    ended = here("convert", "net.pt", "net.safetensors")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: net.pt holds more than tensors")
