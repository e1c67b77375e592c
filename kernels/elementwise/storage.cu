// Cast, fill, copy and transpose_blocks: bytes of any storage type from place to place.
//
// Maths      conversion.h for casts; the others move bits.
// Layout     matrices of rows of any stride; dense ones are one long row.
// Roles      fill, copy     a thread takes packs of 16 bytes, in smaller pieces where the rows are not aligned.
//            cast           float32 and bfloat16 by 4 elements; any other pair element by element, through float64 or int64.
//            transpose_units  a thread takes units of up to 16 bytes of the output: blocks that are several units long.
//            transpose_tiles  256 threads take 32 x 32 blocks of 1 to 8 bytes through shared memory: both sides in runs of 32 blocks.
// Budget     256 threads, about 40 registers; transpose_tiles 32 x 33 blocks of shared memory (8.25 KB at most), whose columns
//            meet 32 banks.
#include "dev/launch.h"
#include "elementwise/conversion.h"
#include "elementwise/elementwise.h"
#include "host/device.h"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

constexpr int kTile = kTransposeTile;
static_assert(kTransposeSharedBytes == kTile * (kTile + 1) * static_cast<int64_t>(sizeof(uint2)), "the budget's tile");
constexpr int kTileRows = kWalkThreads / kTile;   // Rows of a tile that the block moves at once.

// Bytes of a pack or its piece, by one access.
DEV_FN void move_bytes(char* to, const char* from, int bytes) {
  switch (bytes) {
    case 16:
      return dev::st_global_16(to, dev::ld_global_16(from));
    case 8:
      return dev::st_global_8(to, dev::ld_global_8(from));
    case 4:
      return dev::st_global_4(to, dev::ld_global_4(from));
    case 2:
      return dev::st_global_2(to, dev::ld_global_2(from));
    default:
      *to = *from;
  }
}

DEV_FN int bytes_of_pack(const RowWalk& walk, int64_t pack) {
  const int64_t left = walk.columns - pack * kPackBytes;
  return left < kPackBytes ? static_cast<int>(left) : kPackBytes;
}

DEV_KERNEL DEV_BOUNDS(kWalkThreads) copy_rows(const DEV_GRID_CONST Copy problem) {
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = bytes_of_pack(problem.walk, pack);
    const char* const from = row_of<char>(problem.x, row) + pack * kPackBytes;
    char* const to = row_of<char>(problem.output, row) + pack * kPackBytes;
    const int piece = problem.vector != 0 && count == kPackBytes ? kPackBytes : problem.piece;
    DEV_NO_UNROLL for (int i = 0; i < count; i += piece) move_bytes(to + i, from + i, piece);
  });
}

DEV_KERNEL DEV_BOUNDS(kWalkThreads) fill_rows(const DEV_GRID_CONST Fill problem) {
  const uint4 pattern{problem.pattern[0], problem.pattern[1], problem.pattern[2], problem.pattern[3]};
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = bytes_of_pack(problem.walk, pack);
    char* const to = row_of<char>(problem.output, row) + pack * kPackBytes;
    if (problem.vector != 0 && count == kPackBytes) {
      dev::st_global_16(to, pattern);
      return;
    }
    DEV_NO_UNROLL for (int i = 0; i < count; i += problem.element_bytes) {
      switch (problem.element_bytes) {
        case 8:
          dev::st_global_8(to + i, uint2{pattern.x, pattern.y});
          break;
        case 4:
          dev::st_global_4(to + i, pattern.x);
          break;
        case 2:
          dev::st_global_2(to + i, static_cast<uint16_t>(pattern.x));
          break;
        default:
          to[i] = static_cast<char>(pattern.x);
      }
    }
  });
}

template <class From, class To>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) cast_packs(const DEV_GRID_CONST Cast problem) {
  const bool vector = problem.vector != 0;
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int64_t left = problem.walk.columns - pack * kCastElements;
    const int count = left < kCastElements ? static_cast<int>(left) : kCastElements;
    const From* const from = row_of<From>(problem.x, row) + pack * kCastElements;
    To* const to = row_of<To>(problem.output, row) + pack * kCastElements;
    if (!vector || count < kCastElements) {
      DEV_UNROLL for (int i = 0; i < kCastElements; i++) {
        if (i < count) store_element(to + i, load_element(from + i));
      }
    } else if (sizeof(From) == 4) {
      float values[kCastElements];
      unpack(dev::ld_global_16(from), values);
      dev::st_global_8(to, uint2{dev::pack_bf16(values[0], values[1]), dev::pack_bf16(values[2], values[3])});
    } else {
      const uint2 pairs = dev::ld_global_8(from);
      const float values[kCastElements] = {dev::low_bf16(pairs.x), dev::high_bf16(pairs.x), dev::low_bf16(pairs.y),
                                           dev::high_bf16(pairs.y)};
      dev::st_global_16(to, packed(values));
    }
  });
}

DEV_KERNEL DEV_BOUNDS(kWalkThreads) cast_elements(const DEV_GRID_CONST Cast problem) {
  walk_rows(problem.walk, [&](int64_t row, int64_t column) MM1_INLINE_BODY {
    const Number value = read_number(problem.from, problem.x.data, row * problem.x.row_stride + column);
    write_number(problem.to, problem.output.data, row * problem.output.row_stride + column, value);
  });
}

