"""What the mutations take out is still there to be taken out."""

import pytest

from tests.chaos.mutations import MUTATIONS, ROOT, Cut


@pytest.mark.parametrize(
    "cut", [cut for mutation in MUTATIONS.values() for cut in mutation.cuts], ids=lambda cut: cut.file
)
def test_the_guard_stands_where_the_mutation_looks_for_it(cut: Cut):
    source = (ROOT / cut.file).read_text()
    assert cut.old in source
    compile(source.replace(cut.old, cut.new), cut.file, "exec")
