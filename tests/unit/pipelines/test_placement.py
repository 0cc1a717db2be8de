"""Where weights lie. The device that can't be had here is played by a mover that keeps a book."""

import pytest
import torch
from torch import nn

from models.memory_plan import CONTEXT_BYTES, GIB, HEADLINE, VAE, Memory, plan_memory
from pipelines.device import choose_dtype, choose_vae_dtype
from pipelines.expert_files import ExpertFiles
from pipelines.loading import BASE, REFINER, TEXT, Weights
from pipelines.lora import NO_LORA
from pipelines.placement import Offload
from pipelines.studio import Studio
from tests.sdxl import miniature_fixture  # noqa: F401 - a fixture
from tests.unit.pipelines.loads import load

CUDA = torch.device("cuda")


class Book:
    """Where each module was moved to last; moving may fail once."""

    def __init__(self) -> None:
        self.places: dict[int, str] = {}
        self.moves = 0
        self.fails_at: nn.Module | None = None

    def __call__(self, module: nn.Module, device: torch.device) -> None:
        if module is self.fails_at and device == CUDA:
            self.fails_at = None
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.moves += self.places.get(id(module), "cpu") != device.type
        self.places[id(module)] = device.type

    def on_device(self, groups: dict[str, list[nn.Module]]) -> set[str]:
        return {name for name, modules in groups.items() for each in modules if self.places.get(id(each)) == "cuda"}


def test_one_group_is_on_the_device_at_a_time():
    book, groups = Book(), {"a": [nn.Linear(1, 1), nn.Linear(1, 1)], "b": [nn.Linear(1, 1)]}
    placement = Offload(CUDA, groups, book)
    for name in ("a", "b", "b", "a"):
        placement.bring(name)
        assert book.on_device(groups) == {name}
    moves = book.moves
    placement.bring("a")
    assert book.moves == moves


def test_a_failure_on_the_way_is_made_good_by_the_next_call():
    book, groups = Book(), {"a": [nn.Linear(1, 1)], "b": [nn.Linear(1, 1), nn.Linear(1, 1)]}
    placement = Offload(CUDA, groups, book)
    book.fails_at = groups["b"][1]
    with pytest.raises(torch.OutOfMemoryError):
        placement.bring("b")
    placement.bring("a")
    assert book.on_device(groups) == {"a"}
    placement.bring("b")
    assert book.on_device(groups) == {"b"}


class Diary:
    def __init__(self) -> None:
        self.brought: list[str] = []

    def bring(self, group: str) -> None:
        self.brought.append(group)


def test_each_group_is_brought_before_it_is_used(miniature):
    loaded = load(miniature.folder, refiner=True)
    weights = Weights(base=loaded.base, refiner=loaded.refiner, memory=Memory.OFFLOAD)
    diary = Diary()
    studio = Studio(weights, torch.device("cpu"), placement=diary)
    assert weights.refiner is not None
    with torch.no_grad():
        studio.dress_text_encoders(NO_LORA)
        studio.dress_unet(NO_LORA)
        assert diary.brought == [TEXT, BASE]
        studio.decode(weights.base, torch.zeros(1, 4, 8, 8), lambda _line: None)
        assert diary.brought[-1] == VAE
        conditions = {"text_embeds": torch.zeros(1, 32), "time_ids": torch.zeros(1, 5)}
        weights.refiner.unet(torch.zeros(1, 4, 8, 8), 1, torch.zeros(1, 77, 32), added_cond_kwargs=conditions)
        assert diary.brought[-1] == REFINER


def test_groups_hold_every_module_once(miniature):
    weights = load(miniature.folder, refiner=True)
    modules = [module for group in weights.groups().values() for module in group]
    assert len({id(module) for module in modules}) == len(modules) == 5
    assert weights.groups()[TEXT] == [stage.text_encoder for stage in weights.base.text_stages]


# ── policy ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_all_stays_where_it_fits_and_the_largest_group_alone_where_it_doesnt():
    groups = {"base": 5 * GIB, "refiner": 4 * GIB, VAE: GIB}
    whole = 10 * GIB + HEADLINE.decode_bytes + CONTEXT_BYTES
    assert plan_memory("auto", groups, whole).policy is Memory.RESIDENT
    less = plan_memory("auto", groups, whole - 1)
    assert (less.policy, less.device_bytes, less.host_bytes) == (
        Memory.OFFLOAD,
        5 * GIB + HEADLINE.forward_bytes + CONTEXT_BYTES,
        10 * GIB,
    )
    assert (
        plan_memory("offload", {VAE: 4 * GIB, "base": GIB}, 0).device_bytes
        == 4 * GIB + HEADLINE.decode_bytes + CONTEXT_BYTES
    )
    assert plan_memory("auto", groups, None).policy is Memory.RESIDENT
    assert plan_memory("offload", groups, 10**15).policy is Memory.OFFLOAD
    assert plan_memory("resident", groups, 0).policy is Memory.RESIDENT
    with pytest.raises(ValueError, match="everywhere"):
        plan_memory("everywhere", groups, None)


def test_precision_goes_by_the_device_unless_it_is_said():
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu) is torch.float32
    assert choose_dtype("auto", CUDA) is torch.float16
    assert choose_dtype("bfloat16", cpu) is torch.bfloat16
    with pytest.raises(ValueError, match="no precision 'int4'; there are auto, float16"):
        choose_dtype("int4", cpu)


@pytest.mark.parametrize(
    ("dtype", "force_upcast", "expected"),
    [
        (torch.float16, True, torch.float32),
        (torch.float16, False, torch.float16),
        (torch.bfloat16, True, torch.bfloat16),
        (torch.float32, True, torch.float32),
    ],
)
def test_the_stock_vae_never_runs_in_float16(dtype, force_upcast, expected):
    assert choose_vae_dtype(dtype, force_upcast=force_upcast) is expected


def test_parameters_are_counted_as_they_are_loaded(miniature):
    source, weights = ExpertFiles(miniature.base), load(miniature.folder)
    assert source.parameters_of("unet") == sum(value.numel() for value in weights.base.unet.state_dict().values())
