// Copies of rows by id: embedding lookup, image tokens into their places, and their gradients back.
//
// Maths      gather   output[t] = table[ids[t]], NaN where there is no such row; placements below 0 take text[t].
//            split    text[t] = placement[t] < 0 ? gradient[t] : 0;  image[placement[t]] = gradient[t], rows that no token names are 0.
// Roles      a warp for each row, eight in a block, and on by the grid; four accesses of 16 bytes on their way in each lane. The image's
//            gradient is cleared first: no row knows whether a token names it.
// Budget     256 threads, no shared memory, about 40 registers.
// In place   a row is read by the warp that writes it, each element by its own lane.
#include "dev/launch.h"
#include "embedding/embedding.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr int kThreads = kEmbeddingThreads;
constexpr int kRows = kThreads / 32;
constexpr int kAtOnce = 4;

DEV_FN uint16_t load_bits(const uint16_t* from) { return dev::ld_global_2(from); }
DEV_FN uint32_t load_bits(const uint32_t* from) { return dev::ld_global_4(from); }
DEV_FN void store_bits(uint16_t* to, uint16_t bits) { dev::st_global_2(to, bits); }
DEV_FN void store_bits(uint32_t* to, uint32_t bits) { dev::st_global_4(to, bits); }

// Calls body(first element, number of them: 16 bytes or one) for this lane's part of a row.
template <class Element, class Wide, class Narrow>
DEV_FN void over_row(int64_t columns, bool wide, const Wide& whole, const Narrow& single) {
  constexpr int kPack = 16 / static_cast<int>(sizeof(Element));
  const int64_t packs = wide ? columns / kPack : 0;
  whole(packs);
  for (int64_t column = packs * kPack + dev::lane(); column < columns; column += 32) single(column);
}

template <class Element>
DEV_FN void copy_row(const char* from, char* to, int64_t columns, bool wide) {
  const Element* source = reinterpret_cast<const Element*>(from);
  Element* target = reinterpret_cast<Element*>(to);
  over_row<Element>(columns, wide, [&](int64_t packs) {
    DEV_NO_UNROLL for (int64_t first = dev::lane(); first < packs; first += kAtOnce * 32) {
      uint4 bits[kAtOnce];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        if (first + j * 32 < packs) bits[j] = dev::ld_global_16(from + (first + j * 32) * 16);
      }
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        if (first + j * 32 < packs) dev::st_global_16(to + (first + j * 32) * 16, bits[j]);
      }
    }
  }, [&](int64_t column) { store_bits(target + column, load_bits(source + column)); });
}

template <class Element>
DEV_FN void fill_row(char* to, int64_t columns, bool wide, Element value) {
  Element* target = reinterpret_cast<Element*>(to);
  const uint32_t word = sizeof(Element) == 2 ? static_cast<uint32_t>(value) << 16 | value : value;
  over_row<Element>(columns, wide, [&](int64_t packs) {
    for (int64_t pack = dev::lane(); pack < packs; pack += 32) dev::st_global_16(to + pack * 16, uint4{word, word, word, word});
  }, [&](int64_t column) { store_bits(target + column, value); });
}

DEV_FN int64_t id_at(const TokenIds& ids, int64_t token) {
  return ids.is_64 ? static_cast<const int64_t*>(ids.data)[token] : static_cast<const int32_t*>(ids.data)[token];
}

DEV_FN int64_t first_row() { return static_cast<int64_t>(dev::bid_x()) * kRows + dev::tid() / 32; }
DEV_FN int64_t row_step() { return static_cast<int64_t>(dev::nbid_x()) * kRows; }

template <class Element>
DEV_KERNEL DEV_BOUNDS(kThreads) gather_rows(const DEV_GRID_CONST RowGather gather) {
  const bool wide = gather.wide != 0;
  for (int64_t token = first_row(); token < gather.tokens; token += row_step()) {
    const int64_t id = id_at(gather.ids, token);
    char* output = gather.output.data + token * gather.output.stride;
    if (id >= 0 && id < gather.table_rows) {
      copy_row<Element>(gather.table.data + id * gather.table.stride, output, gather.columns, wide);
    } else if (id < 0 && gather.text.data != nullptr) {
      if (!gather.keep_text) copy_row<Element>(gather.text.data + token * gather.text.stride, output, gather.columns, wide);
    } else {
      fill_row<Element>(output, gather.columns, wide, static_cast<Element>(sizeof(Element) == 2 ? 0x7fffu : 0x7fffffffu));
    }
  }
}

template <class Element>
DEV_KERNEL DEV_BOUNDS(kThreads) clear_rows(const DEV_GRID_CONST RowSplit split) {
  for (int64_t row = first_row(); row < split.image_rows; row += row_step()) {
    fill_row<Element>(split.image.data + row * split.image.stride, split.columns, split.wide != 0, 0);
  }
}

template <class Element>
DEV_KERNEL DEV_BOUNDS(kThreads) split_rows(const DEV_GRID_CONST RowSplit split) {
  const bool wide = split.wide != 0;
  for (int64_t token = first_row(); token < split.tokens; token += row_step()) {
    const int64_t place = split.placement[token];
    const char* gradient = split.gradient.data + token * split.gradient.stride;
    if (place >= 0 && place < split.image_rows && split.image.data != nullptr) {
      copy_row<Element>(gradient, split.image.data + place * split.image.stride, split.columns, wide);
    }
    if (split.text.data == nullptr) continue;
    char* text = split.text.data + token * split.text.stride;
    if (place >= 0) {
      fill_row<Element>(text, split.columns, wide, 0);
    } else if (!split.keep_text) {
      copy_row<Element>(gradient, text, split.columns, wide);
    }
  }
}

dev::LaunchConfig config_of(mm1_stream stream, int64_t rows) {
  const int64_t wanted = (rows + kRows - 1) / kRows;
  const int64_t most = int64_t{current_profile().multiprocessors} * kWalkBlocks;
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(wanted < most ? wanted : most), 1, 1};
  config.block = {kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  return config;
}

template <class Element>
mm1_status launch_gather_of(const char* verb, mm1_stream stream, const RowGather& gather) {
  const dev::LaunchStatus status = dev::launch(config_of(stream, gather.tokens), gather_rows<Element>, gather);
  return launched(verb, status.code, status.text);
}

template <class Element>
mm1_status launch_split_of(mm1_stream stream, const RowSplit& split) {
  constexpr const char* kVerb = "image_token_placement_backward";
  if (split.image.data != nullptr && split.image_rows > 0) {
    const dev::LaunchStatus status = dev::launch(config_of(stream, split.image_rows), clear_rows<Element>, split);
    MM1_RETURN_IF_FAILED(launched(kVerb, status.code, status.text));
  }
  if (split.tokens == 0) return MM1_STATUS_OK;
  const dev::LaunchStatus status = dev::launch(config_of(stream, split.tokens), split_rows<Element>, split);
  return launched(kVerb, status.code, status.text);
}

}  // namespace

mm1_status launch_gather(const char* verb, mm1_stream stream, const RowGather& gather) {
  return gather.element_bytes == 4 ? launch_gather_of<uint32_t>(verb, stream, gather) : launch_gather_of<uint16_t>(verb, stream, gather);
}

mm1_status launch_split(mm1_stream stream, const RowSplit& split) {
  return split.element_bytes == 4 ? launch_split_of<uint32_t>(stream, split) : launch_split_of<uint16_t>(stream, split);
}

}  // namespace mm1
