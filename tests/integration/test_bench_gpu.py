"""The GPU bench runs through, on the CPU and with small shapes; its figures are then of no interest."""

import json

import pytest

from bench import gpu
from bench.gpu_device import decode_flops, unet_flops
from bench.gpu_weights import read_configs


@pytest.mark.filterwarnings("ignore")  # diffusers' own
def test_it_measures_every_goal_or_says_why_not(tmp_path, capsys):
    device = ["--device", "cpu", "--dtype", "float32", "--threads", "1"]
    gpu.main([*device, "--tiny", "--compile", "off", "--into", str(tmp_path)])

    (file,) = tmp_path.glob("gpu-*.json")
    result = json.loads(file.read_text())
    assert {goal["id"] for goal in result["goals"]} == {f"G{number}" for number in range(1, 16)}
    told = {goal["id"] for goal in result["goals"] if goal["value"] is not None}
    assert told == {"G1", "G2", "G3", "G4", "G6", "G10", "G11", "G14", "G15"}
    assert all("not " in goal["what"] for goal in result["goals"] if goal["value"] is None)
    # two samples; of 6 steps the base runs the 4 above timestep 200, of 4 the refiner runs the one below
    assert result["steps"] == {"base": 8, "refiner": 2}
    assert result["flops"]["job"] == 2 * (8 * result["flops"]["base"] + 2 * result["flops"]["refiner"]) + (
        2 * result["flops"]["decode"]
    )
    assert [goal["value"] for goal in result["goals"] if goal["id"] == "G15"] == [1]
    assert "G15" in capsys.readouterr().out


def test_sdxls_forwards_are_counted():
    """As published counts have them: 5.98 TFLOP without attention's products, 6.76 with."""
    configs = read_configs(tiny=False)
    assert unet_flops(configs, "base_unet", 1024, 1024) / 1e12 == pytest.approx(6.7612, abs=1e-4)
    assert unet_flops(configs, "refiner_unet", 1024, 1024) / 1e12 == pytest.approx(7.2860, abs=1e-4)
    assert decode_flops(configs, 1024, 1024) / 1e12 == pytest.approx(10.4704, abs=1e-4)
