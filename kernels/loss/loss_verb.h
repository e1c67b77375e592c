// The two functions of a verb, the same for every loss: read the record, check it, cut the workspace, run.
// A verb has check_record and check_operands of its Args, a Parts(args, workspace) with its workspace's `bytes`, and
// run(stream, args, parts).
#ifndef MM1_LOSS_LOSS_VERB_H
#define MM1_LOSS_LOSS_VERB_H

#include "host/device.h"
#include "loss/loss_checks.h"

namespace mm1 {

template <class Verb, class Args>
int64_t loss_workspace_bytes(const Args* given) {
  Args args;
  if (read_args(Verb::kName, given, &args) != MM1_STATUS_OK) return -1;
  Check check(Verb::kName);
  Verb::check_record(args, &check);
  return check.ok() ? typename Verb::Parts(args, nullptr).bytes : -1;
}

template <class Verb, class Args>
mm1_status loss_call(mm1_stream stream, const Args* given, void* workspace, int64_t workspace_bytes) {
  Args args;
  MM1_RETURN_IF_FAILED(read_args(Verb::kName, given, &args));
  Check check(Verb::kName);
  Verb::check_record(args, &check);
  if (check.ok()) Verb::check_operands(args, &check);
  if (check.ok()) check.workspace(workspace, workspace_bytes, typename Verb::Parts(args, nullptr).bytes);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(Verb::kName, &stream));
  return Verb::run(stream, args, typename Verb::Parts(args, workspace));
}

}  // namespace mm1

#endif  // MM1_LOSS_LOSS_VERB_H
