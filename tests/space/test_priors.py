import random

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import decode, encode
from automl.data.sklearn import Sklearn
from automl.models.mlp import MLP
from automl.space import space_file
from automl.space.domains import Float, Int, OneOf, Repeat
from automl.space.initial_points import describe
from automl.space.priors import leaning, likely
from automl.space.sampling import trace, uniform
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train
from automl.training.optimizers import SGD, AdamW

MARKED = Space(
    TrialConfig(
        Sklearn("digits"),
        MLP(Repeat(Int(8, 256, step=8, likely=32), Int(1, 3, likely=2)), OneOf("relu", "gelu")),
        (
            Train(
                OneOf(
                    SGD(),
                    AdamW(weight_decay=Float(1e-4, 1.0, log=True, likely=1e-2)),
                    likely="AdamW",
                ),
                epochs=Int(1, 100),
            ),
            Prune(Float(0.2, 0.8, likely=0.2)),
            OneOf(None, Quantize(OneOf(8, 4, 2, likely=4)), likely=Quantize()),
        ),
    )
)
LIKELY = {
    "model.widths.length": 2,
    "model.widths.0": 32,
    "model.widths.1": 32,
    "recipe.train.optimizer": "AdamW",
    "recipe.train.optimizer.AdamW.weight_decay": 1e-2,
    "recipe.prune.fraction": 0.2,
    "recipe.quantize": "Quantize",
    "recipe.quantize.bits": "4",
}


def draw(suggest):
    return trace(MARKED, suggest).params


def test_the_likely_proposal_takes_every_marked_value_and_draws_the_rest():
    first, second = (draw(likely(uniform(random.Random(seed)))) for seed in (1, 2))
    assert {path: first[path] for path in LIKELY} == LIKELY
    assert set(first) - set(LIKELY) == {"model.activation", "recipe.train.epochs"}
    assert first["recipe.train.epochs"] != second["recipe.train.epochs"]


def test_a_likely_number_of_a_float_is_one_whole_or_not():
    decay = Float(0, 1, likely=0)
    for domain, expected in ((decay, float), (Int(0, 9, likely=0), int), (OneOf(0, 1), str)):
        space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (), seed=domain))
        (value,) = trace(space, likely(uniform(random.Random(0)))).params.values()
        assert type(value) is expected


def test_leaning_draws_are_near_the_likely_values_and_reach_all_others():
    rng = random.Random(0)
    drawn = [draw(leaning(uniform(rng), rng)) for _ in range(1000)]

    def share(path, low, high):
        values = [params[path] for params in drawn if path in params]
        return sum(low <= value <= high for value in values) / len(values)

    assert 0.55 < share("model.widths.0", 8, 88) < 0.75, "a third of the range at random"
    assert 0.55 < share("recipe.prune.fraction", 0.2, 0.32) < 0.65
    assert 0.6 < share("recipe.train.optimizer.AdamW.weight_decay", 1e-3, 1e-1) < 0.8
    assert share("model.widths.0", 200, 256) > 0.05
    optimizers = [params["recipe.train.optimizer"] for params in drawn]
    assert 0.7 < optimizers.count("AdamW") / len(drawn) < 0.8
    domain = Int(8, 256, step=8)
    assert all(domain.allows(params["model.widths.0"]) for params in drawn)


def test_without_marks_or_share_a_suggestion_is_left_as_it_is():
    plain = space_file.load(space_file.find("linear").read_text())
    for marked, share in ((plain, 1.0), (MARKED, 0.0)):
        rng = random.Random(0)
        leant = trace(marked, leaning(uniform(random.Random(3)), rng, share))
        assert leant == trace(marked, uniform(random.Random(3)))


def test_a_likely_option_is_told_by_itself_or_by_its_name():
    assert OneOf("relu", "gelu", likely="gelu") == OneOf("relu", "gelu", likely='"gelu"')
    assert OneOf(None, Quantize(), likely="None").likely == "None"
    steps = (Prune(0.5), Train(label="fine_tune"))
    assert OneOf(None, steps, likely=steps).likely == "prune-fine_tune"


def test_a_marked_domain_is_described_and_survives_json():
    for domain, words in (
        (Int(8, 64, step=8, likely=32), "8 to 64 by 8, likely 32"),
        (Float(0.1, 1.0, log=True, likely=0.5), "0.1 to 1, logarithmic, likely 0.5"),
        (OneOf(8, 4, likely=4), "8 | 4, likely 4"),
    ):
        assert describe(domain) == words
        assert decode(encode(domain)) == domain
