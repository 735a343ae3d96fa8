from __future__ import annotations

from datetime import date

from lakehouse.repair.retention import DueDay, RetentionReport, _portions


def days(*rows: int) -> list[DueDay]:
    return [DueDay(event_date=date(2001, 12, number), rows=each) for number, each in enumerate(rows, start=1)]


def test_days_go_together_up_to_a_number_of_rows_and_one_that_has_more_goes_alone():
    portions = list(_portions(days(3, 3, 4, 20, 1, 9, 1), most_rows=10))
    assert [[day.rows for day in portion] for portion in portions] == [[3, 3, 4], [20], [1, 9], [1]]
    assert list(_portions([], most_rows=10)) == []


def test_what_is_not_recorded_yet_is_left():
    report = RetentionReport(
        table="iceberg.bronze.service_events_raw", before=date(2002, 1, 1), days=1, rows=10, records=7, by_hand=1
    )
    assert report.left == 2
