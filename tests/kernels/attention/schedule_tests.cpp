// Every tile of every document, and of the rows behind them, is some block's work exactly once, the heaviest first.
#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>

#include "attention_case.h"
#include "mm1/runtime.h"
#include "schedule_kernels.h"
#include "test.h"

namespace test {

namespace {

using Work = std::tuple<int, int, int>;  // Document, tile, head.

struct Found {
  std::vector<Work> works;  // In the order of the blocks.
  int64_t idle = 0;
};

Found find_all(const mm1::AttentionAxis& axis, const mm1::AttentionOrder& order, bool from_end) {
  const int64_t blocks = order.count();
  DeviceBuffer buffer(MM1_DTYPE_FLOAT32, blocks * 4);
  CHECK_OK(launch_find_work(axis, order, from_end, static_cast<int32_t*>(buffer.data())));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  const std::vector<float> bits = buffer.download();
  std::vector<int32_t> numbers(bits.size());
  if (!bits.empty()) std::memcpy(numbers.data(), bits.data(), bits.size() * 4);
  Found found;
  for (int64_t b = 0; b < blocks; b++) {
    const int32_t* const n = &numbers[static_cast<size_t>(b) * 4];
    if (n[3] == 1) {
      found.works.emplace_back(n[0], n[1], n[2]);
    } else {
      found.idle++;
    }
  }
  return found;
}

constexpr int kTileRows = 4;

// Lengths of documents, then rows behind them.
void check_work(const std::vector<int>& lengths, int behind, int heads, bool packed) {
  std::vector<int> offsets = {0};
  for (const int length : lengths) offsets.push_back(offsets.back() + length);
  const std::unique_ptr<DeviceBuffer> device = device_integers(offsets);
  mm1::AttentionAxis axis{};
  axis.offsets = packed ? static_cast<const int32_t*>(device->data()) : nullptr;
  axis.length = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  axis.documents = static_cast<int32_t>(lengths.size());
  axis.tokens = offsets.back() + behind;
  std::set<Work> expected;
  for (size_t d = 0; d <= lengths.size(); d++) {
    const int rows = d < lengths.size() ? lengths[d] : behind;
    for (int tile = 0; tile * kTileRows < rows; tile++) {
      for (int head = 0; head < heads; head++) expected.insert({static_cast<int>(d), tile, head});
    }
  }
  for (const int64_t pair_bytes : {int64_t{1}, int64_t{1} << 40}) {  // One section, and one for every pair.
    const mm1::AttentionOrder order = mm1::plan_attention_order(axis, heads, kTileRows, pair_bytes, mm1::kProfileSm80);
    for (const bool from_end : {true, false}) {
      const Found found = find_all(axis, order, from_end);
      CHECK_EQUAL(expected.size(), found.works.size());
      CHECK(std::set<Work>(found.works.begin(), found.works.end()) == expected);
      if (!packed && behind == 0) CHECK_EQUAL(int64_t{0}, found.idle);
      // Within a section tiles never get heavier.
      int64_t section_before = -1;
      int tile_before = 0;
      for (const Work& work : found.works) {
        const int64_t pair = order.heads_of_documents ? std::get<0>(work) * heads + std::get<2>(work) : std::get<2>(work);
        const int64_t section = pair / order.section;
        const int tile = std::get<1>(work);
        CHECK(section >= section_before);
        if (section == section_before) CHECK(from_end ? tile <= tile_before : tile >= tile_before);
        section_before = section;
        tile_before = tile;
      }
    }
  }
}

}  // namespace

TEST(attention_schedule, every_tile_is_found_once_and_the_heaviest_first) {
  check_work({10, 10, 10}, 0, 2, false);
  check_work({10, 10}, 7, 2, false);
  check_work({10, 0, 3, 25, 0}, 9, 2, true);
  check_work({0, 0, 0}, 0, 2, true);
  check_work({0, 0}, 6, 1, true);
  check_work({}, 5, 2, true);
  check_work({}, 5, 2, false);
  check_work({1}, 0, 1, true);
  std::vector<int> many(75, 2);
  for (size_t i = 0; i < many.size(); i += 6) many[i] = static_cast<int>(i);
  check_work(many, 3, 1, true);
}

}  // namespace test
