// Ring of shared-memory stages between one TMA producer thread and the consumer warpgroups of a Hopper kernel.
//
// Every stage has two mbarriers. `full` completes a phase when the producer has announced the stage's bytes and TMA has delivered them;
// `empty` completes one when every consumer warpgroup of every block of the cluster has said that it reads the stage no more. Both sides
// walk the stages with a RingPosition of their own. Waiting on the parity before a barrier's first phase succeeds at once, so the producer
// waits on `empty` with the opposite parity and finds every stage free in its first round.
//
//   shared memory at `barriers`:  full[0] .. full[stages - 1]  empty[0] .. empty[stages - 1], 8 bytes each
#pragma once
#include "dev/barrier.cuh"
#include "dev/cluster.cuh"
#include "dev/device.cuh"
#include "tile/host_device.h"

namespace mm1 {
#if DEV_SM90A

// Where one side of the ring stands: a stage and the parity of the round it is in.
template <int stages>
struct RingPosition {
  uint32_t stage = 0;
  uint32_t parity = 0;

  MM1_DEVICE_MEMBER void advance() {
    stage++;
    if (stage == stages) {
      stage = 0;
      parity ^= 1u;
    }
  }
};

template <int stages>
struct TmaRing {
  static constexpr uint32_t barrier_bytes = 2 * stages * 8;
  using Position = RingPosition<stages>;

  uint32_t barriers;  // Shared address of the barriers.

  MM1_DEVICE_MEMBER uint32_t full(uint32_t stage) const { return barriers + stage * 8; }
  MM1_DEVICE_MEMBER uint32_t empty(uint32_t stage) const { return barriers + (stages + stage) * 8; }

  // By one thread, before the block (and cluster) synchronizes: `releases` arrivals free a stage.
  MM1_DEVICE_MEMBER void initialize(uint32_t releases) const {
    for (uint32_t stage = 0; stage < stages; stage++) {
      dev::mbar_init(full(stage), 1);
      dev::mbar_init(empty(stage), releases);
    }
    dev::fence_mbar_init();
  }

  MM1_DEVICE_MEMBER void wait_full(const Position& at) const { dev::mbar_wait(full(at.stage), at.parity); }
  MM1_DEVICE_MEMBER void wait_empty(const Position& at, int cluster_size) const {
    if (cluster_size == 1) {
      dev::mbar_wait(empty(at.stage), at.parity ^ 1u);
    } else {
      dev::mbar_wait_cluster(empty(at.stage), at.parity ^ 1u);
    }
  }

  // The producer's own arrival, with the bytes that TMA will bring to this block in this stage.
  MM1_DEVICE_MEMBER void announce(uint32_t stage, uint32_t bytes) const { dev::mbar_arrive_expect_tx(full(stage), bytes); }

  // By every thread of a consumer warpgroup, when none of its wgmmas reads the stage any more. One thread tells each block of the cluster,
  // for each of them fills a part of every block's stage.
  MM1_DEVICE_MEMBER void release(uint32_t stage, uint32_t thread_of_warpgroup, uint32_t cluster_size) const {
    if (cluster_size == 1) {
      if (thread_of_warpgroup == 0) dev::mbar_arrive(empty(stage));
    } else if (thread_of_warpgroup < cluster_size) {
      dev::mbar_arrive_cluster(dev::mapa(empty(stage), thread_of_warpgroup));
    }
  }
};

#endif  // DEV_SM90A
}  // namespace mm1
