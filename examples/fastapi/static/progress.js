// Submits a batch and shows its progress. Text of users goes into the page as text alone (textContent).
const TERMINAL = new Set(["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]);

const form = document.querySelector("#batch");
const live = document.querySelector("#live");
const bar = live.querySelector("progress");
const state = live.querySelector("#state");
const detail = live.querySelector("#detail");
const list = live.querySelector("#results");

let source = null;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const titles = data.get("titles").split("\n").map((title) => title.trim()).filter(Boolean);
  const response = await fetch("/jobs", {
    method: "POST",
    // The same key makes the same job, should the request be sent twice.
    headers: { "Content-Type": "application/json", "Idempotency-Key": key() },
    body: JSON.stringify({ name: data.get("name"), titles }),
  });
  const answer = await response.json();
  live.hidden = false;
  if (!response.ok) {
    state.textContent = "refused";
    detail.textContent = answer.message ?? "The batch is not valid.";
    return;
  }
  follow(answer.job_id, titles);
});

function follow(jobId, titles) {
  source?.close();
  list.replaceChildren();
  // After a lost connection the browser connects again and sends the id of the last event: Last-Event-ID.
  source = new EventSource(`/jobs/${encodeURIComponent(jobId)}/events`);
  source.addEventListener("progress", (message) => {
    const event = JSON.parse(message.data);
    show(event);
    if (TERMINAL.has(event.job.state)) {
      source.close();
      showResults(jobId, titles);
    }
  });
  source.addEventListener("error", () => {
    state.textContent = source.readyState === EventSource.CLOSED ? "lost" : "reconnecting";
  });
}

function show({ job, forecast }) {
  const { total_count, succeeded_count, failed_count } = job.progress;
  bar.max = Math.max(total_count, 1);
  bar.value = succeeded_count + failed_count;
  state.textContent = job.state;
  const parts = [`${bar.value} of ${total_count}`];
  if (failed_count) parts.push(`${failed_count} failed`);
  if (forecast?.estimated_remaining != null) parts.push(`about ${Math.ceil(forecast.estimated_remaining)} s left`);
  if (job.error) parts.push(`${job.error.reason}: ${job.error.message}`);
  detail.textContent = parts.join(", ");
}

async function showResults(jobId, titles) {
  const results = await (await fetch(`/jobs/${encodeURIComponent(jobId)}/results`)).json();
  list.replaceChildren(...results.map((result) => {
    const line = document.createElement("li");
    line.textContent = `${titles[result.item_index]}: ${result.output?.label ?? result.error.reason}`;
    return line;
  }));
}

function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
