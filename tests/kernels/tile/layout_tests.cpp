// Layouts and orders are bijections without bank conflicts: pure functions, no device.
#include <set>
#include <vector>

#include "test.h"
#include "tile/operand_tile.h"
#include "tile/staged_tile.h"
#include "tile/tile_order.h"

namespace test {

namespace {

using mm1::OperandTile;
using mm1::StagedTile;
using mm1::TileIndex;
using mm1::TileOrder;

// The wavefronts that a warp's access of `bytes` (4, 8 or 16) a lane needs: 4 bytes by all lanes at once, 8 by half warps, 16 by quarters.
int wavefronts(const std::vector<uint32_t>& addresses, uint32_t bytes) {
  const size_t at_once = 128 / bytes;
  int total = 0;
  for (size_t first = 0; first < addresses.size(); first += at_once) {
    std::vector<std::set<uint32_t>> banks(32);
    for (size_t lane = first; lane < first + at_once && lane < addresses.size(); lane++) {
      for (uint32_t word = 0; word < bytes / 4; word++) {
        const uint32_t index = addresses[lane] / 4 + word;
        banks[index % 32].insert(index);
      }
    }
    size_t most = 0;
    for (const std::set<uint32_t>& bank : banks) most = bank.size() > most ? bank.size() : most;
    total += static_cast<int>(most);
  }
  return total;
}

template <class Tile>
void check_operand_tile() {
  std::set<uint32_t> chunks;
  for (uint32_t line = 0; line < Tile::kLines; line++) {
    for (uint32_t chunk = 0; chunk < Tile::kLineChunks; chunk++) {
      const uint32_t offset = Tile::chunk_offset(line, chunk);
      CHECK(offset % 16 == 0 && offset / Tile::kLineBytes == line);
      CHECK(chunks.insert(offset).second);
    }
  }
  CHECK_EQUAL(static_cast<size_t>(Tile::kChunks), chunks.size());
  CHECK(*chunks.rbegin() + 16 == Tile::kBytes);

  std::set<uint32_t> elements;
  for (uint32_t row = 0; row < Tile::kExtent; row++) {
    for (uint32_t k = 0; k < Tile::kDepth; k++) {
      const uint32_t offset = Tile::element_offset(row, k);
      CHECK(offset % Tile::kElementBytes == 0 && elements.insert(offset).second);
    }
  }
  CHECK_EQUAL(static_cast<size_t>(Tile::kExtent * Tile::kDepth), elements.size());

  // Copies: 32 neighbouring chunks of the tile, line by line.
  for (uint32_t first = 0; first < Tile::kChunks; first += 32) {
    std::vector<uint32_t> addresses;
    for (uint32_t i = first; i < first + 32; i++) addresses.push_back(Tile::chunk_offset(i / Tile::kLineChunks, i % Tile::kLineChunks));
    CHECK_EQUAL(4, wavefronts(addresses, 16));
  }
  // ldmatrix: 8 lines of one chunk. Of 4-byte elements with rows contiguous, words of 8 rows at 4 k.
  if (Tile::kDepthContiguous || Tile::kElementBytes == 2) {
    for (uint32_t line = 0; line < Tile::kLines; line += 8) {
      for (uint32_t chunk = 0; chunk < Tile::kLineChunks; chunk++) {
        std::vector<uint32_t> addresses;
        for (uint32_t i = 0; i < 8; i++) addresses.push_back(Tile::chunk_offset(line + i, chunk));
        CHECK_EQUAL(1, wavefronts(addresses, 16));
      }
    }
  } else {
    for (uint32_t k = 0; k < Tile::kDepth; k += 4) {
      for (uint32_t row = 0; row < Tile::kExtent; row += 8) {
        std::vector<uint32_t> addresses;
        for (uint32_t lane = 0; lane < 32; lane++) addresses.push_back(Tile::element_offset(row + lane / 4, k + lane % 4));
        CHECK_EQUAL(1, wavefronts(addresses, 4));
      }
    }
  }
}

template <int Rows, int Columns>
void check_staged_tile() {
  using Tile = StagedTile<Rows, Columns>;
  std::set<uint32_t> seen;
  for (uint32_t row = 0; row < Rows; row++) {
    for (uint32_t column = 0; column < Columns; column++) {
      const uint32_t index = Tile::index(row, column);
      CHECK(index < Rows * Columns && seen.insert(index).second);
      if (column % 4 != 0) CHECK_EQUAL(Tile::index(row, column - 1) + 1, index);
    }
  }
  for (uint32_t row = 0; row < Rows; row += 8) {
    for (uint32_t column = 0; column < Columns; column += 8) {
      std::vector<uint32_t> pairs;
      for (uint32_t lane = 0; lane < 32; lane++) pairs.push_back(Tile::index(row + lane / 4, column + lane % 4 * 2) * 4);
      CHECK_EQUAL(2, wavefronts(pairs, 8));
    }
  }
}

}  // namespace

TEST(operand_tile, is_a_bijection_without_conflicts) {
  check_operand_tile<OperandTile<2, 64, true>>();
  check_operand_tile<OperandTile<2, 64, false>>();
  check_operand_tile<OperandTile<2, 128, true>>();
  check_operand_tile<OperandTile<2, 128, false>>();
  check_operand_tile<OperandTile<4, 64, true>>();
  check_operand_tile<OperandTile<4, 64, false>>();
  check_operand_tile<OperandTile<4, 128, true>>();
  check_operand_tile<OperandTile<4, 128, false>>();
}

TEST(staged_tile, is_a_bijection_without_conflicts) {
  check_staged_tile<64, 64>();
  check_staged_tile<128, 128>();
  check_staged_tile<128, 64>();
}

TEST(tile_order, visits_every_tile_once) {
  for (const int64_t rows : {1, 2, 7, 8, 9, 16, 31}) {
    for (const int64_t columns : {1, 3, 8, 20}) {
      for (const int64_t group : {1, 2, 8, 64}) {
        const TileOrder order{rows, columns, group};
        std::vector<int> visits(static_cast<size_t>(order.count()), 0);
        for (int64_t i = 0; i < order.count(); i++) {
          const TileIndex tile = order.at(i);
          CHECK(tile.row >= 0 && tile.row < rows && tile.column >= 0 && tile.column < columns);
          visits[static_cast<size_t>(tile.row * columns + tile.column)]++;
        }
        for (const int count : visits) CHECK_EQUAL(1, count);
      }
    }
  }
}

// What it is for: as many tiles as run at once touch few rows of a and columns of b.
TEST(tile_order, keeps_neighbours_together) {
  const TileOrder order{64, 64, 8};
  for (int64_t first = 0; first + 128 <= order.count(); first += 128) {
    std::set<int64_t> rows, columns;
    for (int64_t i = first; i < first + 128; i++) {
      rows.insert(order.at(i).row);
      columns.insert(order.at(i).column);
    }
    CHECK_EQUAL(size_t{24}, rows.size() + columns.size());
  }
}

}  // namespace test
