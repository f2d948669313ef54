"""Two processes, one budget: whatever comes back in whichever order, the host's limits hold over both."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.budget.circuit import LEASE, abandoned, banned, failed, phase, refused, succeeded
from gapless.budget.host import Ceiling, HostState, granted, observed
from gapless.budget.learn import disproved, limit_of, taught
from gapless.budget.priority import Priority, part
from gapless.model import HOUR, MINUTE, MS, SECOND

T0 = 1_000_000 * HOUR
CEILING = Ceiling(weight_per_minute=200, reserve=10)

asks = st.tuples(st.just("ask"), st.integers(0, 1), st.sampled_from([1, 5, 20, 60]), st.sampled_from(Priority))
replies = st.tuples(
    st.sampled_from(["well", "well", "failed", "throttled", "told", "banned", "cancelled", "died"]),
    st.integers(0, 1), st.integers(0, 30), st.just(Priority.LIVE),
)  # fmt: skip
times = st.tuples(
    st.just("time"), st.just(0), st.sampled_from([1, 20, 300, 5_000, 30_000, 61_000]), st.just(Priority.LIVE)
)
happenings = st.lists(st.one_of(asks, asks, replies, times), min_size=20, max_size=150)


class World:
    """What both clients did, kept apart from the state that is under test."""

    def __init__(self) -> None:
        self.state = HostState()
        self.now = T0
        self.flying: list[list[tuple[int, int]]] = [[], []]  # by client: (weight, mark of a probe)
        self.until = 0
        self.probes: dict[int, int] = {}  # the marks of probes that nothing is known of, and when they left
        self.spent: Counter[int] = Counter()

    def ask(self, who: int, cost: int, priority: Priority) -> None:
        now = self.now - who * 20 * MS  # the second one read its clock a moment earlier
        after, wait = granted(self.state, cost, CEILING, now, priority)
        assert wait >= 0
        if wait:
            assert after is self.state
            return
        assert now >= self.until, "a request left while the host was blocked"
        mark = after.probe if after.blocked_until else 0
        assert mark or phase(self.state, now) == "closed"
        if mark:
            assert all(left + LEASE <= now for left in self.probes.values()), "two probes were out at once"
            self.probes[mark] = now
        self.spent[after.window] += cost
        most = part(limit_of(after, CEILING, now) - CEILING.reserve, priority)
        assert self.spent[after.window] <= max(most, cost), "more weight left than a minute allows"
        self.flying[who].append((cost, mark))
        self.state = after

    def back(self, what: str, who: int, number: int) -> None:
        if not self.flying[who]:
            return
        weight, mark = self.flying[who].pop(0)
        state, now = self.state, self.now
        if what == "died":
            return
        mine = bool(mark) and mark == state.probe
        self.probes.pop(mark, None)
        flying = weight + sum(cost for cost, _ in self.flying[who])
        if what in ("well", "throttled", "told"):
            state = observed(state, self.spent[now // MINUTE], now)
        if what == "well":
            state = disproved(succeeded(state, mark), state.used, now)
            if mine:
                assert phase(state, now) == "closed"
        elif what == "failed":
            state = failed(state, mark, now, share=0.5 + number / 180)
        elif what == "cancelled":
            state = abandoned(state, mark)
        elif what == "banned":
            state = banned(state, now, number * SECOND)
            self.until = max(self.until, now + number * SECOND)
        else:
            wait = number * SECOND if what == "told" else None
            state = taught(state, CEILING, now, used=state.used, flying=flying, wait=wait)
            state = refused(state, mark, now, wait=wait, venue_now=None)
            self.until = max(self.until, now + number * SECOND if wait is not None else (now // MINUTE + 1) * MINUTE)
        if what in ("failed", "banned", "throttled", "told") and mine:
            assert phase(state, now) == "open"
        if state.blocked_until > self.state.blocked_until:
            self.probes.clear()  # whatever is out belongs to the time before this block
        self.state = state


@settings(max_examples=200, deadline=None)
@given(happenings)
def test_nothing_leaves_while_blocked_one_request_while_half_open_and_never_more_than_the_ceiling(
    steps: list[tuple[str, int, int, Priority]],
) -> None:
    world = World()
    for what, who, number, priority in steps:
        if what == "time":
            world.now += number * MS
        elif what == "ask":
            world.ask(who, number, priority)
        else:
            world.back(what, who, number)
