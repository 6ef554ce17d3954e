"""Modules as people have them are compressed, or refused for a reason; none is silently wrong."""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from automl.export import sparse
from automl.export.packing import LAYOUTS, pack_weights
from zoo.cells import Cell
from zoo.declared import all_declared
from zoo.held_weights import held
from zoo.judge import judged
from zoo.one_module import cells_judged
from zoo.recipes import RECIPES
from zoo.run import all_judged
from zoo.verdicts import BAD, NAMES, Verdict, refusal

DECLARED = all_declared()
ARCHITECTURES = (
    *("bert", "distil_bert", "roberta", "albert", "electra", "gpt2"),
    *("vit", "deit", "swin", "conv_next", "res_net", "mobile_net_v2"),
)
FAST = {
    "plain": ("train", "clip", "bits1", "remove_layers"),
    "WalkedByHand": ("train", "bits8"),
    "TwoNorms": ("train", "bits8"),
    "InplaceBranches": ("bits8", "prune"),
    "ReluTwice": ("bits8", "binarize"),
    "MultiheadAttention": ("bits8",),
    "DictOutput": ("prune_bits8",),
    "Half": ("train", "bits8"),
    "LengthOfBatch": ("factorize", "bits8"),
    "weight_norm": ("bits8", "factorize"),
    "RandomConstant": ("bits8",),
    "DropoutInEvaluation": ("bits8",),
}
"""The fast half: modules of many kinds, each through the recipes that tell most of it."""

LEAST_RIGHT = 0.7


def bad(found):
    return [f"{o.verdict} {o.module} {o.recipe}: {o.why}" for o in found if o.verdict in BAD]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data that all modules share, and their stores."""
    return tmp_path_factory.mktemp("zoo")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FAST)
def test_a_module_is_compressed_or_refused_well(name, folder):
    found = list(cells_judged(DECLARED[name], folder, FAST[name]))
    assert len(found) == len(FAST[name])
    assert bad(found) == []


@pytest.fixture(scope="session")
def whole_zoo(tmp_path_factory):
    return list(all_judged(tmp_path_factory.mktemp("zoo"), DECLARED))


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_no_module_ends_in_a_raw_exception_or_is_silently_wrong(whole_zoo):
    wrong = (Verdict.RAW_EXCEPTION, Verdict.SILENTLY_WRONG)
    assert [line for line in bad(whole_zoo) if line[0] in wrong] == []


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_most_cells_are_right(whole_zoo):
    counts = Counter(one.verdict for one in whole_zoo)
    share = counts[Verdict.RIGHT] / len(whole_zoo)
    assert share >= LEAST_RIGHT, "\n".join(bad(whole_zoo))


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_every_architecture_is_smaller_at_8_bits_and_pruned(whole_zoo):
    pytest.importorskip("transformers", reason="transformers is not installed")
    right = {(o.module, o.recipe) for o in whole_zoo if o.verdict is Verdict.RIGHT}
    wanted = {(name, recipe) for name in ARCHITECTURES for recipe in ("bits8", "prune")}
    assert wanted - right == set()


def test_every_declared_recipe_and_verdict_is_known():
    assert set(NAMES) == set(Verdict)
    for one in DECLARED.values():
        assert {name for name, _ in one.refusals} <= {*RECIPES, "prune"}
        assert one.data in ("images", "series", "text")
        assert not one.must or one.refused


def test_what_a_user_should_not_read_is_a_raw_exception():
    plain = DECLARED["plain"]
    for sentence in (
        "Prune: this module cannot be traced (list index out of range)",
        "cannot be exported: \x1b[96mThis is step 1/3",
        "does not reload: [ONNXRuntimeError] : 2 : Got: 299 Expected: 2",
        "KeyError: mask",
    ):
        assert refusal(plain, "prune", sentence, False) is Verdict.RAW_EXCEPTION, sentence


def test_a_refusal_is_judged_by_what_is_declared():
    plain, norm = DECLARED["plain"], DECLARED["norm_without_statistics"]
    no_block = "RemoveLayers: this Imported has no block that can go"
    assert refusal(plain, "remove_layers", no_block, False) is Verdict.REFUSED_NEEDLESSLY
    assert refusal(norm, "remove_layers", no_block, False) is Verdict.REFUSED_WELL
    sentence = "bn: its answers depend on the batch"
    assert refusal(norm, "bits8", sentence, True) is Verdict.REFUSED_WELL
    assert refusal(plain, "bits8", sentence, True) is Verdict.REFUSED_NEEDLESSLY
    forced = DECLARED["RandomConstant"]
    assert refusal(forced, "bits8", "is random", True) is Verdict.REFUSED_WELL
    assert refusal(forced, "bits8", "is random", False) is Verdict.REFUSED_NEEDLESSLY


def test_a_file_that_was_tampered_with_is_silently_wrong(tmp_path, monkeypatch):
    cell = Cell(DECLARED["grouped"], "bits8", tmp_path)
    assert judged(cell).verdict is Verdict.RIGHT
    proto = onnx.load_from_string(cell.file())
    codes = next(t for t in proto.graph.initializer if t.data_type == TensorProto.INT8)
    codes.raw_data = bytes(reversed(codes.raw_data))
    monkeypatch.setattr(Cell, "file", lambda cell: proto.SerializeToString())
    found = judged(cell)
    assert found.verdict is Verdict.SILENTLY_WRONG
    assert "differs from its network" in found.why
    assert "same class as the trained module" in found.why


def file_of(weight):
    """A file that multiplies its input by a matrix of floats, or of codes."""
    nodes = [
        helper.make_node("Cast", ["w"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "numbers"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", weight.shape[0]])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", weight.shape[1]])
    graph = helper.make_graph(nodes, "g", [x], [y], [onnx.numpy_helper.from_array(weight, "w")])
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


@pytest.mark.parametrize("bits", [*LAYOUTS, 8])
def test_codes_are_counted_at_their_bits(bits):
    rng = np.random.default_rng(0)
    codes = rng.choice(
        LAYOUTS[bits].levels if bits < 8 else np.arange(-127, 128), (40, 301)
    ).astype(np.int8)
    model = onnx.load_from_string(file_of(codes))
    if bits < 8:
        pack_weights(model, {"w": bits})
    found = held(model.SerializeToString())
    assert [(t.size, t.bits) for t in found.tensors] == [(12_040, bits)]
    assert found.within(bits) == 12_040 and found.floats() == []


def test_floats_are_no_codes():
    weight = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    found = held(file_of(weight))
    assert [t.bits for t in found.tensors] == [32]
    assert found.within(8) == 0 and found.initializer_bytes == 960


def test_zeros_that_are_not_stored_are_weights_all_the_same():
    weight = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)
    weight[np.abs(weight) < 1.5] = 0
    model = onnx.load_from_string(file_of(weight))
    sparse.pack(model)
    found = held(model.SerializeToString())
    assert [t.size for t in found.tensors] == [4800]
    assert found.initializer_bytes < 4 * 4800
