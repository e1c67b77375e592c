// Decoding in true float32: fused multiply-adds, one chain for each score and each weighted value.
//
// Scores     lane l has key l % 16 and the eight rows from l / 16 * 8 on: a row of keys is read once, the queries are broadcast.
// Softmax    lane l has row l % 16 and every other key, from l / 16 on; scores and weights pass through the warp's own shared memory.
// Values     a lane has two or four neighbouring columns (and those 128 further on) of all 16 rows; weights are broadcast.
// Rows are taken by fours, as many as there are.
#include "attention/decode.cuh"

namespace mm1 {

namespace {

template <int Columns>
class DecodeFloat32 {
 public:
  using Shape = DecodeShape<4, Columns>;
  static constexpr bool kStatesAreScores = true;  // Largest ones, scaled.

  // Rows 8 apart are read by one instruction.
  MM1_DEVICE_MEMBER static uint32_t query_offset(uint32_t row, uint32_t chunk) { return row * Shape::Tile::kRowBytes + ((chunk ^ (row >> 3)) << 4); }

  MM1_DEVICE_MEMBER void begin(const DecodeProblem& problem, const DecodeBlock& block, uint32_t query, uint32_t weights) {
    query_ = query;
    weights_ = weights;
    factors_ = weights + kDecodeTileKeys * kDecodeRows * 4;
    score_factor_ = ScoreScale(problem.scale).factor;
    chunks_ = static_cast<uint32_t>(problem.head_size) / 4;
    rows_ = block.rows;
    limit_ = block.limit(problem, static_cast<int>(dev::lane() % 16));
    row_.begin();
    DEV_UNROLL for (int row = 0; row < kDecodeRows; row++) {
      DEV_UNROLL for (int c = 0; c < kOwn; c++) values_[row][c] = 0.0f;
    }
  }

  MM1_DEVICE_MEMBER void scores(uint32_t keys, int first_key) {
    const uint32_t key = dev::lane() % 16;
    const uint32_t half = dev::lane() / 16;
    float scores[8] = {};
    DEV_NO_UNROLL for (uint32_t chunk = 0; chunk < chunks_; chunk++) {
      const uint4 k = dev::ld_shared_16(keys + Shape::Tile::chunk_offset(key, chunk));
      DEV_UNROLL for (int i = 0; i < 8; i++) {
        if (i / 4 * 4 < rows_) {
          const uint4 q = dev::ld_shared_16(query_ + query_offset(half * 8 + i, chunk));
          scores[i] = dev::fused_multiply_add(dev::u2f(q.x), dev::u2f(k.x), scores[i]);
          scores[i] = dev::fused_multiply_add(dev::u2f(q.y), dev::u2f(k.y), scores[i]);
          scores[i] = dev::fused_multiply_add(dev::u2f(q.z), dev::u2f(k.z), scores[i]);
          scores[i] = dev::fused_multiply_add(dev::u2f(q.w), dev::u2f(k.w), scores[i]);
        }
      }
    }
    DEV_UNROLL for (int i = 0; i < 8; i++) scores[i] = dev::multiply(scores[i], score_factor_);
    DEV_UNROLL for (int i = 0; i < 8; i += 4) {
      dev::st_shared_16(weight(key, half * 8 + i),
                        uint4{dev::f2u(scores[i]), dev::f2u(scores[i + 1]), dev::f2u(scores[i + 2]), dev::f2u(scores[i + 3])});
    }
    dev::sync_warp();

    const uint32_t row = dev::lane() % 16;
    float t[8];
    float largest = minus_infinity();
    DEV_UNROLL for (int i = 0; i < 8; i++) {
      const int other = i * 2 + static_cast<int>(half);
      t[i] = first_key + other < limit_ ? dev::u2f(dev::ld_shared_4(weight(other, row))) : minus_infinity();
      largest = dev::fmax_(largest, t[i]);
    }
    largest = dev::fmax_(largest, dev::shfl_xor(largest, 16));
    const float factor = row_.raise(largest, kLog2E);
    const float reference = row_.reference();
    DEV_UNROLL for (int i = 0; i < 8; i++) {
      t[i] = exponential(t[i], reference);
      row_.sum = dev::add(row_.sum, t[i]);
      dev::st_shared_4(weight(i * 2 + static_cast<int>(half), row), dev::f2u(t[i]));
    }
    if (half == 0) dev::st_shared_4(factors_ + row * 4, dev::f2u(factor));
  }

