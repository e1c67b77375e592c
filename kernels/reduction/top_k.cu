// The k largest elements of each row in descending order; the first of them alone is mm1_arg_max.
//
// Maths      elements in the order (value descending, index ascending); NaN is above all, the zeros are equal. Values are copied as bits.
// Roles      rows of up to 1024 columns: a warp each, which looks through its row once for each of the k. Longer rows: a block of
//            sixteen warps, each with a sixteenth of the row and its best element that is not taken yet; the best of these is the next, and
//            only the warp that had it looks through its share again: columns + k * columns / 16 elements in all.
// Budget     256 (512) threads, 128 bytes of shared memory, about 48 registers.
// Not here   a row of several blocks; rows are independent, and a long row alone does not fill the device.
#include "reduction/reduction.h"

#include "dev/launch.h"
#include "host/device.h"
#include "reduction/warp_team.cuh"

namespace mm1 {

namespace {

constexpr int kAtOnce = 4;  // Packs on their way before the first is looked at.
constexpr int32_t kLeast = -2147483647 - 1;
constexpr int32_t kMost = 2147483647;

// An element as an integer in the order of the values, and its index.
struct Candidate {
  int32_t key;
  int32_t index;
};

DEV_FN bool is_before(const Candidate& a, const Candidate& b) { return a.key > b.key || (a.key == b.key && a.index < b.index); }

DEV_FN int32_t key_of(float value) {
  if (value != value) return kMost;
  const int32_t bits = static_cast<int32_t>(dev::f2u(dev::add(value, 0.0f)));
  return bits ^ ((bits >> 31) & kMost);
}

// The first after `last` in the order among this warp's share of the row: its packs and every `Size`th further. No element of any value
// has the key kLeast.
template <class T, int Size>
DEV_FN Candidate next_of_share(const T* x, const Selection& selection, uint32_t member, const Candidate& last) {
  constexpr int kPack = kPackElements<T>;
  const int64_t packs = (selection.columns + kPack - 1) / kPack;
  Candidate best{kLeast, kMost};
  DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kAtOnce * Size) {
    float values[kAtOnce][kPack];
    int counts[kAtOnce];
    DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
      const int64_t pack = first + j * Size;
      counts[j] = pack < packs ? pack_count<T>(selection.columns, pack) : 0;
      load_pack(x + pack * kPack, selection.has_packs != 0, counts[j], values[j]);
    }
    DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
      DEV_UNROLL for (int i = 0; i < kPack; i++) {
        const Candidate each{key_of(values[j][i]), static_cast<int32_t>((first + j * Size) * kPack + i)};
        if (i < counts[j] && is_before(last, each) && is_before(each, best)) best = each;
      }
    }
  }
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) {
    const Candidate other{dev::shfl_xor(best.key, distance), dev::shfl_xor(best.index, distance)};
    if (is_before(other, best)) best = other;
  }
  return best;
}

template <class T, int Warps>
DEV_KERNEL DEV_BOUNDS(WarpTeam<Warps>::kThreads) top_k(const DEV_GRID_CONST Selection selection) {
  DEV_SHARED(Candidate, shares, Warps);
  constexpr int kSize = WarpTeam<Warps>::kSize;
  const uint32_t member = team_member<Warps>();
  for (int64_t row = team_row<Warps>(); row < selection.rows; row += team_step<Warps>()) {
    const T* x = row_of<const T>(selection.x, row);
    int32_t* indices = row_of<int32_t>(selection.indices, row);
    T* values = row_of<T>(selection.values, row);
    Candidate own = next_of_share<T, kSize>(x, selection, member, Candidate{kMost, -1});
    for (int64_t place = 0; place < selection.k; place++) {
      Candidate best = own;
      if (Warps > 1) {
        dev::sync_block();  // Whoever still reads the candidates of the place before.
        if (dev::lane() == 0) shares[dev::tid() / 32] = own;
        dev::sync_block();
        best = shares[0];
        DEV_UNROLL for (int warp = 1; warp < Warps; warp++) {
          if (is_before(shares[warp], best)) best = shares[warp];
        }
      }
      if (member == 0) {
        dev::st_global_4(indices + place, static_cast<uint32_t>(best.index));
        if (selection.values.data != nullptr) values[place] = x[best.index];
      }
      if (own.index == best.index && place + 1 < selection.k) own = next_of_share<T, kSize>(x, selection, member, best);
    }
  }
}

template <class T, int Warps>
mm1_status launch_team(const char* verb, mm1_stream stream, const Selection& selection) {
  dev::LaunchConfig config;
  config.grid = {row_blocks(selection.rows, WarpTeam<Warps>::kRows, current_profile()), 1, 1};
  config.block = {WarpTeam<Warps>::kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, top_k<T, Warps>, selection);
  return launched(verb, status.code, status.text);
}

template <class T>
mm1_status launch_typed(const char* verb, mm1_stream stream, const Selection& selection) {
  if (selection.columns <= kTopKWarpColumns) return launch_team<T, 1>(verb, stream, selection);
  return launch_team<T, kTopKWarps>(verb, stream, selection);
}

}  // namespace

mm1_status launch_selection(const char* verb, mm1_stream stream, bool is_float32, const Selection& selection) {
  return is_float32 ? launch_typed<float>(verb, stream, selection) : launch_typed<dev::bf16>(verb, stream, selection);
}

}  // namespace mm1
