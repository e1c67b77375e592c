// Decoding in bfloat16: scores and weighted values by mma.sync m16n8k16, float32 sums; a weight is rounded to bfloat16 before it meets its
// value, as in every bfloat16 attention, the sum of the weights takes it as it was.
//
// A warp's 16 rows by 16 keys are two accumulator fragments, which are the A fragment of the second product as they lie. A lane has rows
// lane / 4 and lane / 4 + 8.
#include "attention/decode.cuh"
#include "dev/matrix.cuh"

namespace mm1 {

namespace {

template <int Columns>
class DecodeBfloat16 {
 public:
  using Shape = DecodeShape<2, Columns>;
  static constexpr bool kStatesAreScores = false;  // But powers of two.

  MM1_DEVICE_MEMBER static uint32_t query_offset(uint32_t row, uint32_t chunk) { return Shape::Tile::chunk_offset(row, chunk); }

  MM1_DEVICE_MEMBER void begin(const DecodeProblem& problem, const DecodeBlock& block, uint32_t query, uint32_t /*weights*/) {
    query_ = query;
    exponent_ = ScoreScale(problem.scale).exponent;
    DEV_UNROLL for (int half = 0; half < 2; half++) {
      limit_[half] = block.limit(problem, static_cast<int>(dev::lane() / 4) + half * 8);
      rows_[half].begin();
    }
    DEV_UNROLL for (int part = 0; part < kParts; part++) {
      DEV_UNROLL for (int j = 0; j < 8; j++) {
        DEV_UNROLL for (int e = 0; e < 4; e++) values_[part][0][j][e] = 0.0f;
      }
    }
  }

  MM1_DEVICE_MEMBER void scores(uint32_t keys, int first_key) {
    float scores[1][2][4] = {};
    const uint32_t matrix = dev::lane() / 8;
    const uint32_t line = dev::lane() % 8;
    DEV_UNROLL for (int first = 0; first < Columns / 16; first += kSteps) {
      uint32_t a[kSteps][1][4];
      uint32_t b[kSteps][2][2];
      DEV_UNROLL for (int i = 0; i < kSteps; i++) {
        const uint32_t chunk = (first + i) * 2;
        dev::ldmatrix_x4(a[i][0], query_ + query_offset(matrix % 2 * 8 + line, chunk + matrix / 2));
        uint32_t four[4];
        dev::ldmatrix_x4(four, keys + Shape::Tile::chunk_offset(matrix / 2 * 8 + line, chunk + matrix % 2));
        DEV_UNROLL for (int e = 0; e < 4; e++) b[i][e / 2][e % 2] = four[e];
      }
      DEV_UNROLL for (int i = 0; i < kSteps; i++) dev::mma_bf16_tile(scores, a[i], b[i]);
    }
    DEV_UNROLL for (int half = 0; half < 2; half++) {
      float t[4];
      float largest = minus_infinity();
      DEV_UNROLL for (int e = 0; e < 4; e++) {
        const int key = first_key + e / 2 * 8 + static_cast<int>(dev::lane() % 4) * 2 + e % 2;
        t[e] = key < limit_[half] ? scores[0][e / 2][half * 2 + e % 2] : minus_infinity();
        largest = dev::fmax_(largest, t[e]);
      }
      largest = dev::fmax_(largest, dev::shfl_xor(largest, 1));
      largest = dev::fmax_(largest, dev::shfl_xor(largest, 2));
      factor_[half] = rows_[half].raise(largest, exponent_);
      const float reference = rows_[half].reference(exponent_);
      DEV_UNROLL for (int e = 0; e < 4; e++) {
        t[e] = exponential(t[e], exponent_, reference);
        rows_[half].sum = dev::add(rows_[half].sum, t[e]);
      }
      weights_[0][half] = dev::pack_bf16(t[0], t[1]);
      weights_[0][half + 2] = dev::pack_bf16(t[2], t[3]);
    }
  }

  MM1_DEVICE_MEMBER void values(uint32_t values) {
    const uint32_t matrix = dev::lane() / 8;
    const uint32_t key = matrix % 2 * 8 + dev::lane() % 8;
    DEV_UNROLL for (int part = 0; part < kParts; part++) {
      uint32_t b[8][2];
      DEV_UNROLL for (int j = 0; j < 8; j += 2) {
        uint32_t four[4];
        dev::ldmatrix_x4_trans(four, values + Shape::Tile::chunk_offset(key, part * 8 + j + matrix / 2));
        DEV_UNROLL for (int e = 0; e < 4; e++) b[j + e / 2][e % 2] = four[e];
      }
      DEV_UNROLL for (int j = 0; j < 8; j++) {
        DEV_UNROLL for (int e = 0; e < 4; e++) values_[part][0][j][e] = dev::multiply(values_[part][0][j][e], factor_[e / 2]);
      }
      dev::mma_bf16_tile(values_[part], weights_, b);
    }
  }

  MM1_DEVICE_MEMBER void end(uint32_t staged, uint32_t state) {
    const uint32_t row = dev::lane() / 4;
    const uint32_t pair = dev::lane() % 4 * 2;
    DEV_UNROLL for (int half = 0; half < 2; half++) {
      DEV_UNROLL for (int part = 0; part < kParts; part++) {
        DEV_UNROLL for (int j = 0; j < 8; j++) {
          const uint32_t place = StagedTile<kDecodeRows, Columns>::index(row + half * 8, part * 64 + j * 8 + pair);
          const float* const two = &values_[part][0][j][half * 2];
          dev::st_shared_8(staged + place * 4, uint2{dev::f2u(two[0]), dev::f2u(two[1])});
        }
      }
      float sum = rows_[half].sum;
      sum = dev::add(sum, dev::shfl_xor(sum, 1));
      sum = dev::add(sum, dev::shfl_xor(sum, 2));
      const float power = dev::multiply(rows_[half].maximum, exponent_);
      if (pair == 0) dev::st_shared_8(state + (row + half * 8) * 8, uint2{dev::f2u(power), dev::f2u(sum)});
    }
  }

 private:
  static constexpr int kSteps = 4;  // Steps of k whose fragments are loaded together.
  static constexpr int kParts = Columns / 64;

  float values_[kParts][1][8][4];
  uint32_t weights_[1][4];
  SoftmaxRow rows_[2];  // Sums of this lane's keys alone.
  float factor_[2];     // On what was added up before the last tile.
  int limit_[2];
  uint32_t query_;
  float exponent_;
};

}  // namespace

mm1_status launch_decode_bfloat16(mm1_stream stream, const DecodeProblem& problem) {
  switch (decode_columns(problem.head_size)) {
    case 64:
      return launch_decode<DecodeBfloat16<64>>(stream, problem);
    case 128:
      return launch_decode<DecodeBfloat16<128>>(stream, problem);
    default:
      return launch_decode<DecodeBfloat16<256>>(stream, problem);
  }
}

}  // namespace mm1
