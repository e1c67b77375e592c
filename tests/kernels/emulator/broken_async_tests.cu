// Broken kernels, second part: cp.async, mbarrier, TMA, wgmma, clusters. See broken.h.
#include "broken.h"
#include "dev/async_copy.cuh"
#include "dev/cluster.cuh"
#include "dev/tensor_map.h"
#include "dev/wgmma.cuh"

using namespace dev;

// ---- cp.async ---------------------------------------------------------------------------------------------------------------------------
template <int Pending, bool Barrier>
DEV_KERNEL copies(const uint32_t* in, uint32_t* out) {
  const uint32_t s = smem_addr(dynamic_smem());
  cp_async4(s + tid() * 4, in + tid());
  cp_async_commit();
  cp_async_wait<Pending>();
  if (Barrier) sync_block();
  out[tid()] = ld_shared_4(s + (tid() ^ 32) * 4);
}
template <int Pending, bool Barrier>
static std::string run_copies() {
  Array<uint32_t> in(64, 7u), out(64);
  const std::string text = failure({{1}, {64}, 256}, copies<Pending, Barrier>, static_cast<const uint32_t*>(in.data), out.data);
  for (int i = 0; i < 64 && text.empty(); i++) {
    if (out[i] != 7) return "wrong result";
  }
  return text;
}
BROKEN(missing_wait_for_cp_async, shadow, "reads bytes of an asynchronous copy that has not been waited for",
       { return run_copies<1, true>(); })
BROKEN(missing_wait_for_cp_async_leaves_poison, late | seeds, "wrong result", { return run_copies<1, true>(); })
BROKEN(missing_barrier_after_the_wait, shadow, "reads uninitialised dynamic shared memory", { return run_copies<0, false>(); })
BROKEN(with_wait_and_barrier_it_is_right, always, "right", { return run_copies<0, true>().empty() ? "right" : "wrong"; })

DEV_KERNEL slot_reused(const uint32_t* in, uint32_t* out) {
  const uint32_t s = smem_addr(dynamic_smem());
  uint32_t sum = 0;
  for (int i = 0; i < 4; i++) {
    cp_async4(s + tid() * 4, in + i * 64 + static_cast<int>(tid()));
    cp_async_commit();
    cp_async_wait<0>();
    sync_block();
    sum += ld_shared_4(s + (tid() ^ 32) * 4);
  }                                   // no barrier before the slot is copied to again
  out[tid()] = sum;
}
static std::string run_slot_reused() {
  Array<uint32_t> in(256), out(64);
  for (uint32_t i = 0; i < 256; i++) in[i] = 1u << (i / 64 * 8);
  in.written();
  const std::string text = failure({{1}, {64}, 256}, slot_reused, static_cast<const uint32_t*>(in.data), out.data);
  for (int i = 0; i < 64 && text.empty(); i++) {
    if (out[i] != 0x01010101u) return "wrong result";
  }
  return text;
}
BROKEN(slot_copied_to_while_others_read_it, shadow, "DATA RACE: ", { return run_slot_reused(); })
BROKEN(slot_copied_to_while_others_read_it_by_chance, late | seeds, "wrong result", { return run_slot_reused(); })

// ---- mbarrier ---------------------------------------------------------------------------------------------------------------------------
DEV_KERNEL wrong_parity(int) {
  const uint32_t b = smem_addr(dynamic_smem());
  if (tid() == 0) mbar_init(b, 64);
  sync_block();
  mbar_arrive(b);
  mbar_wait(b, 0);
  mbar_wait(b, 1);                    // the next phase, in which nobody arrives
}
BROKEN(wrong_parity_waits_for_ever, always, "parity 1 of the mbarrier at shared", {
  const std::string text = failure({{1}, {64}, 64}, wrong_parity, 0);
  return text.substr(0, 8) == "DEADLOCK" ? text.substr(text.find("64 thread")) : text;
})

