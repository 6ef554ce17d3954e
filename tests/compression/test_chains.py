"""Chains that users combine, on every family: each ends in a smaller file or says why not."""

import pytest
from helpers.registered import example, ours
from helpers.trials import DIGITS, drive

from automl.compression.binarize import Binarize
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.data.sklearn import Sklearn
from automl.models.family import ModelFamily
from automl.models.imported import Imported
from automl.space.space import TrialConfig
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.schedules import Cosine
from automl.trial.prefixes import PARENT_FILE

BEGUN = Train(epochs=4)
SHORT = Train(learning_rate=Cosine(1e-3), epochs=1)
CHAINS = {
    "prune, distil, 8 bits": (
        Prune(0.5),
        Train(label="fine_tune", epochs=2, loss=Distill("train")),
        Quantize(),
    ),
    "factorise, 4 bits trained": (Factorize(), Quantize(4, training=SHORT)),
    "remove a layer, 2 bits": (RemoveLayers(), Quantize(2, training=SHORT)),
    "binarise": (Binarize(epochs=2),),
}


def claims(model, shape, chain):
    """Whether a family says that the chain's first step suits it."""
    if chain == "prune, distil, 8 bits":
        return bool(model.groups()) or isinstance(model, Imported)
    return chain != "remove a layer, 2 bits" or bool(model.blocks(shape))


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("family", ours(ModelFamily), ids=lambda family: family.__name__)
def test_a_chain_ends_in_a_smaller_file_or_says_why_not(family, chain, store):
    model = example(family)
    data, shape = DIGITS, (1, 8, 8)
    if family.__name__ == "ConvNet1d":
        data, shape = Sklearn("digits", (8, 8)), (8, 8)
    _, result = drive(TrialConfig(data, model, (BEGUN, *CHAINS[chain])), store)
    if claims(model, shape, chain) and not result.reason.startswith("did not shrink"):
        assert (result.status, result.reason) == ("complete", "")
    if result.status == "complete":
        (parent,) = [
            file
            for key in store.starting_with("")
            if (file := store.read(key, PARENT_FILE)) is not None
        ]
        assert result.measurement.size_bytes < len(parent)
    else:
        assert result.status == "rejected"
        assert len(result.reason.splitlines()) == 1
