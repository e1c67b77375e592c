// TMA: boxes with zero fill, swizzles, ranks 2 to 4, stores, reductions, multicast; clusters.
#include "dev/cluster.cuh"
#include "dev/tensor_map.h"
#include "dev/tma.cuh"
#include "support.h"

using namespace dev;

static DevTensorMap encode(const void* base, const TensorMapShape& shape) {
  DevTensorMap map;
  const LaunchStatus status = encode_tensor_map(&map, base, shape);
  CHECK_MESSAGE(status.ok(), status.text);
  return map;
}

static uint32_t swizzled(uint32_t offset, uint32_t span) { return span == 0 ? offset : offset ^ (offset / 128 % (span / 16)) * 16; }

template <int Rank>
DEV_KERNEL load_box(const DEV_GRID_CONST DevTensorMap map, int x, int y, int z, int w, uint32_t bytes, char* out) {
  const uint32_t full = smem_addr(dynamic_smem());
  char* box = dynamic_smem() + 1024;
  if (tid() == 0) {
    mbar_init(full, 1);
    fence_mbar_init();
    mbar_arrive_expect_tx(full, bytes);
    if (Rank == 2) tma_load_2d(smem_addr(box), &map, x, y, full);
    if (Rank == 3) tma_load_3d(smem_addr(box), &map, x, y, z, full);
    if (Rank == 4) tma_load_4d(smem_addr(box), &map, x, y, z, w, full);
  }
  sync_block();
  mbar_wait(full, 0);
  for (uint32_t i = tid(); i < bytes; i += ntid()) out[i] = box[i];
}

// Every byte of the box at (x, y), of an array of uint16 whose element is its own index.
static void check_2d(uint32_t swizzle, uint32_t box_x, uint32_t box_y, int x, int y) {
  const int width = 100;
  const int height = 37;
  const int stride = 104;
  Array<uint16_t> tensor(static_cast<size_t>(stride * height));
  for (size_t i = 0; i < tensor.size; i++) tensor[i] = static_cast<uint16_t>(i + 1);
  tensor.written();
  TensorMapShape shape;
  shape.type = TensorMapType::uint16;
  shape.extents[0] = width;
  shape.extents[1] = height;
  shape.strides_bytes[1] = stride * 2;
  shape.box[0] = box_x;
  shape.box[1] = box_y;
  shape.swizzle_bytes = swizzle;
  const uint32_t bytes = box_x * box_y * 2;
  Array<char> out(bytes);
  launch_now({{1}, {64}, 1024 + bytes}, load_box<2>, encode(tensor.data, shape), x, y, 0, 0, bytes, out.data);
  for (uint32_t r = 0; r < box_y; r++) {
    for (uint32_t c = 0; c < box_x; c++) {
      const int gx = x + static_cast<int>(c);
      const int gy = y + static_cast<int>(r);
      const bool inside = gx >= 0 && gx < width && gy >= 0 && gy < height;
      uint16_t value;
      memcpy(&value, &out[swizzled((r * box_x + c) * 2, swizzle)], 2);
      CHECK_EQUAL(static_cast<uint16_t>(inside ? gy * stride + gx + 1 : 0), value);
    }
  }
}

TEST(tma, boxes_inside_with_every_swizzle) {
  check_2d(0, 24, 5, 8, 3);
  check_2d(32, 16, 9, 8, 3);
  check_2d(64, 32, 16, 8, 3);
  check_2d(128, 64, 20, 8, 3);
}

TEST(tma, boxes_beyond_every_edge_are_zero_filled) {
  check_2d(128, 64, 16, -7, -3);
  check_2d(128, 64, 16, 90, 30);
  check_2d(128, 64, 8, 64, 100);
  check_2d(128, 64, 8, -64, 0);
}