DEV_KERNEL parity_passes_early(const uint32_t* in, uint32_t* out) {
  const uint32_t b = smem_addr(dynamic_smem());
  const uint32_t data = b + 64;
  if (tid() == 0) mbar_init(b, 32);
  sync_block();
  if (tid() < 32) {
    st_shared_4(data + tid() * 4, in[tid()]);
    mbar_arrive(b);
  } else {
    mbar_wait(b, 1);                  // the phase before the first counts as complete
    out[lane()] = ld_shared_4(data + lane() * 4);
  }
}
BROKEN(wrong_parity_passes_at_once, shadow, "shared", {
  Array<uint32_t> in(32, 7u), out(32);
  return failure({{1}, {64}, 256}, parity_passes_early, static_cast<const uint32_t*>(in.data), out.data);
})
BROKEN(wrong_parity_passes_at_once_by_chance, seeds, "wrong result", {
  Array<uint32_t> in(32, 7u), out(32);
  const std::string text = failure({{1}, {64}, 256}, parity_passes_early, static_cast<const uint32_t*>(in.data), out.data);
  for (int i = 0; i < 32; i++) {
    if (out[i] != 7) return "wrong result";
  }
  return text;
})

DEV_KERNEL never_initialised(int) { mbar_wait(smem_addr(dynamic_smem()), 0); }
BROKEN(mbarrier_without_init, always, "used before mbarrier.init", { return failure({{1}, {32}, 64}, never_initialised, 0); })

DEV_KERNEL too_many_arrivals(int) {
  const uint32_t b = smem_addr(dynamic_smem());
  if (tid() == 0) mbar_init(b, 33);
  sync_block();
  mbar_arrive(b);
  if (tid() == 0) mbar_wait(b, 0);    // 33 expected, 32 came
}
BROKEN(mbarrier_with_a_wrong_count, always, "1 arrivals and 0 bytes to come", {
  const std::string text = failure({{1}, {32}, 64}, too_many_arrivals, 0);
  const size_t at = text.find("1 thread(s), block (0,0,0) thread 0:");
  return at == std::string::npos ? text : text.substr(at);
})

DEV_KERNEL overwritten(int) {
  const uint32_t b = smem_addr(dynamic_smem());
  if (tid() == 0) {
    mbar_init(b, 1);
    st_shared_4(b + 4, 0xffffffffu);
    mbar_arrive(b);
  }
}
BROKEN(mbarrier_overwritten, late | early | seeds, "overwritten since", { return failure({{1}, {32}, 64}, overwritten, 0); })
BROKEN(mbarrier_overwritten_in_the_act, shadow, "an mbarrier with an ordinary access", { return failure({{1}, {32}, 64}, overwritten, 0); })

