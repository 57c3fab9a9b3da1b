// A job from Node: submitted, watched over a broken stream, its results read; and two calls that fail.
//
//   npm ci && node main.js                     (gateway: HEADRACE_TARGET, or localhost:50051)
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";

import { describe } from "./errors.js";
import { GatewayService } from "./protos.js";

const ITEM_COUNT = 200;
const TERMINAL = new Set(["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"].map((name) => `JOB_STATE_${name}`));

const gateway = new GatewayService(
  process.env.HEADRACE_TARGET ?? "localhost:50051",
  grpc.credentials.createInsecure(),
);
const tenant = new grpc.Metadata();
tenant.set("headrace-tenant", "node-example");

/** Makes one unary call that may take 10 seconds. */
function call(method, request) {
  const send = promisify(gateway[method]).bind(gateway);
  return send(request, tenant, { deadline: Date.now() + 10_000 });
}

async function submit() {
  const { job } = await call("SubmitJob", {
    kind: "noop",
    params: JSON.stringify({ sleep_ms: 50 }),
    items: Array.from({ length: ITEM_COUNT }, (_, number) => JSON.stringify({ number })),
    request_id: randomUUID(), // with it a repeated call never makes a second job
  });
  console.log(`submitted: ${job.job_id}`);
  return job.job_id;
}

/** Reads a watch until `enough` says so of a job; returns the last resume token. */
async function watch(request, enough, options = {}) {
  const stream = gateway.WatchJob(request, tenant, options);
  let token = request.resume_token;
  try {
    for await (const { job, resume_token } of stream) {
      token = resume_token;
      if (!job) continue; // only live numbers
      const { succeeded_count, total_count } = job.progress;
      console.log(`watched: seq=${job.seq} ${job.state} ${succeeded_count}/${total_count}`);
      if (enough(job)) break;
    }
  } finally {
    stream.cancel();
  }
  return token;
}

async function watchOverABreak(jobId) {
  let seen = 0;
  const token = await watch({ job_id: jobId }, () => ++seen === 2);
  console.log("broken off");
  await watch({ job_id: jobId, resume_token: token }, (job) => TERMINAL.has(job.state));
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
  const complete = indexes.length === ITEM_COUNT && indexes.every((index, place) => index === place);
  console.log(`results: ${indexes.length} in ${pageCount} pages, ${complete ? "complete" : "incomplete"}`);
}

/** Prints how a call fails. */
async function showFailure(title, failing) {
  try {
    await failing;
    console.log(`${title}: OK`);
  } catch (error) {
    const { code, reason, violations } = describe(error);
    console.log([`${title}: ${code}`, reason, ...violations.map(({ field }) => field)].join(" ").trim());
  }
}

const jobId = await submit();
const aMillisecond = { deadline: Date.now() + 1 };
await showFailure("deadline", watch({ job_id: jobId }, () => false, aMillisecond));
await watchOverABreak(jobId);
await readResults(jobId);
await showFailure("wrong params", call("SubmitJob", { kind: "noop", params: '{"sleep_ms": -1}', items: ["1"] }));
await showFailure("wrong kind", call("SubmitJob", { kind: "nope", items: ["1"] }));
gateway.close();
