#include "emulator.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "shadow.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATOR_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define EMULATOR_ASAN 1
#endif
#if EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__) || defined(EMULATOR_UCONTEXT)
#define EMULATOR_UC 1
#include <ucontext.h>
#endif

namespace emulator {

Options& default_options() {
    static Options o = [] {
        Options d;
        if (auto e = getenv("MM1_EMULATOR_ASYNC")) d.late_async = strcmp(e, "early") != 0;
        if (auto e = getenv("MM1_EMULATOR_SEED")) d.sched_seed = atoi(e);
        if (auto e = getenv("MM1_EMULATOR_THREADS")) d.host_threads = atoi(e);
        return d;
    }();
    return o;
}
static Counters g_counters;
Counters& counters() { return g_counters; }
thread_local Fiber* cur = nullptr;

// ---------------------------------------------------------------- context switch
#if !EMULATOR_UC
extern "C" void emu_switch(void** save, void* load);
asm(R"(
.text
.globl emu_switch
.type emu_switch,@function
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emu_switch,.-emu_switch
.section .note.GNU-stack,"",@progbits
.text
)");
#endif

// ---------------------------------------------------------------- scheduler state
enum class Wait : uint8_t { none, warp, bar, mbar, wg, done };
struct CpAsync { uint32_t dst; const void* src; int bytes, src_bytes; uint32_t group; };
struct FiberX : Fiber {
    Wait  wait;
    Loc   loc;
    uint32_t wait_arg, wait_arg2;
    char* stack;
    std::vector<CpAsync> cp;
    uint32_t cp_group = 0, wg_group = 0;
    bool wg_fenced = false;
#if EMULATOR_UC
    ucontext_t uc;
#endif
#if EMULATOR_ASAN
    void* fake = nullptr;
#endif
};
enum Op : int { op_none, op_syncwarp, op_shfl, op_ballot, op_ldmatrix, op_mma };
static const char* op_name[] = {"none", "sync_warp", "shfl", "ballot", "ldmatrix", "mma"};
struct Collective { uint32_t mask = 0, arrived = 0; int op = 0, param = 0; Loc loc; void* slot[32]; uint32_t arg[32]; FiberX* f[32]; };
struct WgOp { float* d[128]; const uint32_t* ra[128]; std::vector<float> stash; int N; uint64_t da, db; int scale_d, ta, tb; uint32_t group; Loc loc; };
struct Warpgroup { uint32_t arrived = 0; int op = 0, param = 0; Loc loc; FiberX* f[128]; WgOp cur; std::deque<WgOp> pend; };
struct Bar { uint32_t expect = 0, count = 0; Loc loc; std::vector<FiberX*> waiters; };
struct Tma { Block* b; uint32_t dst; TensorMap2D m; int x, y; uint32_t mbar; uint32_t issuer; Loc loc; };
struct StaticSmem { const void* key; uint32_t off; size_t bytes; };
struct BlockX : Block {
    std::vector<FiberX> fibers;
    std::vector<Collective> coll;   // 4 per warp
    std::vector<Warpgroup> wg;
    Bar bar[16];
    std::vector<StaticSmem> statics;
    uint32_t live;
    char* arena = nullptr; size_t arena_bytes = 0;   // [static 4 KB | dynamic | guard page]
    Shadow shadow;
};
constexpr size_t static_cap = 4096;
#ifndef NO_COLOUR
#define NO_COLOUR 0
#endif

struct Worker {
    Options o;
    std::vector<std::unique_ptr<BlockX>> blocks;
    std::vector<FiberX*> ready; uint32_t head = 0, count = 0, cap = 0;
    std::vector<FiberX*> mbar_wait;
    std::deque<Tma> tma;
    uint32_t live = 0, rng = 1;
    void (*body)(void*); void* arg;
    std::string err;
    void* main_sp = nullptr;
#if EMULATOR_UC
    ucontext_t main_uc;
#endif
#if EMULATOR_ASAN
    void* main_fake = nullptr; const void* main_bottom = nullptr; size_t main_size = 0;
#endif
    std::vector<char*> stacks; size_t stack_bytes = 0;
    Counters c{};
    void push(FiberX* f) { uint32_t i = head + count++; if (i >= cap) i -= cap; ready[i] = f; }
    FiberX* pop() {
        if (o.sched_seed) {
            rng = rng * 1664525u + 1013904223u;
            uint32_t k = head + (uint64_t(rng) * count >> 32); if (k >= cap) k -= cap;
            std::swap(ready[head], ready[k]);
        }
        FiberX* f = ready[head]; if (++head == cap) head = 0; count--; return f;
    }
    ~Worker();
};
// Fiber stacks (each with a guard page below) are kept for the life of the process: mapping them costs more than a small launch.
static std::mutex stack_mu; static std::map<size_t, std::vector<char*>> stack_pool;
static void take_stacks(Worker& w, size_t n) {
    { std::lock_guard<std::mutex> g(stack_mu); auto& p = stack_pool[w.stack_bytes]; while (n && !p.empty()) { w.stacks.push_back(p.back()); p.pop_back(); n--; } }
    if (!n) return;
    size_t one = w.stack_bytes + 4096;
    char* s = (char*)mmap(nullptr, one * n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < n; i++) { mprotect(s + i * one, 4096, PROT_NONE); w.stacks.push_back(s + i * one); }
}
Worker::~Worker() {
    { std::lock_guard<std::mutex> g(stack_mu); auto& p = stack_pool[stack_bytes]; p.insert(p.end(), stacks.rbegin(), stacks.rend()); }
    for (auto& b : blocks) if (b->arena) munmap(b->arena, b->arena_bytes + 4096);
}
static thread_local Worker* W = nullptr;
static inline FiberX* self() { return static_cast<FiberX*>(cur); }
static inline BlockX* blk() { return static_cast<BlockX*>(cur->blk); }

// ---------------------------------------------------------------- switching
static void switch_to(FiberX* to) {         // to == nullptr: back to the worker's own stack
    FiberX* me = self();
    if (to == me) return;
    W->c.switches++;
    cur = to;
#if EMULATOR_ASAN
    void** save = me ? (me->wait == Wait::done ? nullptr : &me->fake) : &W->main_fake;
    if (to) __sanitizer_start_switch_fiber(save, to->stack, W->stack_bytes);
    else __sanitizer_start_switch_fiber(save, W->main_bottom, W->main_size);
#endif
#if EMULATOR_UC
    swapcontext(me ? &me->uc : &W->main_uc, to ? &to->uc : &W->main_uc);
#else
    emu_switch(me ? &me->sp : &W->main_sp, to ? to->sp : W->main_sp);
#endif
#if EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(me ? me->fake : W->main_fake, nullptr, nullptr);
#endif
}
static std::string where(const Fiber* f) {
    char b[160]; snprintf(b, sizeof b, "block (%u,%u,%u) thread %u", f->blk->bidx.x, f->blk->bidx.y, f->blk->bidx.z, f->t); return b;
}
[[noreturn]] void fail(const std::string& msg) {
    if (!cur) throw Error(msg);
    W->err = where(cur) + ": " + msg;
    switch_to(nullptr);
    abort();
}
[[noreturn]] static void fail(const std::string& msg, Loc l) { fail(msg + " at " + l.file + ":" + std::to_string(l.line)); }

static void deliver_tma();
static void deadlock() {
    std::map<std::string, std::vector<FiberX*>> by;
    for (auto& b : W->blocks) for (auto& f : b->fibers) {
        if (f.wait == Wait::done) { by["exited"].push_back(&f); continue; }
        char s[256];
        const char* k = f.wait == Wait::warp ? "warp collective, mask" : f.wait == Wait::bar ? "barrier" : f.wait == Wait::mbar ? "mbarrier" : f.wait == Wait::wg ? "warpgroup op" : "?";
        snprintf(s, sizeof s, "waiting at %s %#x (%u) %s:%d", k, f.wait_arg, f.wait_arg2, f.loc.file, f.loc.line);
        by[s].push_back(&f);
    }
    std::string m = "DEADLOCK";
    for (auto& [k, v] : by) m += "\n    " + std::to_string(v.size()) + " thread(s), first " + std::to_string(v[0]->t) + ", last " + std::to_string(v.back()->t) + ": " + k;
    fail(m);
}
static void run_next() {
    for (;;) {
        if (W->count) { switch_to(W->pop()); return; }
        if (!W->tma.empty()) { deliver_tma(); continue; }
        if (!W->live) { switch_to(nullptr); return; }
        deadlock();
    }
}
static void block_on(Wait w, uint32_t arg, uint32_t arg2, Loc l) {
    auto* f = self(); f->wait = w; f->wait_arg = arg; f->wait_arg2 = arg2; f->loc = l;
    run_next();
}
static void wake(FiberX* f) { f->wait = Wait::none; W->push(f); }
static thread_local uint32_t idle_spins = 0;
void yield() {      // called from spin loops
    if (!W->count && !W->tma.empty()) deliver_tma();
    if (!W->count) {
        if (++idle_spins > 50000000u) fail("spinning while no other thread of the resident blocks can run");
        return;
    }
    idle_spins = 0;
    auto* f = self(); W->push(f); run_next();
}

static void fiber_main() {
#if EMULATOR_ASAN
    __sanitizer_finish_switch_fiber(nullptr, W->main_bottom ? nullptr : &W->main_bottom, W->main_size ? nullptr : &W->main_size);
#endif
    W->body(W->arg);
    auto* f = self(); f->wait = Wait::done; W->live--; blk()->live--;
    run_next();
    abort();
}

// ---------------------------------------------------------------- warp collectives
template <class F> static void collective(uint32_t mask, int op, int param, void* slot, uint32_t arg, Loc l, F&& last) {
    FiberX* f = self();
    if (!(mask >> f->lane & 1)) fail(std::string(op_name[op]) + ": executing lane is not in the mask", l);
    Collective* c = nullptr, *free = nullptr;
    Collective* base = &blk()->coll[f->warp * 4];
    for (int i = 0; i < 4; i++) {
        if (!base[i].arrived) { if (!free) free = base + i; }
        else if (base[i].mask == mask) c = base + i;
        else if (base[i].mask & (1u << f->lane) && !(base[i].arrived >> f->lane & 1))
            fail(std::string("warp divergence: ") + op_name[op] + " with mask " + std::to_string(mask) + " while lanes wait at " + op_name[base[i].op] + " with mask " + std::to_string(base[i].mask) + " " + base[i].loc.file + ":" + std::to_string(base[i].loc.line), l);
    }
    if (!c) { c = free; c->mask = mask; c->op = op; c->param = param; c->loc = l; }
    else if (c->op != op || c->param != param)
        fail(std::string("warp divergence: ") + op_name[op] + " while other lanes wait at " + op_name[c->op] + " " + c->loc.file + ":" + std::to_string(c->loc.line), l);
    c->arrived |= 1u << f->lane; c->slot[f->lane] = slot; c->arg[f->lane] = arg; c->f[f->lane] = f;
    if (c->arrived != mask) { block_on(Wait::warp, mask, op, l); return; }
    last(*c);
    for (uint32_t m = mask & ~(1u << f->lane); m; m &= m - 1) wake(c->f[__builtin_ctz(m)]);
    c->arrived = 0;
}
void sync_warp(uint32_t mask, Loc l) {
    collective(mask, op_syncwarp, 0, nullptr, 0, l, [&](Collective& c) {
        if (!Shadow::on) return;
        uint32_t ids[32]; int n = 0;
        for (uint32_t m = mask; m; m &= m - 1) ids[n++] = c.f[__builtin_ctz(m)]->t;
        blk()->shadow.join(ids, n, ids, n);
    });
}
uint64_t shfl(uint32_t mask, uint64_t v, Shfl kind, int a, int width, Loc l) {
    uint64_t io = v;
    collective(mask, op_shfl, int(kind), &io, uint32_t(a), l, [&](Collective& c) {
        W->c.shfl++;
        uint64_t in[32];
        for (int i = 0; i < 32; i++) if (mask >> i & 1) in[i] = *(uint64_t*)c.slot[i];
        for (int i = 0; i < 32; i++) if (mask >> i & 1) {
            int d = int(c.arg[i]), s = i, lo = i & ~(width - 1), hi = lo + width - 1;
            switch (kind) {
                case Shfl::idx: s = lo + (d & (width - 1)); break;
                case Shfl::up: s = i - d < lo ? i : i - d; break;
                case Shfl::down: s = i + d > hi ? i : i + d; break;
                case Shfl::bfly: s = (i ^ d) > hi ? i : (i ^ d); break;
            }
            if (!(mask >> s & 1)) fail("shfl reads lane " + std::to_string(s) + " which is not in the mask", l);
            *(uint64_t*)c.slot[i] = in[s];
        }
    });
    return io;
}
uint32_t ballot(uint32_t mask, bool p, Loc l) {
    uint32_t io = p;
    collective(mask, op_ballot, 0, &io, 0, l, [&](Collective& c) {
        uint32_t r = 0;
        for (int i = 0; i < 32; i++) if (mask >> i & 1) r |= *(uint32_t*)c.slot[i] << i;
        for (int i = 0; i < 32; i++) if (mask >> i & 1) *(uint32_t*)c.slot[i] = r;
    });
    return io;
}

// ---------------------------------------------------------------- block barriers
void bar_sync(uint32_t id, uint32_t n, bool arrive_only, Loc l) {
    if (id > 15) fail("barrier id " + std::to_string(id) + " out of range", l);
    BlockX* b = blk(); Bar& r = b->bar[id]; FiberX* f = self();
    if (n % 32 && n != b->nthreads) fail("barrier count is not a multiple of 32", l);
    if (n > b->nthreads) fail("barrier count exceeds the block", l);
    if (!r.count) { r.expect = n; r.loc = l; r.waiters.clear(); if (Shadow::on) b->shadow.bar_begin(id); }
    else if (r.expect != n) fail("barrier " + std::to_string(id) + ": count " + std::to_string(n) + " here, " + std::to_string(r.expect) + " at " + r.loc.file + ":" + std::to_string(r.loc.line), l);
    else if (id == 0 && n == b->nthreads && r.loc.line != l.line)
        fail(std::string("barrier 0 reached from two places, also ") + r.loc.file + ":" + std::to_string(r.loc.line), l);
    if (Shadow::on) b->shadow.bar_arrive(id, f->t);
    r.count++;
    if (!arrive_only) r.waiters.push_back(f);
    if (r.count < n) { if (!arrive_only) block_on(Wait::bar, id, n, l); return; }
    W->c.bar++;
    r.count = 0;
    auto w = r.waiters;
    if (Shadow::on) for (auto* x : w) b->shadow.bar_acquire(id, x->t);
    for (auto* x : w) if (x != f) wake(x);
}

// ---------------------------------------------------------------- shared memory
uint32_t smem_addr(const void* p) {
    auto* b = blk(); size_t o = (const char*)p - b->arena;
    if (o > b->arena_bytes) fail("smem_addr of a pointer that is not in this block's shared memory");
    return uint32_t(o);
}
void* smem_ptr(uint32_t a, size_t n, Loc l) {
    auto* b = blk();
    bool dyn = a >= static_cap && a + n <= static_cap + b->smem_bytes, st = a + n <= b->smem_static_top;
    if (!dyn && !st) fail("shared address " + std::to_string(a) + "+" + std::to_string(n) + " out of bounds", l);
    return b->arena + a;
}
void* dynamic_smem() { return blk()->smem; }
void* static_smem(const void* key, size_t bytes, size_t align) {
    auto* b = blk();
    for (auto& s : b->statics) if (s.key == key) return b->arena + s.off;
    size_t o = (b->smem_static_top + align - 1) & ~(align - 1);
    if (o + bytes > static_cap) fail("static shared memory exceeds the emulator's 4 KB");
    b->smem_static_top = o + bytes;
#if EMULATOR_ASAN
    ASAN_UNPOISON_MEMORY_REGION(b->arena + o, bytes);
#endif
    if (Shadow::on) b->shadow.allow(o, bytes);
    b->statics.push_back({key, uint32_t(o), bytes});
    return b->arena + o;
}

// ---------------------------------------------------------------- cp.async
static void cp_do(const CpAsync& c, FiberX* f) {
    char* d = blk()->arena + c.dst;
    if (Shadow::on) blk()->shadow.land(c.dst, c.bytes, f->t);
    memcpy(d, c.src, c.src_bytes); memset(d + c.src_bytes, 0, c.bytes - c.src_bytes);
}
void cp_async(uint32_t dst, const void* src, int bytes, int src_bytes, Loc l) {
    FiberX* f = self(); W->c.cp_async_bytes += src_bytes;
    if (dst % bytes) fail("cp.async: shared address not aligned", l);
    if (src_bytes && (uintptr_t)src % bytes) fail("cp.async: global address not aligned", l);
    void* p = smem_ptr(dst, bytes, l);
    if (Shadow::on) { blk()->shadow.write(dst, bytes, f->t, l.file, l.line); blk()->shadow.inflight(dst, bytes, f->t); check_range(src, src_bytes, false); }
    CpAsync c{dst, src, bytes, src_bytes, f->cp_group};
    if (W->o.late_async) { memset(p, 0xff, bytes); f->cp.push_back(c); }
    else { f->cp.push_back(c); cp_do(c, f); if (!Shadow::on) f->cp.pop_back(); }
}
void cp_async_commit() { self()->cp_group++; }
void cp_async_wait(int n) {
    FiberX* f = self(); size_t i = 0;
    for (; i < f->cp.size() && f->cp[i].group + n < f->cp_group; i++) cp_do(f->cp[i], f);
    f->cp.erase(f->cp.begin(), f->cp.begin() + i);
}

// ---------------------------------------------------------------- ldmatrix / mma
static inline float lo(uint32_t u) { u <<= 16; float f; memcpy(&f, &u, 4); return f; }
static inline float hi(uint32_t u) { u &= 0xffff0000u; float f; memcpy(&f, &u, 4); return f; }
void ldmatrix(uint32_t* r, int num, bool trans, uint32_t addr, Loc l) {
    collective(~0u, op_ldmatrix, num * 2 + trans, r, addr, l, [&](Collective& c) {
        W->c.ldmatrix++;
        for (int m = 0; m < num; m++) {
            uint16_t t[8][8]; uint32_t banks = 0;
            for (int i = 0; i < 8; i++) {
                uint32_t a = c.arg[m * 8 + i];
                if (a % 16) fail("ldmatrix: row address not 16-byte aligned", l);
                memcpy(t[i], smem_ptr(a, 16, l), 16);
                if (Shadow::on) blk()->shadow.read(a, 16, c.f[m * 8 + i]->t, l.file, l.line);
                if (banks >> (a / 16 % 8) & 1) W->c.ldmatrix_conflicts++;
                banks |= 1u << (a / 16 % 8);
            }
            for (int i = 0; i < 32; i++) {
                int g = i >> 2, q = (i & 3) * 2;
                ((uint32_t*)c.slot[i])[m] = trans ? t[q][g] | uint32_t(t[q + 1][g]) << 16 : t[g][q] | uint32_t(t[g][q + 1]) << 16;
            }
        }
    });
}
struct MmaArgs { float* d; const uint32_t* a; const uint32_t* b; };
void mma_m16n8k16_bf16(float* d, const uint32_t* a, const uint32_t* b, Loc l) {
    MmaArgs args{d, a, b};
    collective(~0u, op_mma, 0, &args, 0, l, [](Collective& c) {
        W->c.mma++;
        alignas(32) float A[16][16], B[16][8], C[16][8];
        for (int i = 0; i < 32; i++) {
            auto& x = *(MmaArgs*)c.slot[i]; int g = i >> 2, q = (i & 3) * 2;
            for (int h = 0; h < 4; h++) { int r = g + (h & 1) * 8, k = q + (h >> 1) * 8; A[r][k] = lo(x.a[h]); A[r][k + 1] = hi(x.a[h]); }
            for (int h = 0; h < 2; h++) { B[q + h * 8][g] = lo(x.b[h]); B[q + h * 8 + 1][g] = hi(x.b[h]); }
            C[g][q] = x.d[0]; C[g][q + 1] = x.d[1]; C[g + 8][q] = x.d[2]; C[g + 8][q + 1] = x.d[3];
        }
        for (int i = 0; i < 16; i++) for (int k = 0; k < 16; k++) for (int j = 0; j < 8; j++) C[i][j] += A[i][k] * B[k][j];
        for (int i = 0; i < 32; i++) {
            auto& x = *(MmaArgs*)c.slot[i]; int g = i >> 2, q = (i & 3) * 2;
            x.d[0] = C[g][q]; x.d[1] = C[g][q + 1]; x.d[2] = C[g + 8][q]; x.d[3] = C[g + 8][q + 1];
        }
    });
}

// ---------------------------------------------------------------- mbarrier: the 8 bytes hold the state
struct Mbar { uint32_t phase : 1, expected : 15, pending : 16; int32_t tx; };
static_assert(sizeof(Mbar) == 8);
static Mbar* mbar_at(BlockX* b, uint32_t a, Loc l) {
    if (a % 8) fail("mbarrier: address not 8-byte aligned", l);
    auto* m = (Mbar*)smem_ptr(a, 8, l); uint64_t raw; memcpy(&raw, m, 8);
    if (raw == ~0ull) fail("mbarrier used before mbarrier.init", l);
    (void)b; return m;
}
static void mbar_settle(BlockX* b, uint32_t a, Mbar* m) {
    if (m->pending || m->tx) return;
    m->phase ^= 1; m->pending = m->expected;
    if (Shadow::on) b->shadow.mbar_flip(a);
    auto& w = W->mbar_wait; size_t k = 0;
    for (auto* f : w) if (f->blk == b && f->wait_arg == a && f->wait_arg2 != m->phase) { if (Shadow::on) b->shadow.mbar_acquire(a, f->t); wake(f); } else w[k++] = f;
    w.resize(k);
}
void mbar_init(uint32_t a, uint32_t n, Loc l) {
    if (a % 8) fail("mbarrier: address not 8-byte aligned", l);
    auto* m = (Mbar*)smem_ptr(a, 8, l); *m = Mbar{0, n, n, 0};
    if (Shadow::on) { blk()->shadow.write(a, 8, cur->t, l.file, l.line); blk()->shadow.mbar_new(a); }
}
void mbar_arrive(uint32_t a, uint32_t tx, bool arrive, Loc l) {
    auto* b = blk(); auto* m = mbar_at(b, a, l); W->c.mbar_arrive++;
    if (Shadow::on) { b->shadow.read(a, 8, cur->t, l.file, l.line, true); b->shadow.mbar_release(a, cur->t); }
    m->tx += tx;
    if (arrive) { if (!m->pending) fail("mbarrier: more arrivals than expected in this phase", l); m->pending--; }
    mbar_settle(b, a, m);
}
bool mbar_try_wait(uint32_t a, uint32_t parity, Loc l) {
    auto* m = mbar_at(blk(), a, l);
    if (m->phase == parity) yield();
    if (m->phase == parity) return false;
    if (Shadow::on) blk()->shadow.mbar_acquire(a, cur->t);
    return true;
}
void mbar_wait(uint32_t a, uint32_t parity, Loc l) {
    auto* m = mbar_at(blk(), a, l);
    if (Shadow::on) blk()->shadow.read(a, 8, cur->t, l.file, l.line, true);
    if (m->phase != parity) { if (Shadow::on) blk()->shadow.mbar_acquire(a, cur->t); return; }
    W->mbar_wait.push_back(self());
    block_on(Wait::mbar, a, parity, l);
}
void fence_proxy_async() { if (Shadow::on) blk()->shadow.proxy_fence(cur->t); }

// ---------------------------------------------------------------- TMA
static uint32_t swz(uint32_t a, uint32_t bytes) { return bytes == 128 ? a ^ ((a >> 7 & 7) << 4) : bytes == 64 ? a ^ ((a >> 7 & 3) << 4) : bytes == 32 ? a ^ ((a >> 7 & 1) << 4) : a; }
static void tma_do(const Tma& t) {
    auto* b = static_cast<BlockX*>(t.b); auto& m = t.m; uint32_t row = m.box_w * m.elem;
    if (Shadow::on) b->shadow.land(t.dst, row * m.box_h, t.issuer, true);
    for (uint32_t r = 0; r < m.box_h; r++) for (uint32_t c = 0; c < row; c += 16) {
        alignas(16) char v[16] = {};
        int64_t y = t.y + int64_t(r), x = t.x + int64_t(c / m.elem);
        if (y >= 0 && y < int64_t(m.height))
            for (uint32_t e = 0; e < 16 / m.elem; e++) if (x + e >= 0 && uint64_t(x + e) < m.width) memcpy(v + e * m.elem, m.base + y * m.row_bytes + (x + e) * m.elem, m.elem);
        memcpy(b->arena + swz(t.dst + r * row + c, m.swizzle), v, 16);
    }
    auto* mb = (Mbar*)(b->arena + t.mbar); mb->tx -= row * m.box_h; mbar_settle(b, t.mbar, mb);
}
static void deliver_tma() { size_t i = 0; if (W->o.sched_seed) { W->rng = W->rng * 1664525u + 1013904223u; i = (W->rng >> 16) % W->tma.size(); }
                            Tma t = W->tma[i]; W->tma.erase(W->tma.begin() + i); tma_do(t); }
void tma_load_2d(uint32_t dst, const TensorMap2D* m, int x, int y, uint32_t mbar, Loc l) {
    uint32_t row = m->box_w * m->elem, bytes = row * m->box_h; W->c.tma_bytes += bytes;
    if (dst % 128) fail("TMA: shared address not 128-byte aligned", l);
    if (m->swizzle && row > m->swizzle) fail("TMA: box row exceeds the swizzle span", l);
    if (m->row_bytes % 16 || (uintptr_t)m->base % 16 || row % 16) fail("TMA: stride, base or box row not a multiple of 16 bytes", l);
    if (m->box_h > 256 || m->box_w > 256) fail("TMA: box dimension exceeds 256", l);
    void* p = smem_ptr(dst, bytes, l); mbar_at(blk(), mbar, l);
    if (Shadow::on) { blk()->shadow.write(dst, bytes, cur->t, l.file, l.line); blk()->shadow.inflight(dst, bytes, cur->t); blk()->shadow.mbar_release(mbar, cur->t); }
    Tma t{blk(), dst, *m, x, y, mbar, cur->t, l};
    if (W->o.late_async) { memset(p, 0xff, bytes); W->tma.push_back(t); } else tma_do(t);
}

// ---------------------------------------------------------------- wgmma
enum { wg_mma = 1, wg_wait = 2, wg_fence = 3 };
template <class F> static void wg_collective(int op, int param, Loc l, F&& last) {
    FiberX* f = self(); auto& g = blk()->wg[f->t / 128]; uint32_t i = f->t % 128;
    if (blk()->nthreads - f->t / 128 * 128 < 128) fail("wgmma: the last warpgroup of the block is incomplete", l);
    if (!g.arrived) { g.op = op; g.param = param; g.loc = l; }
    else if (g.op != op || g.param != param) fail(std::string("warpgroup divergence, others wait at ") + g.loc.file + ":" + std::to_string(g.loc.line), l);
    g.f[i] = f; g.arrived++;
    if (g.arrived < 128) { block_on(Wait::wg, op, param, l); return; }
    g.arrived = 0;
    last(g);
    for (auto* x : g.f) if (x != f) wake(x);
}
static uint32_t desc_addr(uint64_t d, int mn, int k, bool mn_major, Loc l) {
    uint32_t start = uint32_t(d & 0x3fff) << 4, lbo = uint32_t(d >> 16 & 0x3fff) << 4, sbo = uint32_t(d >> 32 & 0x3fff) << 4, mode = uint32_t(d >> 62);
    uint32_t span = mode == 1 ? 128 : mode == 2 ? 64 : mode == 3 ? 32 : 0;
    if (!span) fail("wgmma: un-swizzled descriptors are not emulated", l);
    if (d >> 49 & 7) fail("wgmma: base offset is not emulated", l);
    uint32_t o;
    if (!mn_major) o = mn / 8 * sbo + mn % 8 * span + k * 2;
    else { uint32_t e = span / 2; o = mn / e * lbo + k / 8 * sbo + k % 8 * span + mn % e * 2; }
    return swz(start + o, span);
}
static void wg_run(WgOp& o, Warpgroup& g) {
    BlockX* b = static_cast<BlockX*>(g.f[0]->blk); int N = o.N;
    alignas(64) static thread_local float A[64][16], B[16][256], C[64][256];
    auto ld = [&](uint64_t d, int mn, int k, int tr) -> float {
        uint32_t a = desc_addr(d, mn, k, tr, o.loc); uint16_t u; memcpy(&u, smem_ptr(a, 2, o.loc), 2); return lo(u);
    };
    // a 16-byte chunk at a time: the swizzle keeps chunks whole
    auto ld8 = [&](uint64_t d, int mn, int k, int tr, float* out, int stride) {
        uint32_t a = desc_addr(d, mn, k, tr, o.loc); uint16_t u[8]; memcpy(u, smem_ptr(a, 16, o.loc), 16);
        if (Shadow::on) b->shadow.read(a, 16, g.f[0]->t, o.loc.file, o.loc.line, false, true);
        for (int i = 0; i < 8; i++) out[i * stride] = lo(u[i]);
    };
    (void)ld;
    if (o.ra[0]) for (int t = 0; t < 128; t++) { int q = t & 3, r = t / 32 * 16 + (t & 31) / 4;
            for (int h = 0; h < 4; h++) { int rr = r + (h & 1) * 8, k = q * 2 + (h >> 1) * 8; A[rr][k] = lo(o.ra[t][h]); A[rr][k + 1] = hi(o.ra[t][h]); } }
    else if (!o.ta) for (int m = 0; m < 64; m++) for (int k = 0; k < 16; k += 8) ld8(o.da, m, k, 0, &A[m][k], 1);
    else for (int k = 0; k < 16; k++) for (int m = 0; m < 64; m += 8) ld8(o.da, m, k, 1, &A[m][k], 16);
    if (!o.tb) for (int n = 0; n < N; n++) for (int k = 0; k < 16; k += 8) ld8(o.db, n, k, 0, &B[k][n], 256);
    else for (int k = 0; k < 16; k++) for (int n = 0; n < N; n += 8) ld8(o.db, n, k, 1, &B[k][n], 1);
    bool st = !o.stash.empty();
    for (int t = 0; t < 128; t++) {
        const float* s = st ? &o.stash[t * (N / 2)] : o.d[t]; int r = t / 32 * 16 + (t & 31) / 4, q = (t & 3) * 2;
        for (int j = 0; j < N / 8; j++) for (int i = 0; i < 4; i++) C[r + (i >> 1) * 8][j * 8 + q + (i & 1)] = o.scale_d ? s[j * 4 + i] : 0.f;
    }
    for (int m = 0; m < 64; m++) for (int k = 0; k < 16; k++) { float a = A[m][k]; for (int n = 0; n < N; n++) C[m][n] += a * B[k][n]; }
    for (int t = 0; t < 128; t++) {
        int r = t / 32 * 16 + (t & 31) / 4, q = (t & 3) * 2;
        for (int j = 0; j < N / 8; j++) for (int i = 0; i < 4; i++) o.d[t][j * 4 + i] = C[r + (i >> 1) * 8][j * 8 + q + (i & 1)];
    }
}
void wgmma_fence(Loc) { self()->wg_fenced = true; }
void wgmma(float* d, int N, uint64_t da, uint64_t db, const uint32_t* ra, int scale_d, int ta, int tb, Loc l) {
    FiberX* f = self(); auto& g = blk()->wg[f->t / 128];
    if (!f->wg_fenced) fail("wgmma without wgmma.fence since the accumulators were last free to change", l);
    g.cur.d[f->t % 128] = d; g.cur.ra[f->t % 128] = ra;
    if (f->t % 128 == 0 || !g.arrived) { g.cur.N = N; g.cur.da = da; g.cur.db = db; g.cur.scale_d = scale_d; g.cur.ta = ta; g.cur.tb = tb; g.cur.loc = l; }
    else if (g.cur.da != da || g.cur.db != db) fail("wgmma: descriptors differ within the warpgroup", l);
    wg_collective(wg_mma, N, l, [&](Warpgroup& g) {
        W->c.wgmma++;
        g.cur.group = f->wg_group; g.cur.stash.clear();
        if (!W->o.late_async) { wg_run(g.cur, g); return; }
        bool pending = false; for (auto& p : g.pend) pending |= p.d[0] == g.cur.d[0];
        if (!pending) {
            g.cur.stash.resize(128 * (N / 2));
            for (int t = 0; t < 128; t++) { memcpy(&g.cur.stash[t * (N / 2)], g.cur.d[t], N * 2); memset(g.cur.d[t], 0xff, N * 2); }
        }
        g.pend.push_back(std::move(g.cur)); g.cur.stash.clear();
    });
}
void wgmma_commit(Loc) { self()->wg_group++; }
void wgmma_wait(int n, Loc l) {
    FiberX* f = self();
    f->wg_fenced = false;
    wg_collective(wg_wait, n, l, [&](Warpgroup& g) {
        while (!g.pend.empty() && g.pend.front().group + n < f->wg_group) { wg_run(g.pend.front(), g); g.pend.pop_front(); }
    });
}

// ---------------------------------------------------------------- launch
static void prepare(Worker& w, BlockX& b, Dim3 bidx, Dim3 grid, Dim3 bd, size_t smem, uint32_t first) {
    uint32_t n = bd.x * bd.y * bd.z;
    b.bidx = bidx; b.bdim = bd; b.gdim = grid; b.nthreads = n; b.live = n;
    size_t need = (static_cap + smem + 4095) & ~size_t(4095);
    if (b.arena_bytes != need) {
        if (b.arena) munmap(b.arena, b.arena_bytes + 4096);
        b.arena = (char*)mmap(nullptr, need + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); b.arena_bytes = need;
        mprotect(b.arena + need, 4096, PROT_NONE);
    }
    b.smem = b.arena + static_cap; b.smem_bytes = smem; b.smem_static_top = 0; b.statics.clear();
#if EMULATOR_ASAN
    ASAN_UNPOISON_MEMORY_REGION(b.arena, need);
#endif
    memset(b.arena, 0xff, static_cap + smem);          // poison: NaN in every float format
#if EMULATOR_ASAN
    ASAN_POISON_MEMORY_REGION(b.arena, static_cap); ASAN_POISON_MEMORY_REGION(b.smem + smem, need - static_cap - smem);
#endif
    if (Shadow::on) { b.shadow.reset(b.arena, need, n); b.shadow.allow(static_cap, smem); }
    b.coll.assign((n + 31) / 32 * 4, {}); b.wg.resize((n + 127) / 128); for (auto& g : b.wg) { g.arrived = 0; g.pend.clear(); }
    for (auto& r : b.bar) r.count = 0;
    if (b.fibers.size() != n) b.fibers = std::vector<FiberX>(n);
    for (uint32_t t = 0; t < n; t++) {
        FiberX& f = b.fibers[t];
        f.t = t; f.idx = first + t; f.x = t % bd.x; f.y = t / bd.x % bd.y; f.z = t / (bd.x * bd.y); f.lane = t % 32; f.warp = t / 32; f.blk = &b;
        f.wait = Wait::none; f.cp.clear(); f.cp_group = f.wg_group = 0; f.wg_fenced = false;
        f.stack = w.stacks[first + t] + 4096;
#if EMULATOR_ASAN
        ASAN_UNPOISON_MEMORY_REGION(f.stack, w.stack_bytes); f.fake = nullptr;
#endif
#if EMULATOR_UC
        getcontext(&f.uc); f.uc.uc_stack.ss_sp = f.stack; f.uc.uc_stack.ss_size = w.stack_bytes; f.uc.uc_link = nullptr; makecontext(&f.uc, fiber_main, 0);
#else
        // stagger the stacks: equal offsets modulo 4 KB would put every fiber's frame in the same cache sets
        auto* top = (void**)(f.stack + w.stack_bytes - (NO_COLOUR ? 0 : ((first + t) * 320) % 4096));
        *--top = nullptr; *--top = (void*)fiber_main; for (int i = 0; i < 6; i++) *--top = nullptr;
        f.sp = top;
#endif
        w.push(&f);
    }
}
void run(Dim3 grid, Dim3 bd, size_t smem, void (*body)(void*), void* arg, const Options& o) {
    if (cur) throw Error("launch from inside a kernel");
    uint32_t n = bd.x * bd.y * bd.z; uint64_t total = uint64_t(grid.x) * grid.y * grid.z;
    if (!n || n > 1024) throw Error("block of " + std::to_string(n) + " threads");
    if (smem > 227 << 10) throw Error("dynamic shared memory over 227 KB");
    uint32_t per = std::max<uint32_t>(1, std::min<uint64_t>(o.co_resident, total));
    unsigned hw = o.host_threads ? o.host_threads : std::max(1u, std::thread::hardware_concurrency());
    hw = unsigned(std::min<uint64_t>(hw, (total + per - 1) / per));
    std::atomic<uint64_t> next{0}; std::mutex mu; std::string err; Counters sum{};
    auto work = [&] {
        Worker w; W = &w; w.o = o; w.body = body; w.arg = arg; w.stack_bytes = o.stack_bytes; w.rng = o.sched_seed * 2654435761u + 1;
        take_stacks(w, size_t(per) * n);
        for (uint32_t i = 0; i < per; i++) w.blocks.push_back(std::make_unique<BlockX>());
        w.cap = per * n; w.ready.resize(w.cap);
        for (;;) {
            uint64_t b0 = next.fetch_add(per); if (b0 >= total) break;
            w.head = w.count = 0; w.mbar_wait.clear(); w.tma.clear(); w.live = 0;
            for (uint32_t i = 0; i < per && b0 + i < total; i++) {
                uint64_t b = b0 + i;
                prepare(w, *w.blocks[i], Dim3{uint32_t(b % grid.x), uint32_t(b / grid.x % grid.y), uint32_t(b / (uint64_t(grid.x) * grid.y))}, grid, bd, smem, i * n);
                w.live += n; w.c.fibers += n;
            }
            switch_to(w.pop());
            if (!w.err.empty()) { std::lock_guard<std::mutex> g(mu); if (err.empty()) err = w.err; next = total; break; }
        }
        if (Shadow::on) for (auto& b : w.blocks) w.c.checked_accesses += b->shadow.accesses;
        std::lock_guard<std::mutex> g(mu);
        auto* d = (uint64_t*)&sum; auto* s = (uint64_t*)&w.c; for (size_t i = 0; i < sizeof(sum) / 8; i++) d[i] += s[i];
        W = nullptr;
    };
    if (hw == 1) work(); else { std::vector<std::thread> ts; for (unsigned i = 0; i < hw; i++) ts.emplace_back(work); for (auto& t : ts) t.join(); }
    g_counters = sum;
    if (!err.empty()) throw Error(err);
}

// ---------------------------------------------------------------- global memory
struct Region { char* p; size_t bytes; char* map; size_t map_bytes; };
static std::vector<Region> g_regions; static std::mutex g_mu;
void* gmalloc(size_t bytes) {
#if EMULATOR_ASAN
    void* p = aligned_alloc(256, (bytes + 255) & ~size_t(255)); memset(p, 0xff, bytes);
    ASAN_POISON_MEMORY_REGION((char*)p + bytes, ((bytes + 255) & ~size_t(255)) - bytes);
    return p;
#else
    size_t pg = (bytes + 4095) & ~size_t(4095);
    char* m = (char*)mmap(nullptr, pg + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(m, 4096, PROT_NONE); mprotect(m + 4096 + pg, 4096, PROT_NONE);
    char* p = m + 4096 + ((pg - bytes) & ~size_t(255));      // as close to the guard page as 256-byte alignment allows
    memset(m + 4096, 0xff, pg);
    std::lock_guard<std::mutex> g(g_mu); g_regions.push_back({p, bytes, m, pg + 8192});
    return p;
#endif
}
void gfree(void* p) {
#if EMULATOR_ASAN
    free(p);
#else
    std::lock_guard<std::mutex> g(g_mu);
    for (auto& r : g_regions) if (r.p == p) { munmap(r.map, r.map_bytes); r = g_regions.back(); g_regions.pop_back(); return; }
#endif
}
static std::string src(const char*, int, void*);
static thread_local void* hook_pc = nullptr;      // return address of the instrumentation call in progress
static bool global_ok(const char* p, size_t n) {
    for (auto& r : g_regions) if (p >= r.map && p < r.map + r.map_bytes) return p >= r.p && p + n <= r.p + r.bytes;
    return true;       // not ours: stack, host globals
}
void check_range(const void* p, size_t n, bool write) {
    if (!Shadow::on || !cur) return;
    auto* b = blk(); size_t o = (const char*)p - b->arena;
    if (o < b->arena_bytes) { if (write) b->shadow.write(o, n, cur->t, nullptr, 0); else b->shadow.read(o, n, cur->t, nullptr, 0); return; }
    if ((size_t)((const char*)p - self()->stack) < W->stack_bytes) return;
    if (n && !global_ok((const char*)p, n)) fail("global memory access out of bounds" + src(nullptr, 0, hook_pc));
}
}  // namespace emulator
#include "shadow.inc"