// ---- TMA --------------------------------------------------------------------------------------------------------------------------------
// A producer warp and a consumer warp over a ring of two slots of 16 x 8 uint16. The template says what is wrong with it.
enum Fault { right, no_init_fence, few_bytes, many_bytes, no_wait, early_release, no_release_wait, misaligned, store_over };
template <Fault F>
DEV_KERNEL ring(const DEV_GRID_CONST DevTensorMap map, int n, uint32_t* out) {
  const uint32_t full = smem_addr(dynamic_smem());
  const uint32_t empty = full + 16;
  const uint32_t slots = full + 1024;
  if (tid() == 0) {
    for (uint32_t s = 0; s < 2; s++) {
      mbar_init(full + s * 8, 1);
      mbar_init(empty + s * 8, 1);
    }
    if (F != no_init_fence) fence_mbar_init();
  }
  sync_block();
  if (tid() < 32) {
    for (int i = 0; i < n && tid() == 0; i++) {
      const uint32_t s = static_cast<uint32_t>(i) % 2;
      if (i >= 2 && F != no_release_wait) mbar_wait(empty + s * 8, ((i / 2) & 1) ^ 1);
      mbar_arrive_expect_tx(full + s * 8, F == few_bytes ? 128 : F == many_bytes ? 272 : 256);
      tma_load_2d(slots + s * 1024 + (F == misaligned ? 64 : 0), &map, 0, i * 8, full + s * 8);
    }
  } else {
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) {
      const uint32_t s = static_cast<uint32_t>(i) % 2;
      if (F != no_wait) mbar_wait(full + s * 8, (i / 2) & 1);
      if (F == early_release && lane() == 0) mbar_arrive(empty + s * 8);
      if (F == early_release) sync_warp();
      if (F == store_over) st_shared_4(slots + s * 1024 + lane() * 4, 5);
      sum += ld_shared_4(slots + s * 1024 + lane() * 4) + ld_shared_4(slots + s * 1024 + 128 + lane() * 4);
      sync_warp();
      if (F != early_release && lane() == 0) mbar_arrive(empty + s * 8);
    }
    out[lane()] = sum;
  }
}
template <Fault F>
static std::string run_ring() {
  const int n = 7;
  Array<uint16_t> tensor(16 * 8 * n);
  for (size_t i = 0; i < tensor.size; i++) tensor[i] = static_cast<uint16_t>(1 + i / 128);
  tensor.written();
  TensorMapShape shape;
  shape.type = TensorMapType::uint16;
  shape.extents[0] = 16;
  shape.extents[1] = 8 * n;
  shape.strides_bytes[1] = 32;
  shape.box[0] = 16;
  shape.box[1] = 8;
  shape.swizzle_bytes = 0;
  DevTensorMap map;
  if (!encode_tensor_map(&map, tensor.data, shape).ok()) return "no map";
  Array<uint32_t> out(32);
  const std::string text = failure({{1}, {64}, 1024 + 2048}, ring<F>, map, n, out.data);
  for (int i = 0; i < 32 && text.empty(); i++) {
    if (out[i] != 28u * 2 * 0x10001u) return "wrong result";
  }
  return text.empty()                                                                   ? "right"
         : text.substr(0, 8) == "DEADLOCK" && text.find("to come") != std::string::npos ? text.substr(text.find("mbarrier at"))
                                                                                        : text;
}
BROKEN(tma_ring_as_it_should_be, always, "right", { return run_ring<right>(); })
BROKEN(missing_fence_after_mbarrier_init, shadow, "without fence_mbar_init", { return run_ring<no_init_fence>(); })
BROKEN(wrong_transaction_bytes_too_few, always, "copies brought 128 bytes more than were announced", { return run_ring<few_bytes>(); })
BROKEN(wrong_transaction_bytes_too_many, always, "16 bytes to come", { return run_ring<many_bytes>(); })
BROKEN(missing_wait_for_tma, shadow, "shared", { return run_ring<no_wait>(); })
BROKEN(missing_wait_for_tma_releases_too_often, late, "more arrivals than the 1 that a phase expects", { return run_ring<no_wait>(); })
BROKEN(early_release_of_a_slot, shadow, "reads bytes of an asynchronous copy that has not been waited for",
       { return run_ring<early_release>(); })
BROKEN(producer_does_not_wait_for_the_release, late | seeds | shadow, "more arrivals than the 1 that a phase expects",
       { return run_ring<no_release_wait>(); })
BROKEN(producer_does_not_wait_for_the_release_and_loses_a_phase, early, "1 arrivals and 0 bytes to come",
       { return run_ring<no_release_wait>(); })
BROKEN(misaligned_tma_target, always, "misaligned: shared address", { return run_ring<misaligned>(); })
BROKEN(tma_over_ordinary_stores_without_a_fence, shadow, "an asynchronous operation overwrites what thread",
       { return run_ring<store_over>(); })

