"""What is told of the speed of a cluster leaves out what it has not done."""

from mcqa.scoring.pace import Pace


def test_loading_and_parts_that_were_there_do_not_count():
    pace = Pace(1000, 400, clock=iter((110.0, 120.0)).__next__)
    assert str(pace) == "400 of 1,000 questions"
    pace.add("a", 100, seconds=10.0)  # began at 100, whatever went before
    pace.add("b", 300, seconds=20.0)
    assert str(pace) == "800 of 1,000 questions, 20.0/s, 10 s left; 2 workers: 10.0 to 15.0/s"


def test_long_times_are_told_in_minutes_and_hours():
    for total, left in ((1210, "2 min"), (72010, "2.0 h")):
        pace = Pace(total, 0, clock=iter((5.0,)).__next__)
        pace.add("a", 10, seconds=1.0)
        assert f"{left} left; 1 worker: 10.0/s" in str(pace)
