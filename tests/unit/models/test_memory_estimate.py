"""What drawing takes, from headers: the miniature's numbers counted, full-size SDXL's as docs/hardware.md has them."""

from dataclasses import replace

import pytest

from models.footprint import decode_bytes_per_pixel
from models.memory_estimate import Equipment, Sizes, equipment_of, estimate_memory, read_sizes
from models.memory_plan import GIB
from models.shipped import miniature_weights

FULL = Sizes(
    parameters={
        ("base", "unet"): 2_567_463_684,
        ("base", "vae"): 83_653_863,
        ("base", "text_encoder"): 123_060_480,
        ("base", "text_encoder_2"): 694_659_840,
        ("refiner", "unet"): 2_259_531_204,
    },
    unet_width=384,
    vae_width=128,
    vae_upcast=True,
)
GPU = Equipment(device="cuda", dtype="float16")
HEADLINE = (1024, 1024)


def test_full_size_sdxl_takes_what_the_document_says():
    estimate = estimate_memory(FULL, GPU, HEADLINE, 2)

    assert estimate.offload is not None
    assert [round(each / GIB, 1) for each in (estimate.resident, estimate.offload, estimate.drawing)] == [
        15.1,
        6.4,
        3.0,
    ]


def test_it_goes_with_size_rows_and_dtype():
    drawing = [
        estimate_memory(FULL, equipment, size, rows).drawing
        for equipment, size, rows in [
            (GPU, (512, 512), 2),
            (GPU, HEADLINE, 2),
            (GPU, (2048, 1024), 2),
            (replace(GPU, batch_rows=80), HEADLINE, 1),
            (replace(GPU, batch_rows=80), HEADLINE, 2),
        ]
    ]
    assert drawing == sorted(set(drawing)), "each takes more than the one before"
    assert drawing[2] == 2 * drawing[1] == 8 * drawing[0] == decode_bytes_per_pixel(128, 4) * 2048 * 1024
    double = estimate_memory(FULL, replace(GPU, dtype="float32"), HEADLINE, 2)
    half = estimate_memory(FULL, GPU, HEADLINE, 2)
    assert double.weights == 2 * half.weights - 83_653_863 * 4, "the VAE is in float32 beside float16 too"
    assert estimate_memory(FULL, replace(GPU, dtype="bfloat16"), HEADLINE, 2).drawing == half.drawing / 2
    assert estimate_memory(replace(FULL, vae_upcast=False), GPU, HEADLINE, 2).drawing == half.drawing / 2


def test_a_cpu_offloads_nothing_and_needs_no_context():
    estimate = estimate_memory(FULL, Equipment(device="cpu", dtype="float32"), HEADLINE, 2)

    assert estimate.offload is None
    assert estimate.resident == estimate.weights + estimate.drawing


def test_the_miniatures_weights_are_counted_once():
    weights = miniature_weights()
    sizes = read_sizes(weights)

    assert set(sizes.parameters) == {*FULL.parameters}, "the refiner shares text encoder 2 and VAE"
    assert read_sizes(replace(weights, refiner=None)).parameters.keys() == FULL.parameters.keys() - {
        ("refiner", "unet")
    }


@pytest.mark.parametrize(
    ("device", "dtype", "drawing", "settled"),
    [
        ("auto", "auto", None, ("cuda", "float16")),
        ("auto", "auto", "cpu, 2 threads", ("cpu", "float32")),
        ("auto", "auto", "NVIDIA H100 (cuda:0)", ("cuda", "float16")),
        ("auto", "bfloat16", "cpu, 2 threads", ("cpu", "bfloat16")),
        ("cpu", "auto", None, ("cpu", "float32")),
        ("cuda:1", "float32", "cpu, 2 threads", ("cuda", "float32")),
    ],
)
def test_what_settings_leave_open_a_worker_tells(device, dtype, drawing, settled):
    equipment = equipment_of(device, dtype, 4, drawing)

    assert (equipment.device, equipment.dtype) == settled
    assert equipment.batch_rows == 4