template <bool Fence, bool Wait>
DEV_KERNEL stores(const DEV_GRID_CONST DevTensorMap map) {
  uint32_t* box = reinterpret_cast<uint32_t*>(dynamic_smem());
  if (tid() < 64) box[tid()] = tid();
  if (Fence) fence_proxy_async();
  sync_block();
  if (tid() == 0) {
    tma_store_2d(&map, smem_addr(box), 0, 0);
    tma_commit();
    if (Wait) tma_wait_read<0>();
  }
  sync_block();
  if (tid() < 64) box[tid()] = 99;
  sync_block();
  if (tid() == 0) tma_wait<0>();
}
template <bool Fence, bool Wait>
static std::string run_stores() {
  Array<uint16_t> tensor(128, static_cast<uint16_t>(0));
  TensorMapShape shape;
  shape.type = TensorMapType::uint16;
  shape.extents[0] = 16;
  shape.extents[1] = 8;
  shape.strides_bytes[1] = 32;
  shape.box[0] = 16;
  shape.box[1] = 8;
  shape.swizzle_bytes = 0;
  DevTensorMap map;
  if (!encode_tensor_map(&map, tensor.data, shape).ok()) return "no map";
  const std::string text = failure({{1}, {64}, 1024}, stores<Fence, Wait>, map);
  for (int i = 0; i < 64 && text.empty(); i++) {
    if (tensor[static_cast<size_t>(i) * 2] != i) return "wrong result";
  }
  return text.empty() ? "right" : text;
}
BROKEN(tma_store_as_it_should_be, always, "right", { return run_stores<true, true>(); })
BROKEN(missing_proxy_fence_before_a_tma_store, shadow, "wrote with ordinary stores and without fence_proxy_async",
       { return run_stores<false, true>(); })
BROKEN(missing_wait_for_a_tma_store, shadow, "DATA RACE: overwrites what TMA store reads", { return run_stores<true, false>(); })
BROKEN(missing_wait_for_a_tma_store_stores_what_came_later, late, "wrong result", { return run_stores<true, false>(); })

DEV_KERNEL ends_early(const DEV_GRID_CONST DevTensorMap map) {
  uint32_t* box = reinterpret_cast<uint32_t*>(dynamic_smem());
  box[tid()] = tid();
  fence_proxy_async();
  sync_block();
  if (tid() == 0) {
    tma_store_2d(&map, smem_addr(box), 0, 0);
    tma_commit();
  }
}
BROKEN(thread_ends_with_a_tma_store_in_flight, late | shadow, "ends before tma_wait_read", {
  Array<uint16_t> tensor(128, static_cast<uint16_t>(0));
  TensorMapShape shape;
  shape.type = TensorMapType::uint16;
  shape.extents[0] = 16;
  shape.extents[1] = 8;
  shape.strides_bytes[1] = 32;
  shape.box[0] = 16;
  shape.box[1] = 8;
  shape.swizzle_bytes = 0;
  DevTensorMap map;
  if (!encode_tensor_map(&map, tensor.data, shape).ok()) return "no map";
  return failure({{1}, {64}, 1024}, ends_early, map);
})

