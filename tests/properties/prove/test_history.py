"""Whether the end of a search comes nearer: how many states were open at half of those known."""

from quiesce.properties.prove.history import History


def test_the_frontier_at_half_is_reported() -> None:
    history = History()
    for known in range(1, 1_001):
        history.note(known, known // 3)
    assert abs(history.at_half(1_000) - 500 // 3) <= 500 // 30


def test_of_a_small_search_nothing_is_reported() -> None:
    history = History()
    for known in range(1, 20):
        history.note(known, known)
    assert history.at_half(19) == -1


def test_notes_become_seldom() -> None:
    history = History()
    for known in range(1, 100_001):
        history.note(known, 1)
    assert len(history._notes) < 120
