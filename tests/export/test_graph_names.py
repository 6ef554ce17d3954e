"""The names of a graph, in the bodies of its nodes too."""

from onnx import parser

from automl.export.graph_names import graphs, reads, rename

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
g (bool[1] c, float[2] x) => (float[2] y)
<float[2] w = {1, 2}, float low = {0}>
{
  a = Clip(x, , low)
  y = If (c) <
    then_branch = t () => (float[2] w) {},
    else_branch = e () => (float[2] s) { s = Add(a, w) }
  >
}
"""


def test_a_new_name_reaches_every_reader():
    graph = parser.parse_model(MODEL).graph
    clip, branch = graph.node
    assert reads(branch) == {"c", "a", "w"}
    rename(graph, lambda name: {"w": "0", "a": "1"}.get(name, name))
    assert [tensor.name for tensor in graph.initializer] == ["0", "low"]
    assert (list(clip.input), list(clip.output)) == (["x", "", "low"], ["1"])
    top, *within = graphs(graph)
    assert top == graph and [each.output[0].name for each in within] == ["0", "s"]
    assert [list(node.input) for each in within for node in each.node] == [["1", "0"]]
