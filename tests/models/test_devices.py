import torch

from automl.models.devices import device_name, keep_to_share


def test_the_processor_is_taken_where_no_accelerator_is_wanted_or_here(monkeypatch):
    assert device_name(False) == "cpu"
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert device_name(True) == "cpu"


def test_an_accelerator_is_taken_by_torch_s_own_name(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    assert device_name(True) == "mps"
    assert device_name(False) == "cpu"


def test_the_processor_s_memory_is_not_shared_out():
    keep_to_share("cpu", 0.25)
