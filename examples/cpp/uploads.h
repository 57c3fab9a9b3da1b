// Uploads items to a job in batches. Each response says how many are stored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calls.h"

struct Uploaded {
  int64_t from = 0;     // items stored when the stream began
  int64_t stored = 0;   // items stored in the end
  grpc::Status status;  // how the stream ended
};

// Appends the items that are not stored yet, from where a break or another process stopped, and closes the upload.
// With `break_at` it disconnects at that number of stored items, as a killed client would.
Uploaded Append(Stub& stub, const std::string& job_id, const std::vector<std::string>& items,
                int64_t break_at = -1);