TEST(tma, boxes_of_three_and_four_dimensions) {
  const int e[4] = {40, 5, 6, 3};
  Array<uint16_t> tensor(40 * 5 * 6 * 3);
  for (size_t i = 0; i < tensor.size; i++) tensor[i] = static_cast<uint16_t>(i + 1);
  tensor.written();
  TensorMapShape shape;
  shape.type = TensorMapType::uint16;
  shape.swizzle_bytes = 0;
  for (int i = 0; i < 4; i++) shape.extents[i] = static_cast<uint64_t>(e[i]);
  shape.strides_bytes[1] = 80;
  shape.strides_bytes[2] = 80 * 5;
  shape.strides_bytes[3] = 80 * 5 * 6;
  shape.box[0] = 8;
  shape.box[1] = 3;
  shape.box[2] = 2;
  shape.box[3] = 2;
  for (uint32_t rank = 3; rank <= 4; rank++) {
    shape.rank = rank;
    const uint32_t bytes = 8 * 3 * 2 * 2 * (rank == 4 ? 2 : 1);
    Array<char> out(bytes);
    const DevTensorMap map = encode(tensor.data, shape);
    if (rank == 3) launch_now({{1}, {32}, 1024 + bytes}, load_box<3>, map, 36, -1, 5, 0, bytes, out.data);
    if (rank == 4) launch_now({{1}, {32}, 1024 + bytes}, load_box<4>, map, 36, -1, 5, 2, bytes, out.data);
    for (int i = 0; i < static_cast<int>(bytes) / 2; i++) {
      const int at[4] = {36 + i % 8, -1 + i / 8 % 3, 5 + i / 24 % 2, rank == 4 ? 2 + i / 48 : 0};
      bool inside = true;
      for (int d = 0; d < 4; d++) inside &= at[d] >= 0 && at[d] < e[d];
      uint16_t value;
      memcpy(&value, &out[static_cast<size_t>(i) * 2], 2);
      CHECK_EQUAL(static_cast<uint16_t>(inside ? ((at[3] * 6 + at[2]) * 5 + at[1]) * 40 + at[0] + 1 : 0), value);
    }
  }
}

template <bool Add>
DEV_KERNEL store_box(const DEV_GRID_CONST DevTensorMap map, int x, int y) {       // 32 x 8 float32, swizzled
  float* box = reinterpret_cast<float*>(dynamic_smem());
  for (uint32_t i = tid(); i < 256; i += ntid()) {
    const uint32_t offset = i * 4;
    box[(offset ^ (offset / 128 % 8) * 16) / 4] = static_cast<float>(i);
  }
  fence_proxy_async();
  sync_block();
  if (tid() == 0) {
    if (Add) {
      tma_reduce_add_2d(&map, smem_addr(box), x, y);
    } else {
      tma_store_2d(&map, smem_addr(box), x, y);
    }
    tma_commit();
    tma_wait_read<0>();
  }
  sync_block();
  for (uint32_t i = tid(); i < 256; i += ntid()) box[i] = -1.f;          // the box is free again
}

TEST(tma, stores_and_reductions_leave_the_outside_alone) {
  Array<float> tensor(44 * 20, 1000.f);
  TensorMapShape shape;
  shape.type = TensorMapType::float32;
  shape.extents[0] = 40;
  shape.extents[1] = 20;
  shape.strides_bytes[1] = 44 * 4;
  shape.box[0] = 32;
  shape.box[1] = 8;
  const DevTensorMap map = encode(tensor.data, shape);
  launch_now({{1}, {64}, 1024}, store_box<false>, map, 16, -2);
  launch_now({{1}, {64}, 1024}, store_box<true>, map, 0, 15);
  for (int r = 0; r < 20; r++) {
    for (int c = 0; c < 44; c++) {
      float expected = 1000.f;
      if (c >= 16 && c < 40 && r < 6) expected = static_cast<float>((r + 2) * 32 + c - 16);
      if (c < 32 && r >= 15) expected += static_cast<float>((r - 15) * 32 + c);
      CHECK_EQUAL(expected, tensor[static_cast<size_t>(r * 44 + c)]);
    }
  }
}

TEST(tma, maps_that_the_driver_would_refuse) {
  DevTensorMap map;
  TensorMapShape good;
  good.extents[0] = good.extents[1] = 64;
  good.strides_bytes[1] = 128;
  good.box[0] = 64;
  alignas(16) char memory[32] = {};
  const auto refused = [&](void (*change)(TensorMapShape&), const char* text, const void* base) {
    TensorMapShape shape = good;
    change(shape);
    const LaunchStatus status = encode_tensor_map(&map, base, shape);
    CHECK(!status.ok());
    CHECK_CONTAINS(std::string(status.text), text);
  };
  CHECK(encode_tensor_map(&map, memory, good).ok());
  refused([](TensorMapShape&) {}, "base address", memory + 8);
  refused([](TensorMapShape& s) { s.rank = 6; }, "rank", memory);
  refused([](TensorMapShape& s) { s.strides_bytes[1] = 132; }, "stride", memory);
  refused([](TensorMapShape& s) { s.box[1] = 257; }, "box extent", memory);
  refused([](TensorMapShape& s) { s.box[0] = 128; }, "larger than the swizzle", memory);
  refused([](TensorMapShape& s) { s.box[0] = 4; }, "multiple of 16", memory);
  refused([](TensorMapShape& s) { s.swizzle_bytes = 48; }, "swizzle", memory);
}

