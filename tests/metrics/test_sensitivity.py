from dataclasses import replace

import numpy as np
import torch
from helpers import maps_of, on, request, score, scoring
from oracles import sensitivity as slow
from oracles.quantus_library import quantus_sensitivity

from xaibench.normalize import normalize
from xaibench.probes.draws import noise
from xaibench.studies.audit.checks import fed

KEYS = ("max_sensitivity", "avg_sensitivity")


def drawn(base, draws):
    return noise(base.ctx, base.batch.ids[:1], draws, base.batch.size, 0.2)[0]


def test_stand_in_equals_the_formula_and_quantus(few, classifier):
    image, map_ = few.batch.images[0], few.maps[0].cpu().numpy()
    target, values = int(few.target[0]), drawn(few, 3)
    gradient = few.family == "gradient"
    stand_in = slow.quantus_gradient if gradient else slow.quantus_saliency
    expected = slow.sensitivity(
        lambda x: stand_in(classifier.module, x[0], target), image, map_, values
    )
    arrays = [v.numpy().astype(np.float64) for v in values]
    with fed(arrays * 2):
        library = quantus_sensitivity(
            classifier.module, image, map_, target, 0, "Gradient" if gradient else "Saliency", 3
        )
    for key in KEYS:
        ours = float(score(few, f"{key}(draws=3)")[0])
        assert abs(ours - expected[key]) < 1e-4 * expected[key]
        assert abs(ours - library[key]) < 1e-4 * library[key]


def explainer(ctx, batch, spec, protocol="reference"):
    method = request(spec, protocol)

    def explain(inputs, rows, classifier=None):
        some = replace(
            batch,
            ids=tuple(batch.ids[i] for i in rows.tolist()),
            images=inputs,
            targets=batch.targets[rows],
            originals=batch.images[rows],
        )
        native = method.entry(ctx, some, None, **method.options).maps[:, 0]
        return normalize(native, batch.size, method.normalization)

    return explain


def test_the_method_itself_equals_the_formula(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    base = scoring(context, batch, maps_of(context, batch, "gradcam", "reference"))
    explain = explainer(context, batch, "gradcam")
    base = replace(base, explain=explain)
    row = torch.zeros(1, dtype=torch.long, device=device)
    expected = slow.sensitivity(
        lambda x: explain(x.to(device), row)[0],
        batch.images[0],
        base.maps[0].cpu().numpy(),
        drawn(base, 4),
    )
    for key in KEYS:
        assert abs(float(score(base, f"{key}(draws=4)", "reference")[0]) - expected[key]) < 1e-4


def test_fake_cam_is_sensitive_only_to_the_stand_in(context, whole, device):
    """Table 3 prints 0.96 for a map that never changes: it measures another method's gradient."""
    batch = on(whole.rows(0, 5), device)
    base = scoring(context, batch, maps_of(context, batch, "fakecam"), family="control")
    base = replace(base, explain=explainer(context, batch, "fakecam"))
    published = {key: float(score(base, key).mean()) for key in KEYS}
    assert abs(published["max_sensitivity"] - 0.961) < 0.01
    assert abs(published["avg_sensitivity"] - 0.957) < 0.01
    for key in KEYS:
        assert torch.equal(score(base, key, "reference"), torch.zeros(5, dtype=torch.float64))


def test_expensive_methods_are_measured_on_the_subset(context, photographs, device):
    batch = on(photographs.rows(0, 2), device)
    base = scoring(context, batch, maps_of(context, batch, "fakecam"))
    base = replace(
        base,
        explain=explainer(context, batch, "fakecam"),
        extras={"explain_forwards": 8000, "in_subset": torch.tensor([True, False])},
    )
    found = score(base, "max_sensitivity", "reference")
    assert found[0] == 0
    assert found[1].isnan()


def test_a_map_that_vanishes_has_no_relative_change(context, photographs, device):
    batch = on(photographs.rows(0, 1), device)
    zeros = torch.zeros(1, *batch.size, device=device)
    base = scoring(context, batch, zeros)
    assert score(base, "max_sensitivity(draws=2)").isnan().all()
