import pytest

from server.worker.log_tail import MAX_EVENTS, MAX_LINE, MAX_TAIL, LogTail, clean


def test_a_line_is_an_event_and_part_of_the_log():
    log = LogTail()
    assert log.add("  a line\n") == "a line"
    assert log.add("another") == "another"
    assert str(log) == "a line\nanother"


def test_a_long_line_is_cut():
    log = LogTail()
    assert log.add("x" * 10_000) == "x" * MAX_LINE
    assert str(log) == "x" * MAX_LINE


def test_a_flood_makes_a_bounded_number_of_events_the_last_of_which_says_so():
    log = LogTail()
    shown = [line for number in range(10_000) if (line := log.add(f"line {number}")) is not None]
    assert len(shown) == MAX_EVENTS
    assert shown[:-1] == [f"line {number}" for number in range(MAX_EVENTS - 1)]
    assert "only its end" in shown[-1]


def test_only_the_end_of_a_long_log_is_kept_in_whole_lines():
    log = LogTail()
    for number in range(10_000):
        log.add(f"line {number}")
    kept = str(log).splitlines()
    assert len(str(log)) <= MAX_TAIL
    assert len(str(log)) > MAX_TAIL - 2 * len("line 9999")
    assert kept == [f"line {number}" for number in range(10_000 - len(kept), 10_000)]


@pytest.mark.parametrize("text", ["", "a line", "größer 🦊", "tab\tand\nnewline"])
def test_what_a_database_takes_stays_as_it_is(text: str):
    assert clean(text) == text


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "file \udcff.safetensors"])
def test_what_no_database_takes_is_replaced(text: str):
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert len(cleaned) == len(text)
    cleaned.encode()
