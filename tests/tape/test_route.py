"""The source that answers soonest is asked, a slow one is left alone, and one that is fast again is found out."""

from gapless.model import MS, SECOND
from gapless.tape.route import Offer, Routes

ONE = [Offer("rest", 1, 20), Offer("archive", 1, 0)]
DAY = [Offer("rest", 2_062, 41_240), Offer("archive", 1, 0)]


def routes(rest: int = 200 * MS, archive: int = 2 * SECOND) -> Routes:
    return Routes({"rest": rest, "archive": archive}, weight_per_minute=2_400)


def hundred(chosen: Routes, speed: dict[str, int], offers: list[Offer] = ONE) -> list[str]:
    """A hundred questions, each answered in the time that its source takes."""
    asked = []
    for _ in range(100):
        source = chosen.choose(offers).source
        chosen.answered(source, speed[source])
        asked.append(source)
    return asked


def test_a_source_made_ten_times_slower_is_avoided_by_ninety_five_of_the_next_hundred_answers() -> None:
    mirrors = [Offer("rest", 1, 0), Offer("archive", 1, 0)]
    for fast, other in ((12 * MS, 14 * MS), (12 * MS, 30 * MS), (12 * MS, 110 * MS), (80 * MS, 90 * MS)):
        for warm in range(45):  # wherever in the turns of looking about it happens
            chosen = routes()
            for _ in range(3):
                hundred(chosen, {"rest": fast, "archive": other}, mirrors)
            for _ in range(warm):
                source = chosen.choose(mirrors).source
                chosen.answered(source, {"rest": fast, "archive": other}[source])
            assert hundred(chosen, {"rest": 10 * fast, "archive": other}, mirrors).count("rest") <= 5


def test_a_source_that_is_fast_again_is_found_out() -> None:
    chosen = routes()
    hundred(chosen, {"rest": 12 * MS, "archive": 2 * SECOND})
    hundred(chosen, {"rest": 30 * SECOND, "archive": 2 * SECOND})
    hundred(chosen, {"rest": 12 * MS, "archive": 2 * SECOND})
    assert hundred(chosen, {"rest": 12 * MS, "archive": 2 * SECOND}).count("rest") >= 96


def test_looking_about_costs_at_most_four_answers_in_a_hundred() -> None:
    chosen = routes()
    for _ in range(5):
        assert hundred(chosen, {"rest": 12 * MS, "archive": 2 * SECOND}).count("archive") <= 4


def test_a_day_of_trades_comes_from_its_file_and_a_single_page_by_rest() -> None:
    chosen = routes()
    assert chosen.choose(ONE).source == "rest"
    day = chosen.choose(DAY)
    assert (day.source, day.why) == ("archive", "41,240 weight by rest")


def test_the_reason_names_both_speeds() -> None:
    chosen = routes()
    chosen.answered("rest", 12 * MS)
    chosen.answered("archive", 180 * MS)
    assert chosen.choose([Offer("rest", 1, 0), Offer("archive", 1, 0)]).why == "12 ms against 180 ms by archive"
    assert chosen.choose(ONE[:1]).why == "the only source that can answer now"


def test_a_source_that_only_fails_is_left_for_one_that_answers() -> None:
    chosen = routes(rest=12 * MS, archive=100 * MS)
    offers = [Offer("rest", 1, 0), Offer("archive", 1, 0)]
    for _ in range(12):
        chosen.failed("rest")
    assert chosen.choose(offers).source == "archive"


def test_the_choice_depends_on_what_came_before_and_on_nothing_else() -> None:
    speeds = {"rest": 400 * MS, "archive": 700 * MS}
    assert hundred(routes(), speeds) == hundred(routes(), speeds)