// ---- wgmma ------------------------------------------------------------------------------------------------------------------------------
enum WgmmaFault { well, no_proxy_fence, no_fence, no_commit, no_wgmma_wait, released_early, descriptors_differ, registers_changed };
template <WgmmaFault F>
DEV_KERNEL product(float* out) {
  uint16_t* s = reinterpret_cast<uint16_t*>(dynamic_smem());
  for (uint32_t i = tid(); i < 2 * 64 * 64; i += 128) s[i] = 0x3f80;
  if (F != no_proxy_fence) fence_proxy_async();
  sync_block();
  float d[32];
  for (float& x : d) x = 0.f;
  uint32_t a[4] = {0x3f803f80, 0x3f803f80, 0x3f803f80, 0x3f803f80};
  if (F != no_fence) wgmma_fence();
  const uint32_t b = smem_addr(s) + 8192 + (F == descriptors_differ && tid() == 77 ? 32 : 0);
  if (F == registers_changed) {
    wgmma_bf16<64, 0, 0>(d, a, wg_desc(b), 1);
  } else {
    wgmma_bf16<64, 0, 0>(d, wg_desc(smem_addr(s)), wg_desc(b), 1);
  }
  if (F != no_commit) wgmma_commit();
  if (F == registers_changed) a[0] = 0;
  if (F == released_early) {
    sync_block();
    for (uint32_t i = tid(); i < 64 * 64; i += 128) s[i] = 0;         // before the wait: it may still be read
  }
  if (F != no_wgmma_wait) wgmma_wait<0>();
  out[tid()] = d[31];
  if (F == registers_changed) out[tid()] += u2f(a[0]);
  if (F == no_wgmma_wait) wgmma_wait<0>();
}
template <WgmmaFault F>
static std::string run_product() {
  Array<float> out(128);
  const std::string text = failure({{1}, {128}, 16384}, product<F>, out.data);
  for (int i = 0; i < 128 && text.empty(); i++) {
    if (out[i] != 16.f) return "wrong result";
  }
  return text.empty() ? "right" : text;
}
BROKEN(wgmma_as_it_should_be, always, "right", { return run_product<well>(); })
BROKEN(missing_proxy_fence_before_wgmma, shadow, "wrote with ordinary stores and without fence_proxy_async",
       { return run_product<no_proxy_fence>(); })
BROKEN(missing_wgmma_fence, always, "no wgmma_fence", { return run_product<no_fence>(); })
BROKEN(missing_wgmma_commit, always, "ends with a wgmma in flight", { return run_product<no_commit>(); })
BROKEN(missing_wgmma_wait, late | seeds | shadow, "wrong result", { return run_product<no_wgmma_wait>(); })
BROKEN(operand_overwritten_before_the_wgmma_wait, shadow, "DATA RACE: overwrites what wgmma of warpgroup 0 reads",
       { return run_product<released_early>(); })
BROKEN(operand_overwritten_before_the_wgmma_wait_changes_the_product, late | seeds, "wrong result",
       { return run_product<released_early>(); })
BROKEN(descriptors_that_differ_in_the_warpgroup, always, "differ within the warpgroup", { return run_product<descriptors_differ>(); })
BROKEN(registers_of_a_changed_in_flight, always, "registers of A were changed", { return run_product<registers_changed>(); })

// ---- clusters ---------------------------------------------------------------------------------------------------------------------------
DEV_KERNEL neighbour_gone(uint32_t* out) {
  const uint32_t s = smem_addr(dynamic_smem());
  st_shared_4(s + tid() * 4, tid());
  cluster_sync();
  if (cluster_rank() == 0) {
    for (int i = 0; i < 100; i++) spin_hint();         // block 1 ends meanwhile
    out[tid()] = ld_cluster_4(mapa(s + tid() * 4, 1));
  }
}
BROKEN(shared_memory_of_a_block_that_has_ended, late | early | shadow, "has ended", {
  Array<uint32_t> out(32);
  LaunchConfig config = {{2}, {32}, 128};
  config.cluster = {2, 1, 1};
  return failure(config, neighbour_gone, out.data);
})
DEV_KERNEL neighbour_not_ready(uint32_t* out) {
  const uint32_t s = smem_addr(dynamic_smem());
  st_shared_4(s + tid() * 4, tid());
  sync_block();                       // of this block only
  out[bid_x() * 32 + tid()] = ld_cluster_4(mapa(s + tid() * 4, cluster_rank() ^ 1));
  cluster_sync();
}
BROKEN(missing_cluster_barrier, shadow, "shared", {
  Array<uint32_t> out(64);
  LaunchConfig config = {{2}, {32}, 128};
  config.cluster = {2, 1, 1};
  return failure(config, neighbour_not_ready, out.data);
})
