"""What the mutations take out is still there to be taken out."""

import pytest

from tests.chaos.mutations import MUTATIONS, ROOT


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_guard_stands_where_the_mutation_looks_for_it(name: str):
    mutation = MUTATIONS[name]
    source = (ROOT / mutation.file).read_text()
    assert mutation.old in source
    compile(source.replace(mutation.old, mutation.new), mutation.file, "exec")
