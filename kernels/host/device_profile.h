// What a plan needs to know of a device: pure data, so every plan can be tested against every profile without one.
// Figures: CUDA C++ Programming Guide, table of technical specifications per compute capability; multiprocessors and L2 of the named card.
#ifndef MM1_HOST_DEVICE_PROFILE_H
#define MM1_HOST_DEVICE_PROFILE_H

#include <cstdint>

namespace mm1 {

struct DeviceProfile {
  const char* name;                       // "sm_90": what MM1_EMULATOR_PROFILE says.
  const char* card;                       // The card whose multiprocessors and L2 these are.
  int capability_major;                   // 9 of 9.0.
  int capability_minor;                   // 0 of 9.0.
  int multiprocessors;                    // SMs.
  int64_t shared_bytes_per_block;         // Largest shared memory of one block (opt-in), static and dynamic together.
  int64_t shared_bytes_per_multiprocessor;  // Shared memory of one SM; each resident block takes 1 KB more than it asks for.
  int threads_per_multiprocessor;         // Resident threads of one SM.
  int blocks_per_multiprocessor;          // Resident blocks of one SM.
  int64_t l2_bytes;                       // L2 cache.

  // The sm_90a kernels (TMA, wgmma, setmaxnreg) run on capability 9.0 exactly: sm_90a code runs on nothing else.
  constexpr bool runs_sm90a() const { return capability_major == 9 && capability_minor == 0; }
};

// The same on every device from sm_80 on.
constexpr int kThreadsPerBlock = 1024;
constexpr int kWarpThreads = 32;
constexpr int kRegistersPerMultiprocessor = 65536;
constexpr int kRegistersPerBlock = 65536;
constexpr int kRegistersPerThread = 255;
constexpr int kNamedBarriersPerBlock = 16;
constexpr int64_t kReservedSharedBytesPerBlock = 1024;
constexpr int64_t kStaticSharedBytesPerBlock = 48 * 1024;  // Without opt-in.
constexpr int64_t kGridX = 2147483647;
constexpr int64_t kGridYZ = 65535;

constexpr DeviceProfile kProfileSm80{"sm_80", "A100", 8, 0, 108, 163 * 1024, 164 * 1024, 2048, 32, 40ll * 1024 * 1024};
constexpr DeviceProfile kProfileSm86{"sm_86", "RTX 3090", 8, 6, 82, 99 * 1024, 100 * 1024, 1536, 16, 6ll * 1024 * 1024};
constexpr DeviceProfile kProfileSm89{"sm_89", "RTX 4090", 8, 9, 128, 99 * 1024, 100 * 1024, 1536, 24, 72ll * 1024 * 1024};
constexpr DeviceProfile kProfileSm90{"sm_90", "H100 SXM", 9, 0, 132, 227 * 1024, 228 * 1024, 2048, 32, 50ll * 1024 * 1024};

constexpr DeviceProfile kProfiles[] = {kProfileSm80, kProfileSm86, kProfileSm89, kProfileSm90};

// The profile of that name, or nullptr.
constexpr const DeviceProfile* find_profile(const char* name) {
  for (const DeviceProfile& profile : kProfiles) {
    const char* a = profile.name;
    const char* b = name;
    while (*a != '\0' && *a == *b) {
      a++;
      b++;
    }
    if (*a == *b) return &profile;
  }
  return nullptr;
}

}  // namespace mm1

#endif  // MM1_HOST_DEVICE_PROFILE_H