  MM1_DEVICE_MEMBER void values(uint32_t values) {
    DEV_UNROLL for (int first = 0; first < kDecodeRows; first += 4) {
      if (first < rows_) {
        float factor[4];
        load_four(factor, factors_ + first * 4);
        DEV_UNROLL for (int i = 0; i < 4; i++) {
          DEV_UNROLL for (int c = 0; c < kOwn; c++) values_[first + i][c] = dev::multiply(values_[first + i][c], factor[i]);
        }
      }
    }
    DEV_NO_UNROLL for (uint32_t key = 0; key < kDecodeTileKeys; key++) {
      float v[kOwn];
      load_columns(v, values, key);
      DEV_UNROLL for (int first = 0; first < kDecodeRows; first += 4) {
        if (first < rows_) {
          float p[4];
          load_four(p, weight(key, first));
          DEV_UNROLL for (int i = 0; i < 4; i++) {
            DEV_UNROLL for (int c = 0; c < kOwn; c++) values_[first + i][c] = dev::fused_multiply_add(p[i], v[c], values_[first + i][c]);
          }
        }
      }
    }
  }

  MM1_DEVICE_MEMBER void end(uint32_t staged, uint32_t state) {
    using Staged = StagedTile<kDecodeRows, Columns>;
    DEV_UNROLL for (int row = 0; row < kDecodeRows; row++) {
      if (row < rows_) {
        DEV_UNROLL for (int c = 0; c < kOwn; c += kTogether) {
          const uint32_t place = staged + Staged::index(row, column(c)) * 4;
          const float* const own = &values_[row][c];
          if constexpr (kTogether == 4) {
            dev::st_shared_16(place, uint4{dev::f2u(own[0]), dev::f2u(own[1]), dev::f2u(own[2]), dev::f2u(own[3])});
          } else {
            dev::st_shared_8(place, uint2{dev::f2u(own[0]), dev::f2u(own[1])});
          }
        }
      }
    }
    const float sum = dev::add(row_.sum, dev::shfl_xor(row_.sum, 16));
    if (dev::lane() < 16) dev::st_shared_8(state + dev::lane() * 8, uint2{dev::f2u(row_.maximum), dev::f2u(sum)});
  }

 private:
  static constexpr int kOwn = Columns / 32;                 // Columns of a lane.
  static constexpr int kTogether = kOwn < 4 ? kOwn : 4;     // That lie together.

  MM1_DEVICE_MEMBER static uint32_t column(int c) { return c / kTogether * 128 + dev::lane() * kTogether; }

  // Shared address of the weight of (key, row). Two keys fill the banks; the fours of rows are permuted so that eight keys differ.
  MM1_DEVICE_MEMBER uint32_t weight(uint32_t key, uint32_t row) const {
    return weights_ + key * (kDecodeRows * 4) + (((row >> 2) ^ ((key >> 1) & 3u)) << 4) + (row & 3u) * 4;
  }

  MM1_DEVICE_MEMBER static void load_four(float (&to)[4], uint32_t from) {
    const uint4 four = dev::ld_shared_16(from);
    to[0] = dev::u2f(four.x);
    to[1] = dev::u2f(four.y);
    to[2] = dev::u2f(four.z);
    to[3] = dev::u2f(four.w);
  }

  MM1_DEVICE_MEMBER static void load_columns(float (&v)[kOwn], uint32_t values, uint32_t key) {
    if constexpr (kTogether == 4) {
      DEV_UNROLL for (int c = 0; c < kOwn; c += 4) {
        const uint4 four = dev::ld_shared_16(values + Shape::Tile::chunk_offset(key, column(c) / 4));
        v[c] = dev::u2f(four.x);
        v[c + 1] = dev::u2f(four.y);
        v[c + 2] = dev::u2f(four.z);
        v[c + 3] = dev::u2f(four.w);
      }
    } else {
      const uint32_t at = column(0);
      const uint2 two = dev::ld_shared_8(values + Shape::Tile::chunk_offset(key, at / 4) + at % 4 * 4);
      v[0] = dev::u2f(two.x);
      v[1] = dev::u2f(two.y);
    }
  }

  float values_[kDecodeRows][kOwn];
  SoftmaxRow row_;  // Row lane % 16, the sum of this lane's keys alone.
  int limit_;
  int rows_;
  uint32_t chunks_;
  uint32_t query_;
  uint32_t weights_;
  uint32_t factors_;
  float score_factor_;
};

}  // namespace

mm1_status launch_decode_float32(mm1_stream stream, const DecodeProblem& problem) {
  switch (decode_columns(problem.head_size)) {
    case 64:
      return launch_decode<DecodeFloat32<64>>(stream, problem);
    case 128:
      return launch_decode<DecodeFloat32<128>>(stream, problem);
    default:
      return launch_decode<DecodeFloat32<256>>(stream, problem);
  }
}

}  // namespace mm1
