"""A program in another language gets everything from the protos alone."""

import re

import pytest

pytestmark = pytest.mark.timeout(600)


def watched(text):
    """Seq, state and finished items of each snapshot."""
    lines = re.findall(r"^watched: seq=(\d+) JOB_STATE_(\w+) (\d+)/200$", text, re.MULTILINE)
    return [(int(seq), state, int(count)) for seq, state, count in lines]


def said_of(title, printed):
    (line,) = re.findall(rf"^{title}: (.*)$", printed, re.MULTILINE)
    return line


def test_a_job_is_submitted_and_watched_to_its_end(printed):
    assert re.search(r"^submitted: [0-9a-f-]{36}$", printed, re.MULTILINE)
    snapshots = watched(printed)
    assert snapshots == sorted(snapshots, key=lambda snapshot: snapshot[0])
    assert snapshots[-1][1:] == ("SUCCEEDED", 200)


def test_a_watch_that_broke_off_goes_on_with_newer_snapshots(printed):
    before, after = (watched(part) for part in re.split(r"^broken off.*\n", printed, flags=re.MULTILINE))
    assert len(before) >= 2
    assert before[-1][1] == "RUNNING"
    assert after[0][0] > before[-1][0]


def test_results_are_read_page_by_page(printed):
    assert said_of("results", printed) == "200 in 4 pages, complete"


def test_an_upload_that_broke_off_goes_on_where_it_was_and_sends_nothing_twice(printed):
    assert said_of("upload broken off", printed) == "100 stored"
    assert said_of("upload finished", printed) == "200 stored, went on from 100"


def test_results_stream_while_items_still_arrive_and_come_once_over_a_break(printed):
    assert said_of("stream broken off", printed) == "with results"
    assert said_of("streamed", printed) == "200 once each, JOB_STATE_SUCCEEDED"


def test_a_failed_call_names_its_reason_and_the_wrong_field(printed):
    assert said_of("wrong params", printed) == "INVALID_ARGUMENT INVALID_FIELD params.sleep_ms"
    assert said_of("wrong kind", printed) == "INVALID_ARGUMENT UNKNOWN_KIND kind"


def test_every_wrong_field_is_named_at_once(printed):
    code, reason, *fields = said_of("wrong fields", printed).split()
    assert (code, reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert sorted(fields) == ["kind", "options.max_failed_ratio", "options.max_parallelism"]


def test_a_deadline_of_a_millisecond_is_kept(printed):
    assert said_of("deadline", printed) == "DEADLINE_EXCEEDED"
