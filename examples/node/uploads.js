// Uploads items to a job in batches. Each response says how many are stored.
import { gateway, read, tenant } from "./gateway.js";

const BATCH = 50; // some hundred kilobytes are best; these items are tiny

/**
 * Appends the items that are not stored yet, from wherever a break or another process left off.
 *
 * @param {string} jobId A job submitted with upload.
 * @param {string[]} items All items of the job, as JSON text.
 * @param {number} breakAt Number of stored items at which it disconnects, as a killed client would. By default it
 *   closes the upload.
 * @returns {Promise<{from: number, stored: number}>} How many items were stored at first, and in the end.
 */
export async function append(jobId, items, breakAt = Infinity) {
  const stream = gateway.AppendItems(tenant);
  stream.write({ job_id: jobId });
  let from;
  let stored;
  await read(stream, (answer) => {
    stored = answer.stored_count;
    if (from === undefined) {
      from = stored;
      send(stream, items, from, breakAt); // concurrently with reading: responses come while batches go
    }
    return stored >= breakAt;
  });
  return { from, stored };
}

/** Writes batches as fast as the stream accepts them. Never fails: a break shows where responses are read. */
async function send(stream, items, from, breakAt) {
  const end = Math.min(items.length, breakAt);
  for (let index = from; index < end && !stream.destroyed; index += BATCH) {
    const batch = { first_item_index: index, items: items.slice(index, Math.min(index + BATCH, end)) };
    await new Promise((taken) => stream.write(batch, taken));
  }
  if (end < items.length || stream.destroyed) return;
  stream.write({ finish: { total_count: items.length } });
  stream.end();
}
