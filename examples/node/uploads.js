// Uploads items to a job in batches. Responses have the number of stored items.
import { gateway, read, tenant } from "./gateway.js";

const BATCH = 50; // batches of a few hundred kilobytes are best; these items are tiny

/**
 * Appends the items that are not stored yet, after a break or after another process.
 *
 * @param {string} jobId Job submitted with upload.
 * @param {string[]} items All items of the job, as JSON text.
 * @param {number} breakAt Number of stored items at which to stop, like a killed client. Default: continue to the
 *   end and close the upload.
 * @returns {Promise<{from: number, stored: number}>} Number of stored items at the start and at the end.
 */
export async function append(jobId, items, breakAt = Infinity) {
  const stream = gateway.AppendItems(tenant);
  stream.write({ job_id: jobId });
  let from;
  let stored;
  await read(stream, (response) => {
    stored = response.stored_count;
    if (from === undefined) {
      from = stored;
      send(stream, items, from, breakAt); // concurrently with reading: responses arrive during the writes
    }
    return stored >= breakAt;
  });
  return { from, stored };
}

/** Writes batches as fast as the stream accepts them. Never fails: a break ends the reading of responses. */
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
