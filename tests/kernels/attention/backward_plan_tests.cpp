// The plan of the backward: budgets on every profile, the workspace, and the arithmetic of the ordered sum.
#include <algorithm>
#include <set>
#include <vector>

#include "attention/backward.h"
#include "test.h"

namespace test {

namespace {

using mm1::AttentionBackwardPlan;
using mm1::AttentionBackwardTile;
using mm1::AttentionDocument;

mm1_flash_attention_backward_args record(mm1_dtype dtype, int64_t head_size, int64_t batch, int64_t length, int64_t heads = 8,
                                         int64_t key_heads = 2) {
  mm1_flash_attention_backward_args args = mm1_flash_attention_backward_args_default();
  args.forward.batch = batch;
  args.forward.heads = heads;
  args.forward.key_value_heads = key_heads;
  args.forward.head_size = head_size;
  args.forward.max_query_length = args.forward.max_key_length = length;
  args.forward.query_tokens = args.forward.key_tokens = batch * length;
  args.forward.query.dtype = args.forward.key.dtype = dtype;
  return args;
}

}  // namespace

TEST(attention_backward_plan, every_instance_fits_every_profile) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    for (const bool is_float32 : {false, true}) {
      for (int64_t size = 8; size <= 256; size += 8) {
        const AttentionBackwardTile tile = mm1::attention_backward_tile(is_float32, size);
        const mm1::AttentionBudget budget = mm1::attention_backward_budget(is_float32, tile);
        CHECK(tile.head_size >= size);
        CHECK_MESSAGE(budget.fits(profile), std::string(profile.name) + ", head size " + std::to_string(size) + ": " +
                                                std::to_string(budget.shared_bytes) + " bytes, registers " +
                                                std::to_string(budget.registers()));
      }
    }
  }
}

// Resident blocks that launch bounds ask for also find their shared memory, on the devices that have 163 KB or more for a block.
TEST(attention_backward_plan, resident_blocks_fit_together) {
  for (const mm1::DeviceProfile& profile : {mm1::kProfileSm80, mm1::kProfileSm90}) {
    for (const bool is_float32 : {false, true}) {
      for (const int64_t size : {32, 64, 96, 128, 256}) {
        const mm1::AttentionBudget budget = mm1::attention_backward_budget(is_float32, mm1::attention_backward_tile(is_float32, size));
        const int64_t bytes = (budget.shared_bytes + mm1::kReservedSharedBytesPerBlock) * budget.resident_blocks;
        CHECK(bytes <= profile.shared_bytes_per_multiprocessor);
      }
    }
  }
}

// Tiles decide the order of sums: they depend on dtype and head size alone.
TEST(attention_backward_plan, nothing_but_the_order_of_blocks_depends_on_the_device) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    for (const int64_t size : {24, 64, 80, 128, 200}) {
      const mm1_flash_attention_backward_args args = record(dtype, size, 3, 700);
      const AttentionBackwardPlan first = mm1::plan_attention_backward(args, mm1::kProfiles[0]);
      CHECK_EQUAL(first.workspace_bytes, mm1_flash_attention_backward_workspace_bytes(&args));
      for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
        const AttentionBackwardPlan plan = mm1::plan_attention_backward(args, profile);
        CHECK_EQUAL(first.workspace_bytes, plan.workspace_bytes);
        CHECK_EQUAL(first.tile.queries, plan.tile.queries);
        CHECK_EQUAL(first.tile.keys, plan.tile.keys);
        CHECK_EQUAL(first.shared_bytes, plan.shared_bytes);
      }
      const AttentionBackwardPlan other = mm1::plan_attention_backward(record(dtype, size, 1, 5000), mm1::kProfileSm90);
      CHECK_EQUAL(first.tile.keys, other.tile.keys);
    }
  }
}

