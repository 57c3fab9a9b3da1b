from headrace.jobs.v1 import jobs_pb2
from services.shared.effects import EffectRunner
from services.stubs.results.v1 import results_pb2

EFFECTS = results_pb2.Effects(
    tasks_to_publish=[results_pb2.TaskToPublish(job_id="a", count=2)],
    changed_jobs=[jobs_pb2.Job(job_id="a", seq=3)],
    workers_to_notify=[results_pb2.WorkerToNotify(incarnation="w", job_id="a")],
)


class GivenPublisher:
    def __init__(self):
        self.tasks = []

    def publish(self, tasks):
        self.tasks += tasks


def test_tasks_are_published_changed_jobs_go_to_the_hub_and_workers_are_notified():
    publisher, jobs, workers = GivenPublisher(), [], []
    EffectRunner(publisher, jobs.extend, workers.extend).carry_out(EFFECTS)
    assert publisher.tasks == list(EFFECTS.tasks_to_publish)
    assert jobs == list(EFFECTS.changed_jobs)
    assert workers == list(EFFECTS.workers_to_notify)


def test_a_process_that_notifies_no_workers_carries_out_the_rest():
    publisher, jobs = GivenPublisher(), []
    EffectRunner(publisher, jobs.extend).carry_out(EFFECTS)
    assert (publisher.tasks, jobs) == (list(EFFECTS.tasks_to_publish), list(EFFECTS.changed_jobs))
