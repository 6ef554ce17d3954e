"""Energy from counters like those of a processor, and reasons where there are none."""

from automl.measure import energy


def counter(root, domain, name, microjoules):
    folder = root / domain
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


def test_the_energy_of_a_call_is_what_the_packages_took_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "LEAST_SECONDS", 0.0001)
    files = [counter(tmp_path, f"intel-rapl:{i}", f"package-{i}", 1000) for i in range(2)]
    core = counter(tmp_path, "intel-rapl:0:0", "core", 10**9)
    platform = counter(tmp_path, "intel-rapl:2", "psys", 10**9)

    def call():
        for file in (*files, core, platform):
            file.write_text(str(int(file.read_text()) + 3000))

    assert energy.energy_mj(call, root=tmp_path).value == 6.0


def test_without_a_counter_the_reason_is_told(tmp_path):
    read = energy.energy_mj(lambda: None, root=tmp_path)
    assert read.value is None
    assert str(tmp_path) in read.why_none


def test_a_counter_that_stands_still_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "LEAST_SECONDS", 0.0)
    counter(tmp_path, "intel-rapl:0", "package-0", 1000)
    assert "did not move" in energy.energy_mj(lambda: None, root=tmp_path).why_none
