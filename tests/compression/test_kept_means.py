"""Biases and statistics make up for a rounding's shift of means."""

import torch
from torch import nn

from automl.compression.calibration import seen_rows
from automl.compression.kept_means import keep_means
from automl.models.convnet import ConvNet
from automl.models.deployed import predict
from automl.models.imported import Imported


def test_means_of_answers_are_kept_however_often_they_are_corrected(build, context):
    network = build(ConvNet((8, 8))).eval()
    moved = build(ConvNet((8, 8))).eval()
    with torch.no_grad():
        for parameter in moved.parameters():
            if parameter.dim() > 1:
                parameter.copy_((3 * parameter).round() / 3)
    rows = seen_rows(network, context)[::2]
    before, found = predict(network, rows).mean(0), []
    assert (predict(moved, rows).mean(0) - before).abs().max() > 1e-2
    for _ in range(2):
        keep_means(network, moved, ["head"], context)
        found.append({name: tensor.clone() for name, tensor in moved.state_dict().items()})
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(predict(moved, rows).mean(0), before, atol=1e-4, rtol=1e-4)


class CalledByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.head = nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)

    def forward(self, rows):
        return self.head(self.norm(input=self.layer(rows.flatten(1))).relu())


def test_a_batch_norm_that_is_called_by_keyword_has_its_statistics_moved(build, context):
    network, moved = (build(Imported(CalledByKeyword)).eval() for _ in range(2))
    with torch.no_grad():
        moved.body.layer.weight.mul_(2)
    rows = seen_rows(network, context)[::2]
    keep_means(network, moved, [], context)
    torch.testing.assert_close(predict(moved, rows), predict(network, rows), atol=1e-4, rtol=1e-3)
