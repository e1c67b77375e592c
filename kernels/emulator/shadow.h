// Shadow memory for the shared arena: uninitialised reads, accesses out of bounds, accesses to bytes with an
// asynchronous copy in flight, missing proxy fences, and happens-before data races (vector clocks per thread).
#pragma once
#include <cstdint>
#include <cstddef>
#include <unordered_map>
#include <vector>
namespace emulator {
struct Shadow {
#if MM1_SHADOW
    static constexpr bool on = true;
#else
    static constexpr bool on = false;
#endif
    static constexpr int G = 1;                  // log2 bytes per cell
    static constexpr int R = 4;                  // readers remembered per cell
    enum : uint16_t { allowed = 1, init = 2, flying = 4, generic = 8 };
    struct Cell { uint32_t wclk; uint16_t wt, flags; uint32_t rclk[R]; uint16_t rt[R]; };
    char* base = nullptr; uint32_t n = 0;
    std::vector<Cell> cells;
    std::vector<uint32_t> vc;                    // n x n
    std::vector<uint32_t> fence;                 // own clock at the last proxy fence
    std::vector<uint32_t> bar[16];
    struct MB { std::vector<uint32_t> acc, done; };
    std::unordered_map<uint32_t, MB> mb;
    uint64_t accesses = 0; uint32_t rnd = 1;
    uint32_t* V(uint32_t t) { return &vc[size_t(t) * n]; }
    void reset(char* b, size_t bytes, uint32_t threads);
    void allow(size_t o, size_t bytes);
    void read(size_t o, size_t bytes, uint32_t t, const char* file, int line, bool sync_object = false, bool async_proxy = false);
    void write(size_t o, size_t bytes, uint32_t t, const char* file, int line);
    void inflight(size_t o, size_t bytes, uint32_t t);
    void land(size_t o, size_t bytes, uint32_t t, bool by_mbar = false);
    void join(const uint32_t* from, int nf, const uint32_t* to, int nt);
    void bar_begin(uint32_t id); void bar_arrive(uint32_t id, uint32_t t); void bar_acquire(uint32_t id, uint32_t t);
    void mbar_new(uint32_t a); void mbar_release(uint32_t a, uint32_t t); void mbar_flip(uint32_t a); void mbar_acquire(uint32_t a, uint32_t t);
    void proxy_fence(uint32_t t) { fence[t] = V(t)[t]++; }
};
}  // namespace emulator
