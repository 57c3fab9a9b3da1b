// Connection to the gateway and its calls.
import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";

import { GatewayService } from "./protos.js";

export const gateway = new GatewayService(
  process.env.HEADRACE_TARGET ?? "localhost:50051",
  grpc.credentials.createInsecure(),
);
export const tenant = new grpc.Metadata();
tenant.set("headrace-tenant", "node-example");

/** Makes one unary call with a deadline of 10 seconds. */
export function call(method, request) {
  const send = promisify(gateway[method]).bind(gateway);
  return send(request, tenant, { deadline: Date.now() + 10_000 });
}

/** Reads a stream of responses until `enough` returns true for one, then cancels it. */
export async function read(stream, enough) {
  try {
    for await (const response of stream) if (enough(response)) return;
  } finally {
    stream.cancel();
  }
}
