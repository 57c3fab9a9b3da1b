// Jobs from C++. The first is submitted, watched over a broken stream, and its results are read page by page. The
// second is uploaded over a broken stream while its results are streamed. Then calls that fail.
//
//   make && build/headrace-example             (gateway: HEADRACE_TARGET, or localhost:50051)
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "calls.h"
#include "uploads.h"

namespace gateway = headrace::gateway::v1;
namespace jobs = headrace::jobs::v1;
using std::chrono::milliseconds;

constexpr int kItemCount = 200;

std::vector<std::string> MakeItems() {
  std::vector<std::string> items;
  for (int number = 0; number < kItemCount; ++number) {
    items.push_back("{\"number\": " + std::to_string(number) + "}");
  }
  return items;
}

// Submits a job of these items. Without items, opens an upload.
std::string Submit(Stub& stub, const std::vector<std::string>& items) {
  gateway::SubmitJobRequest request;
  request.set_kind("noop");
  request.set_params(R"({"sleep_ms": 50})");
  request.mutable_items()->Assign(items.begin(), items.end());
  request.set_upload(items.empty());
  // A repeated call with it never makes a second job.
  request.set_request_id("cpp-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count()));
  gateway::SubmitJobResponse response;
  Require(stub.SubmitJob(MakeContext(kUnaryTime).get(), request, &response));
  std::cout << "submitted: " << response.job().job_id() << std::endl;
  return response.job().job_id();
}

// Reads a watch until `enough` returns true for a job, then cancels it. Sets the last resume token of `request`.
grpc::Status Watch(Stub& stub, gateway::WatchJobRequest& request, milliseconds time,
                   const std::function<bool(const jobs::Job&)>& enough) {
  const auto context = MakeContext(time);
  const auto stream = stub.WatchJob(context.get(), request);
  gateway::WatchJobResponse response;
  while (stream->Read(&response)) {
    request.set_resume_token(response.resume_token());
    if (!response.has_job()) continue;  // only live numbers
    const jobs::Job& job = response.job();
    std::cout << "watched: seq=" << job.seq() << " " << jobs::JobState_Name(job.state()) << " "
              << job.progress().succeeded_count() << "/" << job.progress().total_count() << std::endl;
    if (enough(job)) context->TryCancel();
  }
  return stream->Finish();
}

void WatchOverABreak(Stub& stub, const std::string& job_id) {
  gateway::WatchJobRequest request;
  request.set_job_id(job_id);
  int seen = 0;
  const auto two = [&seen](const jobs::Job&) { return ++seen == 2; };
  PrintFailure("broken off", Watch(stub, request, kStreamTime, two));
  Require(Watch(stub, request, kStreamTime, [](const jobs::Job&) { return false; }));
}

void ReadResults(Stub& stub, const std::string& job_id) {
  gateway::GetResultsRequest request;
  request.set_job_id(job_id);
  request.set_page_size(60);
  int count = 0, page_count = 0;
  bool complete = true;
  do {
    gateway::GetResultsResponse page;
    Require(stub.GetResults(MakeContext(kUnaryTime).get(), request, &page));
    for (const auto& result : page.results()) complete &= result.item_index() == count++;
    request.set_page_token(page.next_page_token());
    ++page_count;
  } while (!request.page_token().empty());
  complete &= count == kItemCount;
  std::cout << "results: " << count << " in " << page_count << " pages, "
            << (complete ? "complete" : "incomplete") << std::endl;
}

// Reads results as they are recorded, after the cursor of `request`, and advances the cursor. Cancels after the first
// results, or with `job` reads to the end of the job and stores its last snapshot there.
grpc::Status StreamResults(Stub& stub, gateway::StreamResultsRequest& request, std::multiset<int64_t>& indexes,
                           jobs::Job* job) {
  const auto context = MakeContext(kStreamTime);
  const auto stream = stub.StreamResults(context.get(), request);
  gateway::StreamResultsResponse response;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) indexes.insert(result.item_index());
    request.set_cursor(response.cursor());
    if (job != nullptr) {
      *job = response.job();
    } else if (!indexes.empty()) {
      context->TryCancel();
    }
  }
  return stream->Finish();
}

// Uploads half of the items, reads the first results, and continues both.
void UploadOverABreak(Stub& stub) {
  const std::string job_id = Submit(stub, {});
  const std::vector<std::string> items = MakeItems();
  std::cout << "upload broken off: " << Append(stub, job_id, items, kItemCount / 2).stored << " stored" << std::endl;
  gateway::StreamResultsRequest request;
  request.set_job_id(job_id);
  std::multiset<int64_t> indexes;
  StreamResults(stub, request, indexes, nullptr);
  std::cout << "stream broken off: " << (indexes.empty() ? "without" : "with") << " results" << std::endl;
  const Uploaded rest = Append(stub, job_id, items);
  Require(rest.status);
  std::cout << "upload finished: " << rest.stored << " stored, went on from " << rest.from << std::endl;
  jobs::Job job;
  Require(StreamResults(stub, request, indexes, &job));
  const bool once = std::set<int64_t>(indexes.begin(), indexes.end()).size() == indexes.size();
  std::cout << "streamed: " << indexes.size() << " " << (once ? "once each" : "some twice") << ", "
            << jobs::JobState_Name(job.state()) << std::endl;
}

void SubmitWrongly(Stub& stub, const std::string& title, gateway::SubmitJobRequest request) {
  request.add_items("1");
  gateway::SubmitJobResponse response;
  PrintFailure(title, stub.SubmitJob(MakeContext(kUnaryTime).get(), request, &response));
}

void ShowFailures(Stub& stub) {
  gateway::SubmitJobRequest wrong_params, wrong_kind, wrong_fields;
  wrong_params.set_kind("noop");
  wrong_params.set_params(R"({"sleep_ms": -1})");
  SubmitWrongly(stub, "wrong params", wrong_params);
  wrong_kind.set_kind("nope");
  SubmitWrongly(stub, "wrong kind", wrong_kind);
  wrong_fields.mutable_options()->set_max_failed_ratio(2);
  wrong_fields.mutable_options()->set_max_parallelism(-1);
  SubmitWrongly(stub, "wrong fields", wrong_fields);
}

int main() {
  const char* target = std::getenv("HEADRACE_TARGET");
  const auto channel =
      grpc::CreateChannel(target ? target : "localhost:50051", grpc::InsecureChannelCredentials());
  const auto stub = gateway::GatewayService::NewStub(channel);
  const std::string job_id = Submit(*stub, MakeItems());
  gateway::WatchJobRequest hurried;
  hurried.set_job_id(job_id);
  PrintFailure("deadline", Watch(*stub, hurried, milliseconds{1}, [](const jobs::Job&) { return false; }));
  WatchOverABreak(*stub, job_id);
  ReadResults(*stub, job_id);
  UploadOverABreak(*stub);
  ShowFailures(*stub);
}
