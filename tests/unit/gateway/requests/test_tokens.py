import pytest

from headrace.errors import InvalidArgumentError
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.cursors import ResultsQuery
from services.gateway.requests.opaque_text import seal
from services.gateway.requests.page_tokens import PagedQuery
from services.gateway.requests.resume_tokens import resume_seq, resume_token
from services.stubs.results.v1 import results_pb2

JOB_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NO_TOKENS = ["x", "!!!!", "é", "AAAA", seal([]), seal(["page", "x", 1]), seal([1] * 2000), "\0"]


def test_a_resume_token_returns_its_seq():
    assert resume_seq(resume_token(JOB_ID, 7), JOB_ID) == 7


def test_an_empty_resume_token_starts_from_seq_0():
    assert resume_seq("", JOB_ID) == 0


@pytest.mark.parametrize(
    "token",
    [*NO_TOKENS, resume_token(JOB_ID[:-1] + "8", 7), resume_token(JOB_ID, -1), resume_token(JOB_ID, 2**63)],
)
def test_a_resume_token_of_another_job_is_refused(token):
    with pytest.raises(InvalidArgumentError) as caught:
        resume_seq(token, JOB_ID)
    assert caught.value.reason == "INVALID_RESUME_TOKEN"
    assert caught.value.violations[0].field == "resume_token"


def test_a_page_token_returns_its_position():
    query = PagedQuery("ListJobs", "default", [], "noop")
    assert query.job_position(query.page_token(JOB_ID)) == JOB_ID
    assert query.index_position(query.page_token(12)) == 12


def test_an_empty_page_token_is_the_first_page():
    query = PagedQuery("ListJobs", "default", [], "noop")
    assert query.job_position("") == ""
    assert query.index_position("") == -1


@pytest.mark.parametrize(
    "other", [("GetResults", "default", []), ("ListJobs", "t", []), ("ListJobs", "default", [1])]
)
def test_a_page_token_of_another_query_is_refused(other):
    token = PagedQuery("ListJobs", "default", []).page_token(JOB_ID)
    with pytest.raises(InvalidArgumentError) as caught:
        PagedQuery(*other).job_position(token)
    assert caught.value.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("token", NO_TOKENS)
def test_a_text_that_is_not_a_page_token_is_refused(token):
    query = PagedQuery("GetResults", "default")
    for position in (query.job_position, query.index_position):
        with pytest.raises(InvalidArgumentError) as caught:
            position(token)
        assert caught.value.violations[0].field == "page_token"


@pytest.mark.parametrize("position", ["x", JOB_ID.upper(), 1])
def test_a_page_token_with_an_impossible_job_id_is_refused(position):
    query = PagedQuery("ListJobs", "default")
    with pytest.raises(InvalidArgumentError):
        query.job_position(query.page_token(position))


@pytest.mark.parametrize("position", [-1, 2**63, "x"])
def test_a_page_token_with_an_impossible_index_is_refused(position):
    query = PagedQuery("GetResults", "default")
    with pytest.raises(InvalidArgumentError):
        query.index_position(query.page_token(position))


ALL_RESULTS = ResultsQuery(JOB_ID, jobs_pb2.ITEM_STATE_UNSPECIFIED)
ONLY_FAILED = ResultsQuery(JOB_ID, jobs_pb2.ITEM_STATE_FAILED)


@pytest.mark.parametrize(("seq", "item_index"), [(1, 0), (7, 2**63 - 1), (0, -1)])
def test_a_cursor_returns_its_position(seq, item_index):
    position = results_pb2.RecordPosition(seq=seq, item_index=item_index)
    assert ALL_RESULTS.position(ALL_RESULTS.cursor(position)) == position


def test_an_empty_cursor_starts_from_the_first_result():
    assert ALL_RESULTS.position("") is None


@pytest.mark.parametrize(
    "cursor",
    [
        *NO_TOKENS,
        ONLY_FAILED.cursor(results_pb2.RecordPosition(seq=1)),
        ALL_RESULTS._replace(job_id=JOB_ID[:-1] + "8").cursor(results_pb2.RecordPosition(seq=1)),
        seal(["results", JOB_ID, 0, -1, 0]),
        seal(["results", JOB_ID, 0, 1, -2]),
        seal(["results", JOB_ID, 0, 2**63, 0]),
        seal(["results", JOB_ID, 0, "1", 0]),
        resume_token(JOB_ID, 7),
    ],
)
def test_a_cursor_of_other_results_is_refused(cursor):
    with pytest.raises(InvalidArgumentError) as caught:
        ALL_RESULTS.position(cursor)
    assert caught.value.reason == "INVALID_CURSOR"
    assert caught.value.violations[0].field == "cursor"
