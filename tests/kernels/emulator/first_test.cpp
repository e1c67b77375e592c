// A block sum through shared memory, a barrier and shuffles: the smallest kernel that needs the emulator.
#include <cstdio>
#include "dev/launch.h"
DEV_KERNEL block_sum(const float* in, float* out) {
  DEV_SHARED(float, part, 4);
  float s = in[dev::tid()];
  for (int o = 16; o; o >>= 1) s += dev::shfl_xor(s, o);
  if (dev::lane() == 0) part[dev::tid() / 32] = s;
  dev::sync_block();
  if (dev::tid() == 0) *out = part[0] + part[1] + part[2] + part[3];
}
int main() {
  auto* in = static_cast<float*>(emulator::gmalloc(128 * 4));
  auto* out = static_cast<float*>(emulator::gmalloc(4));
  for (int i = 0; i < 128; i++) in[i] = float(i);
  dev::launch({{1}, {128}}, block_sum, static_cast<const float*>(in), out);
  std::printf("%d passed, %d failed\n", *out == 8128.f, *out != 8128.f);
  return *out != 8128.f;
}
