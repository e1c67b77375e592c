// Plans are pure: every problem finds a tile that fits on every profile, and nothing that a row's bits are made of depends on the batch. Masks,
// layouts and orders against brute force.
#include <algorithm>
#include <set>
#include <vector>

#include "attention/attention_tile.h"
#include "attention/forward.h"
#include "attention/mask.cuh"
#include "test.h"

namespace test {

namespace {

using mm1::AttentionBudget;
using mm1::AttentionDocument;
using mm1::AttentionForwardKernel;
using mm1::AttentionForwardPlan;
using mm1::DeviceProfile;
using mm1::kProfiles;

mm1_operand operand(mm1_dtype dtype, uint64_t at, int64_t row_stride) {
  mm1_operand result{};
  result.data = reinterpret_cast<void*>(at);  // Nobody follows it.
  result.dtype = dtype;
  result.row_stride = row_stride;
  return result;
}

mm1_flash_attention_forward_args args_of(mm1_dtype dtype, int64_t batch, int64_t length, int64_t heads, int64_t key_value_heads,
                                         int64_t head_size) {
  mm1_flash_attention_forward_args args = mm1_flash_attention_forward_args_default();
  args.mask = MM1_ATTENTION_MASK_CAUSAL;
  args.scale = 1;
  args.batch = batch;
  args.heads = heads;
  args.key_value_heads = key_value_heads;
  args.head_size = head_size;
  args.query_tokens = args.key_tokens = batch * length;
  args.max_query_length = args.max_key_length = length;
  args.query = operand(dtype, 0x10000, heads * head_size);
  args.key = operand(dtype, 0x20000, key_value_heads * head_size);
  args.value = operand(dtype, 0x30000, key_value_heads * head_size);
  args.output = operand(dtype, 0x40000, heads * head_size);
  return args;
}

AttentionForwardPlan plan_of(const mm1_flash_attention_forward_args& args, const DeviceProfile& profile) {
  return mm1::plan_attention_forward(mm1::normalise_attention(args), profile);
}

AttentionBudget budget_of(const AttentionForwardPlan& plan) {
  int index = 0;
  while (mm1::kHeadSizes[index] != plan.head_size) index++;
  return plan.kernel == AttentionForwardKernel::float32 ? mm1::kForwardFloat32Tiles[index].budget()
                                                        : mm1::kForwardBfloat16Tiles[plan.is_small][index].budget();
}

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

}  // namespace

TEST(attention_plan, every_problem_finds_a_tile_on_every_profile) {
  for (const DeviceProfile& profile : kProfiles) {
    for (const mm1_dtype dtype : kDtypes) {
      for (int64_t head_size = 8; head_size <= 256; head_size += 8) {
        for (const int64_t length : {1, 64, 129, 4096, 100000}) {
          for (const int64_t heads : {1, 12, 64}) {
            const AttentionForwardPlan plan = plan_of(args_of(dtype, 2, length, heads, 1, head_size), profile);
            CHECK_EQUAL(dtype == MM1_DTYPE_FLOAT32 ? AttentionForwardKernel::float32 : AttentionForwardKernel::bfloat16, plan.kernel);
            CHECK(plan.head_size >= head_size);
            CHECK_EQUAL(mm1::padded_head_size(head_size), plan.head_size);
            CHECK(plan.inputs_aligned && plan.output_aligned);
            const AttentionBudget budget = budget_of(plan);
            CHECK(budget.fits(profile));
            CHECK_EQUAL(budget.shared_bytes, plan.shared_bytes);
            CHECK(plan.shared_bytes <= 96 * 1024);  // sm_86 and sm_89 give a block 99 KB.
            CHECK_EQUAL((length + plan.rows - 1) / plan.rows * 2 * heads, plan.order.count());
            CHECK(plan.order.section >= 1 && plan.order.section <= plan.order.pairs);
          }
        }
      }
    }
  }
}

// Two blocks of every bfloat16 instance but that for head size 256 live on an SM of an A100 (164 KB), one at least on an RTX 4090 (100 KB).
TEST(attention_plan, blocks_of_an_sm) {
  const auto resident = [](const AttentionBudget& budget, const DeviceProfile& profile) {
    const int64_t by_shared = profile.shared_bytes_per_multiprocessor / (budget.shared_bytes + mm1::kReservedSharedBytesPerBlock);
    const int64_t by_registers = mm1::kRegistersPerMultiprocessor / (int64_t{budget.registers()} * budget.threads);
    return std::min(by_shared, by_registers);
  };
  for (int i = 0; i < mm1::kHeadSizeCount; i++) {
    for (int small = 0; small < 2; small++) {
      const AttentionBudget budget = mm1::kForwardBfloat16Tiles[small][i].budget();
      CHECK(resident(budget, mm1::kProfileSm80) >= 2);
      CHECK(resident(budget, mm1::kProfileSm90) >= 2);
      CHECK(resident(budget, mm1::kProfileSm89) >= 1);
    }
    CHECK(resident(mm1::kForwardFloat32Tiles[i].budget(), mm1::kProfileSm89) >= 1);
  }
}

// The order of a row's sums: keys of a tile, by dtype and head size alone; both choices of rows have the same.
TEST(attention_plan, keys_of_a_tile_depend_on_nothing_but_dtype_and_head_size) {
  for (int i = 0; i < mm1::kHeadSizeCount; i++) {
    CHECK_EQUAL(mm1::kHeadSizes[i], mm1::kForwardBfloat16Tiles[0][i].head_size);
    CHECK_EQUAL(mm1::kHeadSizes[i], mm1::kForwardBfloat16Tiles[1][i].head_size);
    CHECK_EQUAL(mm1::kHeadSizes[i], mm1::kForwardFloat32Tiles[i].head_size);
    CHECK_EQUAL(mm1::kForwardBfloat16Tiles[0][i].keys, mm1::kForwardBfloat16Tiles[1][i].keys);
  }
  for (const mm1_dtype dtype : kDtypes) {
    for (const int64_t head_size : {int64_t{40}, int64_t{80}, int64_t{128}, int64_t{256}}) {
      std::set<int> keys;
      for (const DeviceProfile& profile : kProfiles) {
        for (const int64_t batch : {1, 7, 300}) {
          for (const int64_t length : {1, 50, 5000}) keys.insert(plan_of(args_of(dtype, batch, length, 8, 2, head_size), profile).keys);
        }
      }
      CHECK_EQUAL(size_t{1}, keys.size());
    }
  }
}

TEST(attention_plan, rows_follow_the_length_and_the_number_of_blocks) {
  const DeviceProfile& profile = mm1::kProfileSm90;
  CHECK(plan_of(args_of(MM1_DTYPE_BFLOAT16, 64, 64, 16, 16, 64), profile).is_small);     // Half of a large tile would be empty.
  CHECK(plan_of(args_of(MM1_DTYPE_BFLOAT16, 1, 1024, 8, 8, 64), profile).is_small);      // 64 large tiles leave SMs idle.
  CHECK(!plan_of(args_of(MM1_DTYPE_BFLOAT16, 2, 4096, 64, 8, 128), profile).is_small);
  CHECK(!plan_of(args_of(MM1_DTYPE_BFLOAT16, 8, 729, 16, 16, 80), profile).is_small);
}

TEST(attention_plan, nothing_to_do_needs_no_kernel) {
  mm1_flash_attention_forward_args args = args_of(MM1_DTYPE_BFLOAT16, 2, 64, 4, 4, 64);
  args.heads = args.key_value_heads = 0;
  CHECK_EQUAL(AttentionForwardKernel::nothing, plan_of(args, mm1::kProfileSm80).kernel);
  args = args_of(MM1_DTYPE_BFLOAT16, 2, 0, 4, 4, 64);
  CHECK_EQUAL(AttentionForwardKernel::nothing, plan_of(args, mm1::kProfileSm80).kernel);
  // No documents, but rows: zeros are to be written.
  args = args_of(MM1_DTYPE_BFLOAT16, 0, 0, 4, 4, 64);
  args.query_tokens = 5;
  const AttentionForwardPlan plan = plan_of(args, mm1::kProfileSm80);
  CHECK_EQUAL(AttentionForwardKernel::bfloat16, plan.kernel);
  CHECK_EQUAL(int64_t{4}, plan.order.count());
}

TEST(attention_plan, alignment_of_every_operand_counts) {
  const mm1_flash_attention_forward_args good = args_of(MM1_DTYPE_BFLOAT16, 2, 64, 4, 4, 64);
  for (int which = 0; which < 3; which++) {
    mm1_flash_attention_forward_args args = good;
    mm1_operand* const inputs[] = {&args.query, &args.key, &args.value};
    inputs[which]->row_stride += 4;
    CHECK(!plan_of(args, mm1::kProfileSm80).inputs_aligned);
    CHECK(plan_of(args, mm1::kProfileSm80).output_aligned);
    inputs[which]->row_stride += 4;
    CHECK(plan_of(args, mm1::kProfileSm80).inputs_aligned);
    inputs[which]->data = static_cast<char*>(inputs[which]->data) + 2;
    CHECK(!plan_of(args, mm1::kProfileSm80).inputs_aligned);
  }
  mm1_flash_attention_forward_args args = good;
  args.output.row_stride++;
  CHECK(plan_of(args, mm1::kProfileSm80).inputs_aligned && !plan_of(args, mm1::kProfileSm80).output_aligned);
}

// Every tile of every pair once, whatever the section; the keys and values of a section fit in half of the cache.
TEST(attention_plan, orders_are_permutations) {
  for (const int64_t tiles : {1, 3, 7}) {
    for (const int64_t pairs : {1, 5, 8}) {
      for (const int64_t section : {1, 2, 3, 8}) {
        mm1::AttentionOrder order{};
        order.tiles = tiles;
        order.pairs = pairs;
        order.section = std::min(section, pairs);
        std::set<std::pair<int64_t, int64_t>> seen;
        int64_t tile_before = 0;
        int64_t section_before = 0;
        for (int64_t index = 0; index < order.count(); index++) {
          const mm1::AttentionOrder::Item item = order.at(index);
          CHECK(item.tile >= 0 && item.tile < tiles && item.pair >= 0 && item.pair < pairs);
          CHECK(seen.insert({item.tile, item.pair}).second);
          const int64_t section_now = item.pair / order.section;
          CHECK(section_now > section_before || (section_now == section_before && item.tile >= tile_before));
          tile_before = item.tile;
          section_before = section_now;
        }
      }
    }
  }
  const AttentionForwardPlan plan = plan_of(args_of(MM1_DTYPE_BFLOAT16, 2, 8192, 64, 8, 128), mm1::kProfileSm90);
  const int64_t bytes_of_a_key_head = int64_t{8192} * 128 * 2 * 2;
  CHECK(plan.order.section / 8 * bytes_of_a_key_head <= mm1::kProfileSm90.l2_bytes / 2);
  CHECK(plan.order.section >= 8);
}

TEST(attention_mask, visible_keys_and_tiles_are_those_of_the_definition) {
  for (const mm1_attention_mask mask : {MM1_ATTENTION_MASK_FULL, MM1_ATTENTION_MASK_CAUSAL, MM1_ATTENTION_MASK_PREFIX}) {
    for (const int queries : {0, 1, 5, 16, 21}) {
      for (const int keys : {0, 1, 4, 16, 30}) {
        for (const int prefix : {-1, 0, 3, 17, 99}) {
          const AttentionDocument document = mm1::make_document(mask, 100, queries, 200, keys, prefix);
          const auto sees = [&](int i, int j) {
            return j < keys && (mask == MM1_ATTENTION_MASK_FULL || j <= i + keys - queries || (mask == MM1_ATTENTION_MASK_PREFIX && j < prefix));
          };
          for (int i = 0; i < queries; i++) {
            for (int j = 0; j < keys + 2; j++) CHECK_EQUAL(sees(i, j), j < document.visible(i));
          }
          for (int j = 0; j < keys + 2; j++) {
            for (int i = 0; i < queries; i++) CHECK_EQUAL(sees(i, j), i >= document.first_query_of(j));
          }
          constexpr int kTile = 4;
          for (int first = 0; first < queries; first += kTile) {
            const mm1::KeyTiles tiles = mm1::key_tiles(document, first, kTile, kTile);
            for (int tile = 0; tile * kTile < keys; tile++) {
              int seen = 0, pairs = 0;
              for (int i = first; i < std::min(first + kTile, queries); i++) {
                for (int j = tile * kTile; j < (tile + 1) * kTile; j++, pairs++) seen += sees(i, j);
              }
              CHECK_EQUAL(seen == pairs, tile < tiles.whole);
              CHECK_EQUAL(seen > 0, tile < tiles.end);
            }
          }
          for (int first = 0; first < keys; first += kTile) {
            const mm1::QueryTiles tiles = mm1::query_tiles(document, first, kTile, kTile);
            for (int tile = 0; tile * kTile < queries; tile++) {
              int seen = 0, pairs = 0;
              for (int j = first; j < std::min(first + kTile, keys); j++) {
                for (int i = tile * kTile; i < std::min((tile + 1) * kTile, queries); i++, pairs++) seen += sees(i, j);
              }
              CHECK_EQUAL(seen > 0, tile >= tiles.begin && tile < tiles.end);
              // Those called whole are; a last tile cut off by the document's end need not be.
              if (tile >= tiles.whole) CHECK_EQUAL(pairs, seen);
              if (seen == pairs && (tile + 1) * kTile <= queries) CHECK(tile >= tiles.whole);
            }
          }
        }
      }
    }
  }
}

namespace {

template <int ElementBytes, int Rows, int Columns>
void check_layout() {
  using Tile = mm1::AttentionTile<ElementBytes, Rows, Columns>;
  std::set<uint32_t> offsets;
  for (uint32_t row = 0; row < Rows; row++) {
    for (uint32_t chunk = 0; chunk < Tile::kRowChunks; chunk++) {
      const uint32_t offset = Tile::chunk_offset(row, chunk);
      CHECK(offset % 16 == 0 && offset < Tile::kBytes && offset / Tile::kRowBytes == row);
      CHECK(offsets.insert(offset).second);
    }
  }
  // Eight neighbouring rows of one chunk lie in the eight sixteen-byte parts of 128 bytes.
  for (uint32_t row = 0; row < Rows; row += 8) {
    for (uint32_t chunk = 0; chunk < Tile::kRowChunks; chunk++) {
      std::set<uint32_t> places;
      for (uint32_t i = 0; i < 8; i++) places.insert(Tile::chunk_offset(row + i, chunk) / 16 % 8);
      CHECK_EQUAL(size_t{8}, places.size());
    }
  }
}

}  // namespace

TEST(attention_tile, swizzles_are_permutations_without_conflicts) {
  check_layout<2, 64, 32>();
  check_layout<2, 64, 64>();
  check_layout<2, 64, 96>();
  check_layout<2, 128, 128>();
  check_layout<2, 32, 256>();
  check_layout<4, 32, 16>();
  check_layout<4, 32, 32>();
  check_layout<4, 64, 96>();
  check_layout<4, 64, 256>();
}

}  // namespace test
