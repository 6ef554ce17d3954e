import pytest
import torch
from torch import nn

from automl.models.dataflow import flow_of


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.drop = nn.Linear(4, 4), nn.Linear(4, 4), nn.Dropout()

    def forward(self, rows):
        made = self.drop(self.first(rows))
        made += 1
        return torch.cat([self.second(input=made), made.relu()])


def test_a_tensor_changed_in_place_is_another_one():
    flow = flow_of(Body(), torch.randn(3, 4))
    (before,), (after,) = flow.only_call("first").gave, flow.only_call("second").read
    assert before[0] == after[0] and before != after
    assert [call.name for call in flow.readers(before)] == ["add_"]
    assert [call.name for call in flow.readers(after)] == ["second", "relu"]


def test_layers_are_one_call_and_what_gives_what_it_reads_is_none():
    flow = flow_of(Body(), torch.randn(3, 4))
    assert [call.name for call in flow.calls if call.is_module] == ["first", "second"]
    assert [call.name for call in flow.only_call("").within] == [call.name for call in flow.calls]


def test_a_body_is_as_it_was_when_its_flow_is_seen():
    body = Body()
    flow_of(body, torch.randn(3, 4))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in body.modules())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torchscript_runs_is_passed_over():
    body = nn.Sequential(nn.Linear(4, 4), torch.jit.script(nn.ReLU()), nn.Linear(4, 4))
    flow = flow_of(body, torch.randn(3, 4))
    assert [call.name for call in flow.calls] == ["0", "2"]
