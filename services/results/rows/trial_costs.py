"""Cost of the items of a trial, read once when the job is paused for it, and its stored text."""

import json

from headrace.jobs.v1 import jobs_pb2
from services.results.database.transaction import Transaction
from services.results.rules.facts import JobFacts
from services.results.rules.trials import (
    MAX_BOOTSTRAP_ITEMS,
    CostSums,
    TrialForecast,
    estimate_interval,
    extrapolate,
    is_paused_for_trial,
)

_OF_TRIAL = """FROM results e WHERE e.job_id = :job_id AND e.item_index >= 0 AND e.item_index < :trial_end
AND e.round IN (0, :round)"""
_SUMS = f"""
SELECT count(*) AS item_count, CAST(COALESCE(sum(e.cost_micros), 0) AS bigint) AS total,
    CAST(COALESCE(sum(CAST(e.cost_micros AS double precision) * e.cost_micros), 0) AS double precision)
        AS squares,
    CAST(COALESCE(sum(e.input_tokens + e.output_tokens), 0) AS bigint) AS token_count
{_OF_TRIAL}"""
_COSTS = f"SELECT e.cost_micros {_OF_TRIAL} ORDER BY e.item_index LIMIT {MAX_BOOTSTRAP_ITEMS}"


async def forecast_trial(tx: Transaction, job: JobFacts) -> str:
    """Returns the text of the forecast of a job whose trial is over."""
    plain = {"job_id": job.job_id, "trial_end": job.trial_end, "round": job.round}
    row = (await tx.run(_SUMS, plain))[0]
    is_known = row.total > 0 or row.token_count == 0
    costs = await tx.run(_COSTS, plain) if row.item_count <= MAX_BOOTSTRAP_ITEMS else []
    sums = CostSums(row.item_count, row.total, row.squares, is_known)
    return json.dumps(estimate_interval(sums, [each.cost_micros for each in costs]))


def trial_message(job: JobFacts) -> jobs_pb2.JobTrial | None:
    """Returns the forecast for all items of a job that is paused for its trial; None for others."""
    if not is_paused_for_trial(job) or job.state != jobs_pb2.JOB_STATE_PAUSED or not job.trial_forecast:
        return None
    trial = TrialForecast(*json.loads(job.trial_forecast))
    message = jobs_pb2.JobTrial(item_count=trial.item_count)
    if trial.low is not None and trial.mean is not None and trial.high is not None and not job.upload_open:
        message.estimated_cost_micros = extrapolate(trial.mean, trial.item_count, job.total_count)
        message.low_cost_micros = extrapolate(trial.low, trial.item_count, job.total_count)
        message.high_cost_micros = extrapolate(trial.high, trial.item_count, job.total_count)
    return message