TEST(attention_backward_plan, workspace_has_room_for_every_part) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    const AttentionBackwardPlan plan = mm1::plan_attention_backward(record(dtype, 128, 3, 700), mm1::kProfileSm90);
    const int64_t rows = 3 * 700 * 8;
    CHECK(plan.flags_at >= 4);
    CHECK(plan.rows_at >= plan.flags_at + plan.flag_count * 4);
    CHECK(plan.sums_at >= plan.rows_at + rows * 8);
    CHECK_EQUAL(plan.query_slots * 8 * plan.tile.warps, plan.flag_count);
    CHECK_EQUAL(plan.sums_at + plan.query_slots * 8 * plan.tile.queries * 128 * 4, plan.workspace_bytes);
    CHECK(plan.flags_at % 256 == 0 && plan.rows_at % 256 == 0 && plan.sums_at % 256 == 0);
    // One block of keys: no sums.
    const AttentionBackwardPlan small = mm1::plan_attention_backward(record(dtype, 128, 3, 32), mm1::kProfileSm90);
    CHECK_EQUAL(int64_t{0}, small.flag_count);
    CHECK_EQUAL(small.sums_at, small.workspace_bytes);
  }
}

TEST(attention_backward_plan, query_tiles_of_all_documents_have_places_of_their_own) {
  for (const int rows : {16, 32, 64}) {
    std::set<int32_t> used;
    const std::vector<int> lengths = {1, 0, 64, 0, 0, 63, 65, 200, 0, 16, 17, 15};
    int first = 0;
    size_t tiles = 0;
    for (size_t document = 0; document < lengths.size(); document++) {
      for (int tile = 0; tile * rows < lengths[document]; tile++, tiles++) {
        const int32_t slot = mm1::query_slot(first, static_cast<int32_t>(document), rows) + tile;
        CHECK(slot >= 0 && slot < first / rows + lengths[document] / rows + static_cast<int32_t>(document) + 1);
        used.insert(slot);
      }
      first += lengths[document];
    }
    CHECK_EQUAL(tiles, used.size());
    CHECK(*used.rbegin() < first / rows + static_cast<int32_t>(lengths.size()));
  }
}

// The blocks that a query tile waits for are exactly those that visit it.
TEST(attention_backward_plan, contributors_are_the_blocks_that_visit_a_tile) {
  for (const mm1_attention_mask mask : {MM1_ATTENTION_MASK_FULL, MM1_ATTENTION_MASK_CAUSAL, MM1_ATTENTION_MASK_PREFIX}) {
    for (const int queries : {1, 31, 64, 130}) {
      for (const int keys : {0, 1, 32, 100, 260}) {
        for (const int prefix : {0, 20, 500}) {
          const AttentionDocument document = mm1::make_document(mask, 0, queries, 0, keys, prefix);
          const int tile_queries = 32, tile_keys = 64;
          for (int tile = 0; tile * tile_queries < queries; tile++) {
            int visits = 0;
            for (int block = 0; block * tile_keys < keys; block++) {
              const mm1::QueryTiles tiles = mm1::query_tiles(document, block * tile_keys, tile_keys, tile_queries);
              if (tile < tiles.begin || tile >= tiles.end) continue;
              CHECK_EQUAL(block, visits);  // Without a gap: 0, 1, 2, ...
              visits++;
            }
            CHECK_EQUAL(visits, mm1::contributing_blocks(document, tile, tile_queries, tile_keys));
          }
        }
      }
    }
  }
}

// A block waits for earlier blocks of keys of its document and head: their tickets must be lower.
TEST(attention_backward_plan, tickets_ascend_with_the_keys_of_a_document) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    for (const int64_t length : {100, 3000, 40000}) {
      const AttentionBackwardPlan plan = mm1::plan_attention_backward(record(MM1_DTYPE_BFLOAT16, 128, 2, length, 12, 6), profile);
      std::vector<int64_t> next(static_cast<size_t>(plan.order.pairs), 0);
      for (int64_t ticket = 0; ticket < plan.order.count(); ticket++) {
        const mm1::AttentionOrder::Item item = plan.order.at(ticket);
        CHECK_EQUAL(next[static_cast<size_t>(item.pair)], item.tile);
        next[static_cast<size_t>(item.pair)]++;
      }
      CHECK_EQUAL(plan.order.tiles, *std::min_element(next.begin(), next.end()));
    }
  }
}

}  // namespace test
