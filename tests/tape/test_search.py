"""The first trade of a time is found by ids alone, in few pages, however unevenly trades come."""

from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.model import SECOND, Trade
from gapless.tape.search import Search

SIZE = 100


def rows_of(times: list[int], first: int, last: int, *, since: int = 1) -> list[Trade]:
    return [Trade(n, times[n - 1], 1, 1, 1, 1, n, 0) for n in range(max(first, since), last + 1)]


def found(times: list[int], time: int, *, low: int = 0, since: int = 1) -> tuple[int, int]:
    """Look for a time among ids 1, 2, ..., of which the venue remembers those from `since` on."""
    newest = len(times)
    search = Search(time, (newest, times[-1]), (low, times[low - 1] if low else 0), SIZE)
    while not search.found:
        ids = search.page()
        assert search.low[0] < ids[0] <= ids[1] < search.high[0]
        assert ids[1] - ids[0] < SIZE
        search.saw(ids, rows_of(times, *ids, since=since))
        assert search.asked < 60, "no end"
    return search.high[0], search.asked


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.sampled_from([0, 1, 10**3, 10**9, 10**12])), min_size=1, max_size=12),
    st.data(),
)
def test_the_first_trade_at_or_after_a_time_is_found_whatever_the_rates(bursts, data):
    times = [SECOND]  # 0 stands for no time
    for count, step in bursts:
        times += [times[-1] + step * k for k in range(1, count + 1)]
    time = data.draw(st.integers(SECOND, times[-1]) | st.sampled_from(times))
    low = data.draw(st.integers(0, bisect_left(times, time)))
    assert found(times, time, low=low)[0] == bisect_left(times, time) + 1


@pytest.mark.parametrize("back", [1, 50, 5_000, 400_000])
def test_few_pages_are_asked_for_where_trades_come_evenly(back):
    times = [k * SECOND for k in range(500_000)]
    number, pages = found(times, times[-back])
    assert number == len(times) - back + 1
    assert pages <= 4


def test_what_the_venue_remembers_no_more_ends_the_search_at_what_it_has():
    times = [k * SECOND for k in range(20_000)]
    assert found(times, times[10], since=15_000)[0] == 15_000
