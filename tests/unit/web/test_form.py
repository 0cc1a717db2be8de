"""Forms from cards: every parameter that clients see is a field, with the bounds it has there."""

import pytest

from models.catalogue import Catalogue
from server.web.form import first_values, form_of, text_of
from tests.wire.uploading import cards

TRIGGER = Catalogue.load().find("hevok", "studio-trigger")


def test_every_shown_parameter_is_a_field_in_its_order():
    fields = [field.id for group in form_of(TRIGGER) for field in group.fields]

    assert fields == [parameter.id for parameter in TRIGGER.shown_parameters]


def test_a_range_keeps_its_bounds_and_a_select_its_options():
    fields = {field.id: field for group in form_of(TRIGGER) for field in group.fields}

    assert (fields["scale"].kind, fields["scale"].minimum, fields["scale"].maximum) == ("range", "0", "30")
    assert (fields["scale"].step, fields["scale"].value) == ("0.1", "4")
    assert (fields["seed"].kind, fields["seed"].value) == ("seed", "")
    assert [option.value for option in fields["refiner"].options] == ["--only_base_model", ""]
    assert fields["refiner"].value == ""


def test_the_first_groups_are_open_and_the_others_folded():
    assert [group.open for group in form_of(TRIGGER)] == [True, True, False, False]


def test_files_are_chosen_and_no_value(tmp_path):
    catalogue = Catalogue.load([cards(tmp_path / "cards")])
    kinds = {
        field.id: (field.kind, field.several) for card in catalogue for group in form_of(card) for field in group.fields
    }

    assert ("file", False) in kinds.values()
    assert not [name for card in catalogue for name in first_values(card) if kinds[name][0] == "file"]


@pytest.mark.parametrize(("value", "text"), [(None, ""), (4.0, "4"), (0.25, "0.25"), (0, "0"), ("x", "x")])
def test_values_as_a_form_holds_them(value, text):
    assert text_of(value) == text
