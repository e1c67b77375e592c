// Conformance of mm1_gemm on whatever device a library drives:
//
//   gemm_conformance LIBRARY [--list smoke|small|all] [--path PATH] [--first N] [--count N] [--csv FILE]
//   gemm_conformance [--list smoke|small|all] --names | --paths
//
// LIBRARY is libmm1_kernels.so (a GPU) or libmm1_kernels_emulated.so. Each case is run twice (the bits must repeat), compared with float64 (see
// gemm_case.h), and its last row alone must have the bits that it has in company. --csv appends a row per case, written at once. The last line
// is "N passed, N failed". Exit code: 0 no case failed and one ran, 1 a case failed, 2 wrong usage, 3 the library has no device, 4 no case of the
// window belongs to the path. A path forces a kernel (sm80, or sm90:256x2 for a tile and a cluster), which a process can do once: cases of other
// paths are left to other processes. Default: auto, the cases that force nothing.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>

#include "gemm_case.h"
#include "mm1/runtime.h"

namespace {

using gemm_test::Addresses;
using gemm_test::Case;
using gemm_test::Matrix;
using gemm_test::Operands;

mm1_api g_api = {};
const char* (*g_error)() = nullptr;

void require(mm1_status status, const char* what) {
  if (status != MM1_STATUS_OK) throw std::runtime_error(std::string(what) + " returned " + std::to_string(status) + ": " + g_error());
}

// Device memory with 256 bytes of a pattern on either side, which must be there at the end.
class DeviceBuffer {
 public:
  DeviceBuffer(mm1_stream stream, const Matrix& from) : stream_(stream), bytes_(from.bytes.size()) {
    if (!from.exists()) return;
    require(g_api.memory_allocate(static_cast<int64_t>(bytes_ + 2 * kGuard), &memory_), "memory_allocate");
    require(g_api.memory_fill(stream, memory_, 0xa5, static_cast<int64_t>(bytes_ + 2 * kGuard)), "memory_fill");
    write(from);
  }
  ~DeviceBuffer() { g_api.memory_free(memory_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  void* data() const { return memory_ == nullptr ? nullptr : static_cast<char*>(memory_) + kGuard; }

  void write(const Matrix& from) {
    if (memory_ != nullptr && bytes_ > 0) require(g_api.memory_copy_to_device(stream_, data(), from.bytes.data(), static_cast<int64_t>(bytes_)), "copy");
  }

  // Reads the contents into `to`; throws where a guard byte has changed.
  void read(Matrix& to) const {
    if (memory_ == nullptr) return;
    std::vector<unsigned char> all(bytes_ + 2 * kGuard);
    require(g_api.memory_copy_to_host(stream_, all.data(), memory_, static_cast<int64_t>(all.size())), "copy");
    require(g_api.stream_synchronize(stream_), "stream_synchronize");
    for (size_t i = 0; i < kGuard; i++) {
      if (all[i] != 0xa5 || all[all.size() - 1 - i] != 0xa5) throw std::runtime_error("a guard byte beside a buffer was overwritten");
    }
    to.bytes.assign(all.begin() + kGuard, all.end() - kGuard);
  }

 private:
  static constexpr size_t kGuard = 256;
  mm1_stream stream_;
  size_t bytes_;
  void* memory_ = nullptr;
};

// All operands of a case on the device.
struct DeviceOperands {
  DeviceOperands(mm1_stream stream, const Operands& from)
      : a(stream, from.a), b(stream, from.b), output(stream, from.output), bias(stream, from.bias), residual(stream, from.residual),
        pre_activation(stream, from.pre_activation) {}

  Addresses addresses() const { return {a.data(), b.data(), output.data(), bias.data(), residual.data(), pre_activation.data()}; }

  void write_outputs(const Operands& from) {
    output.write(from.output);
    pre_activation.write(from.pre_activation);
  }

  Operands read(const Operands& like) const {
    Operands result = like;
    a.read(result.a);
    b.read(result.b);
    output.read(result.output);
    bias.read(result.bias);
    residual.read(result.residual);
    pre_activation.read(result.pre_activation);
    return result;
  }

  DeviceBuffer a, b, output, bias, residual, pre_activation;
};

void launch(mm1_stream stream, const mm1_gemm_args& args) {
  const int64_t bytes = g_api.gemm_workspace_bytes(&args);
  if (bytes < 0) throw std::runtime_error(std::string("gemm_workspace_bytes: ") + g_error());
  void* workspace = nullptr;
  if (bytes > 0) {
    require(g_api.memory_allocate(bytes, &workspace), "memory_allocate");
    require(g_api.memory_fill(stream, workspace, 0xff, bytes), "memory_fill");
  }
  const mm1_status status = g_api.gemm(stream, &args, workspace, bytes);
  const std::string text = status == MM1_STATUS_OK ? "" : g_error();
  if (workspace != nullptr) g_api.memory_free(workspace);
  if (status != MM1_STATUS_OK) throw std::runtime_error("gemm returned " + std::to_string(status) + ": " + text);
}

// The last row of every problem computed alone, beside the same row in company.
std::string check_row_alone(mm1_stream stream, const Case& test, const Operands& before, const Operands& together, DeviceOperands& device) {
  // Rows of unaligned operands may lie aligned when alone, and a row of a transposed a may not: that is another kernel's business.
  if (test.m < 2 || test.n == 0 || test.transposed_a() || test.dense || test.offset != 0) return "";
  device.write_outputs(before);
  mm1_gemm_args args = gemm_test::make_args(test, before, device.addresses());
  const int64_t row = test.m - 1;
  const auto move = [&](mm1_operand& operand, int64_t elements) {
    if (operand.data != nullptr) operand.data = static_cast<char*>(operand.data) + elements * (operand.dtype == MM1_DTYPE_FLOAT32 ? 4 : 2);
  };
  args.m = 1;
  move(args.a, row * args.a.row_stride);
  move(args.output, row * args.output.row_stride);
  move(args.residual, row * args.residual.row_stride);
  move(args.pre_activation, row * args.pre_activation.row_stride);
  launch(stream, args);
  const Operands alone = device.read(before);
  for (int64_t p = 0; p < test.batch; p++) {
    const size_t first = static_cast<size_t>(before.output.index(p, row, 0) * before.output.element_bytes());
    const size_t bytes = static_cast<size_t>(test.n * before.output.element_bytes());
    if (std::memcmp(alone.output.bytes.data() + first, together.output.bytes.data() + first, bytes) != 0) {
      return "the last row alone has other bits than in company; ";
    }
  }
  return "";
}

std::string run(mm1_stream stream, const Case& test, double* ratio) {
  const Operands before = gemm_test::make_operands(test, 1);
  DeviceOperands device(stream, before);
  const mm1_gemm_args args = gemm_test::make_args(test, before, device.addresses());
  launch(stream, args);
  const Operands after = device.read(before);
  std::string text = gemm_test::check(test, before, after, ratio);
  device.write_outputs(before);
  launch(stream, args);
  const Operands again = device.read(before);
  if (again.output.bytes != after.output.bytes || again.pre_activation.bytes != after.pre_activation.bytes) text += "a second run has other bits; ";
  return text + check_row_alone(stream, test, before, after, device);
}

[[noreturn]] void usage(const char* program, const char* what) {
  std::fprintf(stderr, "%s: %s\nusage: %s LIBRARY [--list smoke|small|all] [--path PATH] [--first N] [--count N] [--csv FILE] [--names] [--paths]\n", program, what, program);
  std::exit(2);
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::string library;
  std::string list = "smoke";
  std::string csv_path;
  size_t first = 0;
  size_t count = SIZE_MAX;
  bool names = false;
  bool paths = false;
  std::string path = "auto";
  for (int i = 1; i < argument_count; i++) {
    const std::string argument = arguments[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argument_count) usage(arguments[0], (argument + " needs a value").c_str());
      return arguments[++i];
    };
    if (argument == "--list") list = value();
    else if (argument == "--first") first = std::stoul(value());
    else if (argument == "--count") count = std::stoul(value());
    else if (argument == "--csv") csv_path = value();
    else if (argument == "--names") names = true;
    else if (argument == "--paths") paths = true;
    else if (argument == "--path") path = value();
    else if (argument[0] == '-' || !library.empty()) usage(arguments[0], ("unknown argument " + argument).c_str());
    else library = argument;
  }
  const std::vector<Case> cases = gemm_test::cases(list);
  if (cases.empty()) usage(arguments[0], ("no list " + list).c_str());
  if (names) {
    for (const Case& test : cases) std::printf("%s\n", test.name.c_str());
    return 0;
  }
  if (paths) {
    std::set<std::string> all;
    for (const Case& test : cases) all.insert(test.path);
    for (const std::string& one : all) std::printf("%s\n", one.c_str());
    return 0;
  }
  if (library.empty()) usage(arguments[0], "no library given");

  // The library reads these when it plans its first product.
  if (path == "sm80") setenv("MM1_GEMM_SM80", "1", 1);
  else if (path.rfind("sm90:", 0) == 0) setenv("MM1_GEMM_SM90", path.c_str() + 5, 1);
  else if (path != "auto") usage(arguments[0], ("no path " + path).c_str());

  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "cannot load %s: %s\n", library.c_str(), dlerror());
    return 2;
  }
  const auto get_api = reinterpret_cast<mm1_status (*)(int32_t, mm1_api*)>(dlsym(handle, "mm1_get_api"));
  g_error = reinterpret_cast<const char* (*)()>(dlsym(handle, "mm1_get_last_error_message"));
  if (get_api == nullptr || g_error == nullptr) {
    std::fprintf(stderr, "%s has no mm1_get_api\n", library.c_str());
    return 2;
  }
  g_api.struct_size = sizeof(g_api);
  mm1_stream stream = nullptr;
  try {
    require(get_api(MM1_ABI_VERSION, &g_api), "mm1_get_api");
    int32_t devices = 0;
    require(g_api.device_count(&devices), "device_count");
    if (devices == 0) {
      std::fprintf(stderr, "no device: %s\n", g_error());
      return 3;
    }
    mm1_device_properties properties = mm1_device_properties_default();
    require(g_api.device_get_properties(0, &properties), "device_get_properties");
    require(g_api.stream_create(&stream), "stream_create");
    std::printf("%s, %d SMs, %zu cases of list %s\n", properties.name, properties.multiprocessors, cases.size(), list.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  std::FILE* const csv = csv_path.empty() ? nullptr : std::fopen(csv_path.c_str(), "a");
  if (!csv_path.empty() && csv == nullptr) usage(arguments[0], ("cannot write " + csv_path).c_str());

  int passed = 0;
  int failed = 0;
  double largest_ratio = 0;
  for (size_t i = first; i < cases.size() && i - first < count; i++) {
    if (cases[i].path != path) continue;
    std::string text;
    double ratio = 0;
    const auto start = std::chrono::steady_clock::now();
    try {
      text = run(stream, cases[i], &ratio);
    } catch (const std::exception& error) {
      text = error.what();
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    (text.empty() ? passed : failed)++;
    largest_ratio = std::max(largest_ratio, ratio);
    if (!text.empty()) std::printf("FAILED %zu %s: %s\n", i, cases[i].name.c_str(), text.c_str());
    if (csv != nullptr) {
      for (char& c : text) c = c == '"' ? '\'' : c == '\n' ? ' ' : c;
      std::fprintf(csv, "%zu,\"%s\",%s,%.3f,%.2f,\"%s\"\n", i, cases[i].name.c_str(), text.empty() ? "passed" : "failed", seconds, ratio, text.c_str());
      std::fflush(csv);
    }
    std::fflush(stdout);
    if (g_api.device_get_status(0) == MM1_STATUS_DEVICE_LOST) {
      std::printf("the device is lost; the cases after %zu were not run\n", i);
      failed++;
      break;
    }
  }
  if (csv != nullptr) std::fclose(csv);
  g_api.stream_destroy(stream);
  std::printf("largest error %.2f of a plain loop's (2 is allowed)\n%d passed, %d failed\n", largest_ratio, passed, failed);
  return failed > 0 ? 1 : passed > 0 ? 0 : 4;
}
