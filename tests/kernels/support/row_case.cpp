#include "support/row_case.h"

#include "emulator/options.h"
#include "emulator/runtime.h"
#include "support/samples.h"

namespace test {

namespace {

emulator::Options options_before;

}  // namespace

std::string RowShape::name() const {
  return std::to_string(rows) + "x" + std::to_string(columns) + " padding " + std::to_string(padding) + " offset " + std::to_string(offset);
}

const char* name_of(mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 ? "float32" : "bfloat16"; }

std::vector<float> row_samples(uint64_t purpose, mm1_dtype dtype, int64_t rows, int64_t columns, double scale) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) values.push_back(round_to(dtype, static_cast<float>(scale * normal_sample(purpose, 0, r, c))));
  }
  return values;
}

std::unique_ptr<DeviceBuffer> row_buffer(mm1_dtype dtype, const RowShape& shape) {
  return std::make_unique<DeviceBuffer>(dtype, shape.rows, shape.columns, shape.columns + shape.padding, shape.offset);
}

std::unique_ptr<DeviceBuffer> row_buffer(mm1_dtype dtype, const RowShape& shape, const std::vector<float>& values) {
  std::unique_ptr<DeviceBuffer> buffer = row_buffer(dtype, shape);
  buffer->upload(values);
  return buffer;
}

void finish_call() {
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

void begin_counting() {
  options_before = emulator::options();
  emulator::Options options = options_before;
  options.count_accesses = true;
  emulator::set_options(options);
  emulator::reset_counters();
}

Sectors end_counting() {
  CHECK_OK(mm1_stream_synchronize(nullptr));
  const emulator::Counters counters = emulator::counters();
  Sectors sectors{counters.global_sectors, counters.global_sectors_ideal, 0, 0};
  for (const emulator::AccessSite& site : emulator::access_sites()) {
    if (site.global) (site.write ? sectors.written : sectors.read) += site.units;
  }
  emulator::set_options(options_before);
  return sectors;
}

}  // namespace test
