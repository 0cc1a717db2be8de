from server.worker.pace import Every


def test_every_so_often():
    now = 100.0
    due = Every(5, lambda: now)
    assert due()
    assert not due()
    now = 104.9
    assert not due()
    now = 105
    assert due()
    assert not due()


def test_now_makes_the_next_call_true_and_counts_from_there():
    now = 100.0
    due = Every(5, lambda: now)
    assert due()
    now = 102
    due.now()
    assert due()
    now = 106.9
    assert not due()
    now = 107
    assert due()
