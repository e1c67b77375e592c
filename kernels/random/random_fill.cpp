// The verb mm1_random_fill: argument rules and launch.
#include "random/random_fill.h"

#include <cmath>
#include <limits>

#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "random_fill";

void check_moments(const mm1_random_fill_args& args, Check* check) {
  check->that(std::isfinite(args.mean) && std::isfinite(args.standard_deviation) && args.standard_deviation >= 0,
              "mean is %.9g and standard_deviation is %.9g; both must be finite and the deviation not negative.",
              static_cast<double>(args.mean), static_cast<double>(args.standard_deviation));
}

// Checks what a distribution needs and turns it into factor, addend and bounds.
void normalise(const mm1_random_fill_args& args, RandomFill* fill, Check* check) {
  const double low = args.low, high = args.high;
  fill->factor = args.standard_deviation;
  fill->addend = args.mean;
  fill->least = -std::numeric_limits<float>::infinity();
  fill->greatest = std::numeric_limits<float>::infinity();
  if (args.distribution == MM1_DISTRIBUTION_UNIFORM) {
    check->that(args.low <= args.high && std::isfinite(args.high - args.low),
                "low is %.9g and high is %.9g; a finite range [low, high) is needed.", low, high);
    fill->factor = args.high - args.low;
    fill->addend = args.low;
    fill->greatest = args.high > args.low ? std::nextafter(args.high, -std::numeric_limits<float>::infinity()) : args.high;
    return;
  }
  check_moments(args, check);
  if (args.distribution == MM1_DISTRIBUTION_NORMAL || !check->ok()) return;
  check->that(args.low <= args.high, "low is %.9g and high is %.9g; low must not be above high.", low, high);
  if (!check->ok()) return;
  check->that(find_word_range(args.mean, args.standard_deviation, args.low, args.high, &fill->first_word, &fill->last_word),
              "no value of the normal distribution with mean %.9g and standard_deviation %.9g lies between low %.9g and high %.9g.",
              static_cast<double>(args.mean), static_cast<double>(args.standard_deviation), low, high);
  fill->least = args.low;
  fill->greatest = args.high;
}

}  // namespace

}  // namespace mm1

mm1_status mm1_random_fill(mm1_stream stream, const mm1_random_fill_args* given, void*, int64_t) {
  mm1_random_fill_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  mm1::Check check(mm1::kVerb);
  check.enumerator("distribution", args.distribution, MM1_DISTRIBUTION_TRUNCATED_NORMAL, "mm1_distribution");
  check.reserved("reserved", args.reserved);
  check.extent("count", args.count);
  check.extent("offset", args.offset);
  check.operand("output", args.output, 1, args.count, MM1_DTYPE_FLOAT32);
  check.that(reinterpret_cast<uintptr_t>(args.step_state) % 8 == 0, "step_state is at address 0x%llx, no multiple of 8.",
             static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(args.step_state)));
  mm1::RandomFill fill{};
  if (check.ok()) mm1::normalise(args, &fill, &check);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));
  if (args.count == 0) return MM1_STATUS_OK;
  fill.output = static_cast<float*>(args.output.data);
  fill.count = args.count;
  fill.seed = args.seed;
  fill.purpose = args.purpose;
  fill.first_index = static_cast<uint64_t>(args.offset);
  fill.step_state = args.step_state;
  fill.distribution = args.distribution;
  return mm1::launch_random_fill(stream, fill);
}