// Blocks 0 and 1 of a cluster each load half of a tile for both.
DEV_KERNEL multicast(const DEV_GRID_CONST DevTensorMap map, uint16_t* out) {
  const uint32_t full = smem_addr(dynamic_smem());
  uint16_t* tile = reinterpret_cast<uint16_t*>(dynamic_smem() + 1024);        // 64 x 16, two boxes of 64 x 8
  if (tid() == 0) {
    mbar_init(full, 1);
    fence_mbar_init();
  }
  cluster_sync();                     // both barriers are there before either block's data arrive
  if (tid() == 0) {
    mbar_arrive_expect_tx(full, 2048);
    const int half = static_cast<int>(cluster_rank());
    tma_load_2d_multicast(smem_addr(tile) + static_cast<uint32_t>(half) * 1024, &map, 0, static_cast<int>(bid_x() / 2) * 16 + half * 8,
                          full, 3);
  }
  sync_block();
  mbar_wait_cluster(full, 0);
  for (uint32_t i = tid(); i < 1024; i += ntid()) {
    const uint32_t offset = i * 2;
    out[bid_x() * 1024 + i] = tile[(offset ^ (offset / 128 % 8) * 16) / 2];
  }
  cluster_sync();
}

TEST(tma, multicast_reaches_both_blocks_of_a_cluster) {
  Array<uint16_t> tensor(64 * 48), out(6 * 1024);
  for (size_t i = 0; i < tensor.size; i++) tensor[i] = static_cast<uint16_t>(i);
  tensor.written();
  TensorMapShape shape;
  shape.type = TensorMapType::uint16;
  shape.extents[0] = 64;
  shape.extents[1] = 48;
  shape.strides_bytes[1] = 128;
  shape.box[0] = 64;
  shape.box[1] = 8;
  LaunchConfig config = {{6}, {64}, 1024 + 2048};
  config.cluster = {2, 1, 1};
  launch_now(config, multicast, encode(tensor.data, shape), out.data);
  for (uint32_t b = 0; b < 6; b++) {
    for (uint32_t i = 0; i < 1024; i++) CHECK_EQUAL(static_cast<uint16_t>(b / 2 * 1024 + i), out[b * 1024 + i]);
  }
}

DEV_KERNEL neighbours(uint32_t* out) {       // each block of a cluster of four reads and writes its neighbour's shared memory
  const uint32_t s = smem_addr(dynamic_smem());
  const uint32_t next = (cluster_rank() + 1) % cluster_size();
  st_shared_4(s + tid() * 4, bid_x() * 100 + tid());
  cluster_sync();
  const uint32_t theirs = ld_cluster_4(mapa(s + tid() * 4, next));
  st_cluster_4(mapa(s + 128 + tid() * 4, next), theirs + 1);
  if (tid() == 0) mbar_init(s + 256, 32 * 4);
  cluster_sync();
  for (uint32_t r = 0; r < 4; r++) mbar_arrive_cluster(mapa(s + 256, r));
  mbar_wait_cluster(s + 256, 0);
  out[bid_x() * 32 + tid()] = ld_shared_4(s + 128 + tid() * 4);
  cluster_sync();
}

TEST(tma, blocks_of_a_cluster_share_memory_and_barriers) {
  Array<uint32_t> out(8 * 32);
  LaunchConfig config = {{8}, {32}, 512};
  config.cluster = {4, 1, 1};
  launch_now(config, neighbours, out.data);
  for (uint32_t b = 0; b < 8; b++) {
    for (uint32_t t = 0; t < 32; t++) CHECK_EQUAL(b * 100 + t + 1, out[b * 32 + t]);  // its own values, through the neighbour before it
  }
}
