#include "uploads.h"

#include <algorithm>

namespace gateway = headrace::gateway::v1;

constexpr int64_t kBatch = 50;  // batches of a few hundred kilobytes are best; these items are tiny

Uploaded Append(Stub& stub, const std::string& job_id, const std::vector<std::string>& items, int64_t break_at) {
  const auto context = MakeContext(kStreamTime);
  const auto stream = stub.AppendItems(context.get());
  gateway::AppendItemsRequest opening;
  opening.set_job_id(job_id);
  gateway::AppendItemsResponse response;
  bool alive = stream->Write(opening) && stream->Read(&response);
  Uploaded uploaded{response.stored_count(), response.stored_count(), {}};
  const int64_t end = break_at < 0 ? items.size() : break_at;
  for (int64_t index = uploaded.from; alive && index < end; index += kBatch) {
    gateway::AppendItemsRequest batch;
    batch.set_first_item_index(index);
    const int64_t next = std::min(index + kBatch, end);
    for (int64_t item = index; item < next; ++item) batch.add_items(items[item]);
    alive = stream->Write(batch);
    // One batch at a time is simplest. With a separate reader thread, batches need not wait for responses.
    while (alive && response.stored_count() < next) alive = stream->Read(&response);
  }
  if (break_at >= 0) {
    context->TryCancel();
  } else if (alive) {
    gateway::AppendItemsRequest closing;
    closing.mutable_finish()->set_total_count(items.size());
    stream->WriteLast(closing, grpc::WriteOptions());
  }
  uploaded.stored = response.stored_count();
  while (stream->Read(&response)) uploaded.stored = response.stored_count();
  uploaded.status = stream->Finish();
  return uploaded;
}
