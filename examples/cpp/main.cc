// A job from C++: submitted, watched over a broken stream, its results read; and two calls that fail.
//
//   make && build/headrace-example             (gateway: HEADRACE_TARGET, or localhost:50051)
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "errors.h"
#include "headrace/gateway/v1/gateway.grpc.pb.h"

namespace gateway = headrace::gateway::v1;
namespace jobs = headrace::jobs::v1;
using std::chrono::milliseconds;
using Stub = gateway::GatewayService::Stub;

constexpr int kItemCount = 200;
constexpr milliseconds kUnaryTime{10'000};

// One call's settings: its tenant, and how long it may take.
std::unique_ptr<grpc::ClientContext> MakeContext(milliseconds time) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("headrace-tenant", "cpp-example");
  context->set_deadline(std::chrono::system_clock::now() + time);
  return context;
}

void PrintFailure(const std::string& title, const grpc::Status& status) {
  const Failure failure = Describe(status);
  std::cout << title << ": " << failure.code;
  if (!failure.reason.empty()) std::cout << " " << failure.reason;
  for (const auto& field : failure.fields) std::cout << " " << field;
  std::cout << std::endl;
}

// Ends the program where a call that must succeed does not.
void Require(const grpc::Status& status) {
  if (status.ok()) return;
  PrintFailure("failed", status);
  std::exit(1);
}

std::string Submit(Stub& stub) {
  gateway::SubmitJobRequest request;
  request.set_kind("noop");
  request.set_params(R"({"sleep_ms": 50})");
  for (int number = 0; number < kItemCount; ++number) {
    request.add_items("{\"number\": " + std::to_string(number) + "}");
  }
  // With it a repeated call never makes a second job.
  request.set_request_id("cpp-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count()));
  gateway::SubmitJobResponse response;
  Require(stub.SubmitJob(MakeContext(kUnaryTime).get(), request, &response));
  std::cout << "submitted: " << response.job().job_id() << std::endl;
  return response.job().job_id();
}

// Reads a watch until `enough` says so of a job, then breaks it off; sets the last resume token of `request`.
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
  PrintFailure("broken off", Watch(stub, request, milliseconds{60'000}, two));
  Require(Watch(stub, request, milliseconds{60'000}, [](const jobs::Job&) { return false; }));
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

void SubmitWrongly(Stub& stub, const std::string& title, const std::string& kind, const std::string& params) {
  gateway::SubmitJobRequest request;
  request.set_kind(kind);
  request.set_params(params);
  request.add_items("1");
  gateway::SubmitJobResponse response;
  PrintFailure(title, stub.SubmitJob(MakeContext(kUnaryTime).get(), request, &response));
}

int main() {
  const char* target = std::getenv("HEADRACE_TARGET");
  const auto channel =
      grpc::CreateChannel(target ? target : "localhost:50051", grpc::InsecureChannelCredentials());
  const auto stub = gateway::GatewayService::NewStub(channel);
  const std::string job_id = Submit(*stub);
  gateway::WatchJobRequest hurried;
  hurried.set_job_id(job_id);
  PrintFailure("deadline", Watch(*stub, hurried, milliseconds{1}, [](const jobs::Job&) { return false; }));
  WatchOverABreak(*stub, job_id);
  ReadResults(*stub, job_id);
  SubmitWrongly(*stub, "wrong params", "noop", R"({"sleep_ms": -1})");
  SubmitWrongly(*stub, "wrong kind", "nope", "");
}
