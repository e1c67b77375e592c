// What the kernels ask of shared and global memory, counted by the emulator: whole sectors, no bank conflicts, no matrix of patches in
// memory.
#include <functional>
#include <string>
#include <vector>

#include "convolution/implicit_gemm.h"
#include "convolution_case.h"
#include "emulator/options.h"
#include "test.h"

namespace test {

namespace {

struct Counted {
  emulator::Counters counters;
  std::vector<emulator::AccessSite> sites;
};

template <class Body>
Counted count(const Body& body, int tile = -1) {
  const emulator::Options before = emulator::options();
  const mm1::ConvolutionChoice choice_before = mm1::convolution_choice();
  emulator::Options options = before;
  options.count_accesses = true;
  emulator::set_options(options);
  mm1::set_convolution_choice({tile, -1});
  emulator::reset_counters();
  body();
  Counted result{emulator::counters(), emulator::access_sites()};
  emulator::set_options(before);
  mm1::set_convolution_choice(choice_before);
  return result;
}

ConvolutionCase whole_tiles(mm1_dtype dtype) {
  ConvolutionCase which{"3x3", 2, 8, 8, 64, 128, 3, 3, 1, 1};
  which.dtype = dtype;
  return which;
}

}  // namespace

TEST(convolution_access, main_loops_have_no_bank_conflicts_and_copy_whole_sectors) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    const ConvolutionCase which = whole_tiles(dtype);
    const std::function<void()> passes[] = {[&] { run_forward(which); }, [&] { run_backward_data(which); },
                                            [&] { run_backward_weight(which, true, false); }};
    for (int pass = 0; pass < 3; pass++) {
      for (const int tile : {0, 1}) {
        if (dtype == MM1_DTYPE_FLOAT32 && tile == 0) continue;
        const Counted counted = count(passes[pass], tile);
        const std::string name = which.name() + " pass " + std::to_string(pass) + " tile " + std::to_string(tile);
        CHECK_EQUAL(uint64_t{0}, counted.counters.matrix_conflicts);
        CHECK(counted.counters.cp_async_bytes > 0);
        for (const emulator::AccessSite& site : counted.sites) {
          const std::string what = name + ": " + site.where + " has " + std::to_string(site.units) + ", not " + std::to_string(site.ideal);
          CHECK_MESSAGE(site.units == site.ideal, what);
        }
      }
    }
  }
}

// Each tile reads its operands once: pixels that lie outside of the image are not read at all.
TEST(convolution_access, patches_are_gathered_not_stored) {
  const ConvolutionCase which = whole_tiles(MM1_DTYPE_BFLOAT16);
  const Counted counted = count([&] { run_forward(which); }, 0);
  int64_t inside = 0;
  for (int64_t side = 0; side < 8; side++) inside += side == 0 || side == 7 ? 2 : 3;
  const int64_t taps = 2 * inside * inside;  // Of both images; 128 pixels, one tile.
  CHECK_EQUAL(static_cast<uint64_t>(taps * 64 * 2 + 128 * 9 * 64 * 2), counted.counters.cp_async_bytes);
  CHECK_EQUAL(static_cast<uint64_t>(128 / 16 * (128 / 8) * (9 * 64 / 16)), counted.counters.mma);
}

// A strided input gradient multiplies nothing in vain: its classes have 4, 2, 2 and 1 of the nine taps.
TEST(convolution_access, strides_waste_no_products) {
  ConvolutionCase which{"3x3 stride 2", 1, 32, 32, 64, 64, 3, 3, 2, 1};
  const Counted counted = count([&] { run_backward_data(which); }, 1);
  CHECK_EQUAL(static_cast<uint64_t>(256 / 16 * (64 / 8) * (9 * 64 / 16)), counted.counters.mma);
}

TEST(convolution_access, elements_are_loaded_without_async_copies) {
  ConvolutionCase which{"3x3", 1, 8, 8, 7, 16, 3, 3, 1, 1};
  const Counted counted = count([&] { run_forward(which); });
  CHECK_EQUAL(uint64_t{0}, counted.counters.cp_async_bytes);
  CHECK_EQUAL(uint64_t{0}, counted.counters.matrix_conflicts);
  CHECK(counted.counters.mma > 0);
}

// Depthwise: four neighbouring pixels of a line take six loads a line of the kernel, not twelve.
TEST(convolution_access, depthwise_reads_whole_sectors_and_slides_along_lines) {
  ConvolutionCase which{"depthwise", 1, 8, 8, 64, 64, 3, 3, 1, 1, 64};
  for (const bool forward : {true, false}) {
    const Counted counted = count([&] { forward ? run_forward(which) : run_backward_data(which); });
    uint64_t sectors = 0;
    for (const emulator::AccessSite& site : counted.sites) {
      if (!site.global) continue;
      CHECK_MESSAGE(site.units == site.ideal, site.where);
      sectors += site.units;
    }
    // Two strips of four pixels in a line of eight; each strip reads five of its six columns. 22 of 24 lines of taps lie inside.
    const uint64_t loads = 22 * 2 * 5 * 128 / 32, stores = 64 * 128 / 32, weights = 64 * 9 * 2 / 32;
    CHECK_MESSAGE(sectors > stores + weights && sectors <= loads + stores + weights, std::to_string(sectors));
  }
}

}  // namespace test
