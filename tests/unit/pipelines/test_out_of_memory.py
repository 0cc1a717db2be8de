"""What is tried when memory runs out, on devices that hold a chosen number of rows."""

import weakref

import pytest
import torch

from pipelines.encoding import Conditioning
from pipelines.errors import GenerationError, NothingFits
from pipelines.forward import predict
from pipelines.out_of_memory import first_that_fits, fitting_size, in_narrower_batches


class Memory:
    def __init__(self, free: int | None = None) -> None:
        self.free = free
        self.releases = 0

    def free_bytes(self) -> int | None:
        return self.free

    def release(self) -> bool:
        self.releases += 1
        return False


class ScarceUnet:
    """Adds up what it is given, row by row, on at most `most_rows` at once."""

    dtype = torch.float16

    def __init__(self, most_rows: int) -> None:
        self.config = {"block_out_channels": (320,)}
        self.most_rows = most_rows
        self.widths: list[int] = []

    def __call__(self, rows, timestep, *, encoder_hidden_states, added_cond_kwargs, return_dict):
        self.widths.append(len(rows))
        if len(rows) > self.most_rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert not return_dict
        extra = timestep + encoder_hidden_states.sum((1, 2)) + sum(value.sum(1) for value in added_cond_kwargs.values())
        return (rows + extra.view(-1, 1, 1, 1),)


def conditioning(rows: int) -> Conditioning:
    generator = torch.Generator().manual_seed(rows)
    made = [torch.randn(rows, *shape, generator=generator) for shape in ((77, 8), (4,), (6,))]
    return Conditioning(prompt_embeds=made[0], text_embeds=made[1], time_ids=made[2])


@pytest.mark.parametrize(
    ("most_rows", "widths"), [(8, [8]), (7, [8, 4, 4]), (2, [8, 4, 2, 2, 2, 2]), (1, [8, 4, 2, *[1] * 8])]
)
@pytest.mark.parametrize("timestep", [torch.tensor(500), torch.arange(8.0)])
def test_a_micro_batch_that_doesnt_fit_runs_in_narrower_ones(most_rows, widths, timestep):
    unet, memory, rows = ScarceUnet(most_rows), Memory(), torch.randn(8, 4, 2, 2)
    expected = predict(ScarceUnet(8), rows, timestep, conditioning(8), Memory())
    assert torch.equal(predict(unet, rows, timestep, conditioning(8), memory), expected)
    assert unet.widths == widths
    assert memory.releases == len(set(widths)) - 1


def test_a_row_that_doesnt_fit_fails_in_a_sentence_with_a_size():
    # 16 maps × 320 channels × 2 bytes for each place of the latents
    quarter = 16 * 320 * 2 * 128 * 128 // 4
    with pytest.raises(GenerationError, match=r"ran out of memory at 1024 × 1024; about 512 × 512 should fit\.$"):
        predict(ScarceUnet(0), torch.zeros(2, 4, 128, 128), torch.tensor(1), conditioning(2), Memory(quarter))


def test_other_errors_are_let_through_at_once():
    calls: list[int] = []

    def broken() -> int:
        calls.append(1)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        first_that_fits([broken, broken], Memory())
    assert calls == [1]


def test_what_held_memory_is_let_go_before_the_next_attempt():
    """The traceback of the exception holds the frame, and the frame the tensor."""
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[torch.Tensor | None] = []

    class Watching(Memory):
        def release(self) -> bool:
            alive.extend(each() for each in made)
            return False

    def full() -> int:
        tensor = torch.zeros(3)
        made.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError(f"no room beside {tensor}")

    with pytest.raises(NothingFits):
        first_that_fits([full, full], Watching())
    assert len(made) == 2
    assert alive == [None, None, None]


def test_odd_widths_are_covered_whole():
    parts: list[slice] = []

    def run(part: slice) -> torch.Tensor:
        rows = torch.arange(5)[part]
        if len(rows) > 3:
            raise MemoryError
        parts.append(part)
        return rows

    assert torch.equal(in_narrower_batches(run, 5, Memory()), torch.arange(5))
    assert len(parts) == 2


def test_a_size_that_fits_keeps_the_shape_and_the_grid():
    assert fitting_size(2048, 1024, 1.0, 2048 * 1024 // 4) == (1024, 512)
    assert fitting_size(2048, 1024, 1.0, 10**12) == (1920, 960)
    assert fitting_size(2048, 1024, 1.0, 100) is None


def test_the_same_is_tried_again_where_something_kept_was_given_up():
    class Keeping(Memory):
        def release(self) -> bool:
            super().release()
            return self.releases == 1

    tried = list[str]()

    def attempt(name: str, fits_at: int):
        def act() -> str:
            tried.append(name)
            if tried.count(name) < fits_at:
                raise torch.OutOfMemoryError(name)
            return name

        return act

    assert first_that_fits([attempt("whole", 2), attempt("tiled", 1)], Keeping()) == "whole"
    tried.clear()
    assert first_that_fits([attempt("whole", 3), attempt("tiled", 1)], Keeping()) == "tiled"
    assert tried == ["whole", "whole", "tiled"]
