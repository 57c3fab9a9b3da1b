// Uploads items to a job in batches. Responses have the number of stored items.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calls.h"

struct Uploaded {
  int64_t from = 0;     // items stored at the start of the stream
  int64_t stored = 0;   // items stored at the end
  grpc::Status status;  // status of the stream
};

// Appends the items that are not stored yet, after a break or after another process, and closes the upload. With
// `break_at`, stops at that number of stored items, like a killed client.
Uploaded Append(Stub& stub, const std::string& job_id, const std::vector<std::string>& items,
                int64_t break_at = -1);
