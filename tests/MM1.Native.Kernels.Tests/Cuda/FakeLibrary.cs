using System.Runtime.InteropServices;
using MM1.Native.Kernels.Cuda;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>
/// A kernel library made for one test: every function of the table is there and says what the test wants. Compiled with cc, so that what is tested is a real library
/// behind the real header; without cc the test is skipped.
/// </summary>
internal static class FakeLibrary
{
    /// <summary>
    /// gemm answers with the status that M says, and the text that it leaves ends in the stream's number; objects are counted by fake_live. Defines change what
    /// mm1_get_api does.
    /// </summary>
    private const string Source = """
        #include <mm1/kernels.h>
        #include <stddef.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>

        #ifndef DEVICES
        #define DEVICES 1
        #endif
        #ifndef MAJOR
        #define MAJOR 9
        #endif
        #ifndef VERSION
        #define VERSION MM1_ABI_VERSION
        #endif

        static char text[256] = "";
        static long live = 0, made = 0;
        static int lost = 0;

        MM1_API long fake_live(void) { return live; }
        MM1_API const char* mm1_get_last_error_message(void) { return text; }

        static mm1_status refuse(void) { return MM1_STATUS_INTERNAL_ERROR; }
        static mm1_status succeed(void) { return MM1_STATUS_OK; }
        static mm1_status create(void** object) { live++; *object = (void*)(++made << 4); return MM1_STATUS_OK; }
        static mm1_status create_event(int32_t timed, void** object) { (void)timed; return create(object); }
        static mm1_status instantiate(void* graph, void** object) { (void)graph; return create(object); }
        static mm1_status load(const void* image, int64_t bytes, void** object) { (void)image; (void)bytes; return create(object); }
        static mm1_status destroy(void* object) { if (object != NULL) live--; return MM1_STATUS_OK; }
        static mm1_status size(void* graph, int64_t* nodes) { (void)graph; *nodes = 3; return MM1_STATUS_OK; }
        static mm1_status set_current(int32_t device) {
          (void)device;
          if (!lost) return MM1_STATUS_OK;
          strcpy(text, "device_set_current: the device is lost: the first failure");
          return MM1_STATUS_DEVICE_LOST;
        }
        static mm1_status count(int32_t* devices) {
          *devices = DEVICES;
          if (DEVICES == 0) strcpy(text, "device_count: no driver");
          return MM1_STATUS_OK;
        }
        static mm1_status properties(int32_t device, mm1_device_properties* result) {
          (void)device;
          strcpy(result->name, "made for a test");
          result->capability_major = MAJOR;
          result->supported = MAJOR >= 8;
          result->compute_dtypes = 1 << MM1_DTYPE_FLOAT32 | 1 << MM1_DTYPE_BFLOAT16;
          return MM1_STATUS_OK;
        }
        static mm1_status allocate(int64_t bytes, void** address) {
          if (bytes > 1 << 30) { strcpy(text, "memory_allocate: too much"); return MM1_STATUS_OUT_OF_MEMORY; }
          live++;
          *address = malloc((size_t)bytes);
          return MM1_STATUS_OK;
        }
        static mm1_status release(void* address) { if (address != NULL) live--; free(address); return MM1_STATUS_OK; }

        static mm1_status gemm(mm1_stream stream, const mm1_gemm_args* args, void* workspace, int64_t bytes) {
          if (args->n == 7) text[0] = 0;
          else snprintf(text, sizeof text, "gemm: m is %d, size %d, workspace %d of %d, stream %d", (int)args->m, (int)args->struct_size, (int)(intptr_t)workspace, (int)bytes, (int)(intptr_t)stream);
          if (args->m == MM1_STATUS_DEVICE_LOST) lost = 1;
          return (mm1_status)args->m;
        }
        static int64_t gemm_workspace_bytes(const mm1_gemm_args* args) {
          if (args->m >= 0) return 64 * args->m;
          strcpy(text, "gemm: m is negative");
          return -1;
        }

        MM1_API mm1_status mm1_get_api(int32_t version, mm1_api* table) {
          void (*function)(void) = (void (*)(void))refuse;
          const int64_t given = table->struct_size;
          (void)version;
        #ifdef STATUS
          strcpy(text, "get_api: version 0 was asked for");
          return STATUS;
        #endif
          memset(table, 0, (size_t)given);
          table->struct_size = given;
          table->abi_version = VERSION;
          table->get_last_error_message = mm1_get_last_error_message;
          for (size_t at = offsetof(mm1_api, device_count); at < sizeof(mm1_api); at += sizeof function) memcpy((char*)table + at, &function, sizeof function);
        #define SET(entry, implementation) function = (void (*)(void))implementation; memcpy(&table->entry, &function, sizeof function);
          SET(gemm, gemm) SET(gemm_workspace_bytes, gemm_workspace_bytes)
          SET(device_count, count) SET(device_get_properties, properties) SET(device_set_current, set_current) SET(device_synchronize, succeed)
          SET(stream_create, create) SET(stream_destroy, destroy) SET(stream_synchronize, succeed) SET(stream_wait_event, succeed)
          SET(event_create, create_event) SET(event_destroy, destroy) SET(event_record, succeed)
          SET(graph_begin_capture, succeed) SET(graph_end_capture, instantiate) SET(graph_get_size, size) SET(graph_destroy, destroy)
          SET(graph_instance_destroy, destroy) SET(module_load, load) SET(module_unload, destroy)
          SET(memory_allocate, allocate) SET(memory_free, release)
        #ifdef INSTANTIATE_FAILS
          SET(graph_instantiate, refuse)
        #else
          SET(graph_instantiate, instantiate)
        #endif
        #ifdef SIZE
          table->struct_size = SIZE;
        #endif
        #ifdef WITHOUT
          table->WITHOUT = NULL;
        #endif
          return MM1_STATUS_OK;
        }
        """;

    /// <summary>Compiles the library with some defines, hands its path to the test, and deletes the file.</summary>
    public static void Use(string defines, Action<string> test)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs cc");
        Build(Source, defines, test);
    }

    /// <summary>A library of another kind.</summary>
    public static void Build(string source, string defines, Action<string> test)
    {
        string folder = Directory.CreateTempSubdirectory("mm1-fake-").FullName;
        try
        {
            string file = Path.Combine(folder, "fake.c"), library = Path.Combine(folder, LibrarySearch.FileName("mm1_kernels_emulated"));
            File.WriteAllText(file, source);
            string[] arguments = ["-std=c99", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I", CHeader.Folder, .. defines.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(define => "-D" + define), file, "-o", library];
            if (CHeader.Run("cc", arguments) is null) Assert.Skip("no 'cc' compiler on this machine");
            test(library);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Objects of the library that were made and not given back.</summary>
    public static unsafe long Live(string path) =>
        ((delegate* unmanaged[Cdecl]<nint>)NativeLibrary.GetExport(NativeLibrary.Load(path), "fake_live"))();
}