DEV_KERNEL DEV_BOUNDS(kWalkThreads) transpose_units(const DEV_GRID_CONST TransposeBlocks problem) {
  walk_rows(problem.walk, [&](int64_t output_row, int64_t place) MM1_INLINE_BODY {
    const int64_t matrix = quotient(output_row, problem.columns);
    const int64_t column = output_row - matrix * problem.columns;
    const int64_t row = quotient(place, problem.units);
    const int64_t within = place - row * problem.units;
    const char* const from = row_of<char>(problem.x, matrix * problem.rows + row) + (column * problem.units + within) * problem.unit;
    move_bytes(row_of<char>(problem.output, output_row) + place * problem.unit, from, problem.unit);
  });
}

DEV_FN uint8_t load_unit(const uint8_t* from) { return *from; }
DEV_FN uint16_t load_unit(const uint16_t* from) { return dev::ld_global_2(from); }
DEV_FN uint32_t load_unit(const uint32_t* from) { return dev::ld_global_4(from); }
DEV_FN uint2 load_unit(const uint2* from) { return dev::ld_global_8(from); }
DEV_FN void store_unit(uint8_t* to, uint8_t value) { *to = value; }
DEV_FN void store_unit(uint16_t* to, uint16_t value) { dev::st_global_2(to, value); }
DEV_FN void store_unit(uint32_t* to, uint32_t value) { dev::st_global_4(to, value); }
DEV_FN void store_unit(uint2* to, uint2 value) { dev::st_global_8(to, value); }

template <class Unit>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) transpose_tiles(const DEV_GRID_CONST TransposeBlocks problem) {
  DEV_SHARED(Unit, tile, kTile * (kTile + 1));
  const int64_t tiles_down = (problem.rows + kTile - 1) / kTile;
  const int64_t tiles_across = (problem.columns + kTile - 1) / kTile;
  const int64_t tiles = problem.batch * tiles_down * tiles_across;
  const int column_of_thread = static_cast<int>(dev::tid()) % kTile;
  const int row_of_thread = static_cast<int>(dev::tid()) / kTile;
  DEV_NO_UNROLL for (int64_t index = dev::bid_x(); index < tiles; index += dev::nbid_x()) {
    const int64_t strip = quotient(index, tiles_across);
    const int64_t first_column = (index - strip * tiles_across) * kTile;
    const int64_t matrix = quotient(strip, tiles_down);
    const int64_t first_row = (strip - matrix * tiles_down) * kTile;
    DEV_UNROLL for (int i = 0; i < kTile; i += kTileRows) {
      const int64_t row = first_row + row_of_thread + i;
      const int64_t column = first_column + column_of_thread;
      if (row < problem.rows && column < problem.columns) {
        const Unit* const from = reinterpret_cast<const Unit*>(row_of<char>(problem.x, matrix * problem.rows + row));
        tile[(row_of_thread + i) * (kTile + 1) + column_of_thread] = load_unit(from + column);
      }
    }
    dev::sync_block();
    DEV_UNROLL for (int i = 0; i < kTile; i += kTileRows) {
      const int64_t column = first_column + row_of_thread + i;
      const int64_t row = first_row + column_of_thread;
      if (row < problem.rows && column < problem.columns) {
        Unit* const to = reinterpret_cast<Unit*>(row_of<char>(problem.output, matrix * problem.columns + column));
        store_unit(to + row, tile[column_of_thread * (kTile + 1) + row_of_thread + i]);
      }
    }
    dev::sync_block();
  }
}

template <class Kernel, class Problem>
mm1_status launch(mm1_stream stream, const char* verb, uint32_t blocks, Kernel kernel, const Problem& problem) {
  dev::LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {kWalkThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, problem);
  return launched(verb, status.code, status.text);
}

}  // namespace

mm1_status launch_fill(mm1_stream stream, uint32_t blocks, const Fill& problem) {
  return launch(stream, "fill", blocks, fill_rows, problem);
}

mm1_status launch_copy(mm1_stream stream, uint32_t blocks, const Copy& problem) {
  return launch(stream, "copy", blocks, copy_rows, problem);
}

mm1_status launch_cast(mm1_stream stream, uint32_t blocks, const Cast& problem) {
  if (problem.from == MM1_DTYPE_FLOAT32 && problem.to == MM1_DTYPE_BFLOAT16) {
    return launch(stream, "cast", blocks, cast_packs<float, dev::bf16>, problem);
  }
  if (problem.from == MM1_DTYPE_BFLOAT16 && problem.to == MM1_DTYPE_FLOAT32) {
    return launch(stream, "cast", blocks, cast_packs<dev::bf16, float>, problem);
  }
  return launch(stream, "cast", blocks, cast_elements, problem);
}

mm1_status launch_transpose_units(mm1_stream stream, uint32_t blocks, const TransposeBlocks& problem) {
  return launch(stream, "transpose_blocks", blocks, transpose_units, problem);
}

mm1_status launch_transpose_tiles(mm1_stream stream, uint32_t blocks, const TransposeBlocks& problem) {
  const char* const verb = "transpose_blocks";
  switch (problem.unit) {
    case 1:
      return launch(stream, verb, blocks, transpose_tiles<uint8_t>, problem);
    case 2:
      return launch(stream, verb, blocks, transpose_tiles<uint16_t>, problem);
    case 4:
      return launch(stream, verb, blocks, transpose_tiles<uint32_t>, problem);
    default:
      return launch(stream, verb, blocks, transpose_tiles<uint2>, problem);
  }
}

}  // namespace mm1
