"""A source that is down, late, silent or full of errors must be noticed in time; a quiet market is none of these."""

from msgspec.structs import replace

from gapless.consolidate.health import Facts, Health, Limits
from gapless.model import MINUTE, MS, SECOND

UP = Facts(connected=True)


def lively(health: Health, *, until: int, every: int = 200 * MS, begin: int = 0) -> int:
    """Let events come at a steady pace; give when the last of them came."""
    last = begin
    for now in range(begin, until, 100 * MS):
        last = now - now % every
        health.look(replace(UP, last=last or 1), now)
    return last


def test_silence_is_noticed_within_the_limit_and_a_tick_by_the_time_of_receipt() -> None:
    health = Health(Limits(), 0)
    last = lively(health, until=20 * SECOND)
    assert health.verdict.healthy
    assert health.look(replace(UP, last=last), last + 3 * SECOND).healthy
    verdict = health.look(replace(UP, last=last), last + 3 * SECOND + 250 * MS)
    assert (verdict.cause, verdict.since) == ("stale", last)
    assert health.look(replace(UP, last=last + 4 * SECOND), last + 4 * SECOND).healthy


def test_a_market_that_is_quiet_by_habit_is_not_stale() -> None:
    health = Health(Limits(), 0)
    last = lively(health, until=200 * SECOND, every=5 * SECOND)
    assert health.verdict.healthy
    assert health.look(replace(UP, last=last), last + 30 * SECOND).healthy
    assert health.look(replace(UP, last=last), last + 50 * SECOND).cause == "stale"


def test_nothing_is_quiet_for_longer_than_a_minute_by_habit() -> None:
    health = Health(Limits(), 0)
    last = lively(health, until=20 * MINUTE, every=30 * SECOND)
    assert health.look(replace(UP, last=last), last + 59 * SECOND).healthy
    assert health.look(replace(UP, last=last), last + 61 * SECOND).cause == "stale"


def test_a_tape_that_falls_behind_is_stale_though_tickers_go_on() -> None:
    health = Health(Limits(), 0)
    lively(health, until=10 * SECOND)
    behind = 10 * SECOND
    for now in range(behind, behind + 3 * SECOND, 100 * MS):
        assert health.look(replace(UP, last=now, behind=behind), now).healthy
    late = behind + 3_100 * MS
    assert health.look(replace(UP, last=late, behind=behind), late).cause == "stale"


def test_trades_that_stop_are_noticed_though_quotes_go_on_unless_nothing_was_due() -> None:
    health = Health(Limits(), 0)
    for now in range(0, 10 * SECOND, 100 * MS):
        health.look(replace(UP, last=now or 1, traded=now or 1), now)
    traded = 9_900 * MS
    for now in range(10 * SECOND, traded + 3 * SECOND, 100 * MS):
        assert health.look(replace(UP, last=now, traded=traded), now).healthy
    late = traded + 3_100 * MS
    agreed = health.look(replace(UP, last=late, traded=traded, agreed=late - SECOND), late)
    assert agreed.healthy  # a ticker named no newer trade
    verdict = health.look(replace(UP, last=late, traded=traded), late)
    assert (verdict.cause, verdict.since) == ("stale", traded)


def test_a_break_is_noticed_even_where_it_healed_between_two_looks() -> None:
    health = Health(Limits(), 0)
    last = lively(health, until=5 * SECOND)
    verdict = health.look(replace(UP, last=last, breaks=1, broke_at=last), last + 100 * MS)
    assert (verdict.cause, verdict.since) == ("disconnected", last)
    assert health.look(replace(UP, last=last + 200 * MS, breaks=1), last + 200 * MS).healthy


def test_who_is_not_connected_is_unhealthy_whatever_came_last() -> None:
    health = Health(Limits(), 0)
    last = lively(health, until=5 * SECOND)
    assert health.look(replace(UP, connected=False, last=last), last + 100 * MS).cause == "disconnected"


def test_a_late_heartbeat_counts_only_beyond_the_limit() -> None:
    health = Health(Limits(max_latency=100 * MS), 0)
    last = lively(health, until=SECOND)
    assert health.look(replace(UP, last=last, latency=100 * MS), last).healthy
    assert health.look(replace(UP, last=last, latency=101 * MS), last).cause == "latency"


def test_errors_count_for_a_minute() -> None:
    health = Health(Limits(max_errors=3), 0)
    for number in range(1, 5):
        verdict = health.look(replace(UP, last=number * SECOND, errors=number), number * SECOND)
    assert verdict.cause == "errors"
    later = 4 * SECOND + MINUTE
    assert health.look(replace(UP, last=later, errors=4), later).healthy


def test_what_is_not_read_because_the_writer_is_behind_is_no_silence() -> None:
    health = Health(Limits(), 0)
    last = lively(health, until=5 * SECOND)
    assert health.look(replace(UP, last=last), last + 20 * SECOND, paused=True).healthy
    assert health.look(replace(UP, last=last), last + 22 * SECOND).healthy
    assert health.look(replace(UP, last=last), last + 24 * SECOND).cause == "stale"


def test_what_a_venue_does_not_trade_now_is_not_followed() -> None:
    assert Health(Limits(), 0).look(replace(UP, last=1, ended=True), 2).cause == "ended"
