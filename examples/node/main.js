// Jobs from Node. The first is submitted, watched over a broken stream, and its results are read page by page. The
// second is uploaded over a broken stream while its results are streamed. Then calls that fail.
//
//   npm ci && node main.js                     (gateway: HEADRACE_TARGET, or localhost:50051)
import { randomUUID } from "node:crypto";

import { describe } from "./errors.js";
import { call, gateway, read, tenant } from "./gateway.js";
import { append } from "./uploads.js";

const ITEMS = Array.from({ length: 200 }, (_, number) => JSON.stringify({ number }));

async function submit(more) {
  const { job } = await call("SubmitJob", {
    kind: "noop",
    params: JSON.stringify({ sleep_ms: 50 }),
    request_id: randomUUID(), // a repeated call with it never makes a second job
    ...more,
  });
  console.log(`submitted: ${job.job_id}`);
  return job.job_id;
}

/** Reads a watch until `enough` returns true for a job, or to its end. Returns the last resume token. */
async function watch(request, enough, options = {}) {
  let token = request.resume_token;
  await read(gateway.WatchJob(request, tenant, options), ({ job, resume_token }) => {
    token = resume_token;
    if (!job) return false; // only live numbers
    const { succeeded_count, total_count } = job.progress;
    console.log(`watched: seq=${job.seq} ${job.state} ${succeeded_count}/${total_count}`);
    return enough(job);
  });
  return token;
}

async function watchOverABreak(jobId) {
  let seen = 0;
  const token = await watch({ job_id: jobId }, () => ++seen === 2);
  console.log("broken off");
  await watch({ job_id: jobId, resume_token: token }, () => false);
}

async function readResults(jobId) {
  const indexes = [];
  let page = { next_page_token: "" };
  let pageCount = 0;
  do {
    page = await call("GetResults", { job_id: jobId, page_size: 60, page_token: page.next_page_token });
    indexes.push(...page.results.map((result) => result.item_index));
    pageCount += 1;
  } while (page.next_page_token);
  const complete = indexes.length === ITEMS.length && indexes.every((index, place) => index === place);
  console.log(`results: ${indexes.length} in ${pageCount} pages, ${complete ? "complete" : "incomplete"}`);
}

/** Reads results as they are recorded, after `cursor`, until `enough` returns true for a response. */
async function streamResults(jobId, cursor, indexes, enough) {
  let last;
  await read(gateway.StreamResults({ job_id: jobId, cursor }, tenant), (response) => {
    last = response;
    indexes.push(...response.results.map((result) => result.item_index));
    return enough(response);
  });
  return last;
}

/** Uploads half of the items, reads the first results, and continues both. */
async function uploadOverABreak() {
  const jobId = await submit({ upload: true });
  const half = await append(jobId, ITEMS, ITEMS.length / 2);
  console.log(`upload broken off: ${half.stored} stored`);
  const indexes = [];
  const { cursor } = await streamResults(jobId, "", indexes, () => indexes.length > 0);
  console.log(`stream broken off: ${indexes.length > 0 ? "with" : "without"} results`);
  const rest = await append(jobId, ITEMS);
  console.log(`upload finished: ${rest.stored} stored, went on from ${rest.from}`);
  const { job } = await streamResults(jobId, cursor, indexes, () => false);
  const once = new Set(indexes).size === indexes.length;
  console.log(`streamed: ${indexes.length} ${once ? "once each" : "some twice"}, ${job.state}`);
}

/** Prints the failure of a call. */
async function showFailure(title, failing) {
  try {
    await failing;
    console.log(`${title}: OK`);
  } catch (error) {
    const { code, reason, violations } = describe(error);
    console.log([`${title}: ${code}`, reason, ...violations.map(({ field }) => field)].join(" ").trim());
  }
}

const jobId = await submit({ items: ITEMS });
const aMillisecond = { deadline: Date.now() + 1 };
await showFailure("deadline", watch({ job_id: jobId }, () => false, aMillisecond));
await watchOverABreak(jobId);
await readResults(jobId);
await uploadOverABreak();
await showFailure("wrong params", call("SubmitJob", { kind: "noop", params: '{"sleep_ms": -1}', items: ["1"] }));
await showFailure("wrong kind", call("SubmitJob", { kind: "nope", items: ["1"] }));
const wrongOptions = { max_failed_ratio: 2, max_parallelism: -1 };
await showFailure("wrong fields", call("SubmitJob", { items: ["1"], options: wrongOptions }));
gateway.close();
