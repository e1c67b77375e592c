/*
 * mm1/runtime.h: devices, streams, events, memory, graphs and modules, beside the verbs of mm1/kernels.h.
 *
 * The same functions drive a GPU (libmm1_kernels, over the CUDA runtime) and the emulator (libmm1_kernels_emulated). Whoever has streams and
 * memory already (from CUDA itself, PyTorch, another library) needs none of them: verbs take any CUstream of the device's primary
 * context and any device address. Included by mm1/kernels.h; including either is enough. Valid C99 and C++17.
 *
 *   mm1_stream stream;
 *   void* a;
 *   mm1_stream_create(&stream);
 *   mm1_memory_allocate(4096, &a);
 *   mm1_memory_copy_to_device(stream, a, host, 4096);
 *   mm1_gemm(stream, &args, workspace, bytes);
 *   mm1_stream_synchronize(stream);
 *
 * CONVENTIONS
 *
 * Current device. Every thread has one, device 0 at first; mm1_device_set_current changes it for the calling thread. Streams, events,
 *   memory and modules belong to the device that was current when they were made, and are used with it.
 * NULL as a stream is the library's own stream of the calling thread's current device (one per device, created on first use). It does not
 *   synchronize with any other stream.
 * Work on a stream (copies, fills, verbs, launches of a module's function or a graph, events) is queued and runs in order; the
 *   call returns before it is done. Work on two streams is ordered by events alone.
 * Handles are opaque. On CUDA mm1_stream, mm1_event, mm1_graph, mm1_graph_instance, mm1_module and mm1_function are CUstream, CUevent,
 *   CUgraph, CUgraphExec, CUmodule and CUfunction, cast. A destroyed handle must not be used again; the emulator detects it, CUDA may
 *   not. Destroying NULL does nothing and succeeds.
 * Outputs of a failed call are untouched unless the comment says otherwise.
 * Errors. As in kernels.h: a status, and a text for mm1_get_last_error_message(). A failure inside queued work (an invalid access, a
 *   trap) surfaces in a later call as MM1_STATUS_DEVICE_ERROR with its text. From then on the device is lost in this process: every call
 *   that needs it returns MM1_STATUS_DEVICE_LOST with the first failure's text. Freeing and destroying still release what they can.
 *   An ordinary refusal (out of memory, a wrong argument) leaves the device as it was.
 */

/* kernels.h includes this file in its middle, where the types below it are known. Including this file first leads there. */
#include <mm1/kernels.h>

#ifndef MM1_RUNTIME_H
#define MM1_RUNTIME_H

/* ------------------------------------------------------------------------------------------------------------------
 * devices
 * ------------------------------------------------------------------------------------------------------------------ */

/* What is known of a device. struct_size in: sizeof of the caller's record; out: bytes that were filled, at most that. */
typedef struct mm1_device_properties {
  int64_t struct_size;                      /* sizeof(mm1_device_properties). */
  char name[128];                           /* "NVIDIA H100 80GB HBM3", "emulated sm_90"; UTF-8, NUL-terminated. */
  int32_t emulated;                         /* Not 0: kernels run on the CPU. */
  int32_t capability_major;                 /* Compute capability: 9 of 9.0. */
  int32_t capability_minor;                 /* 0 of 9.0. */
  int32_t multiprocessors;                  /* SMs. */
  int64_t memory_bytes;                     /* Device memory. */
  int64_t shared_bytes_per_block;           /* Largest shared memory of one block. */
  int64_t shared_bytes_per_multiprocessor;  /* Shared memory of one SM. */
  int64_t l2_bytes;                         /* L2 cache. */
  int32_t threads_per_multiprocessor;       /* Resident threads of one SM. */
  int32_t blocks_per_multiprocessor;        /* Resident blocks of one SM. */
  int32_t clock_kilohertz;                  /* Highest SM clock; 0 for the emulator. */
  int32_t memory_clock_kilohertz;           /* Highest memory clock; 0 for the emulator. */
  int32_t memory_bus_bits;                  /* Width of the memory bus; 0 for the emulator. */
  int32_t driver_version;                   /* Highest CUDA version that the driver supports: 12040 of 12.4; 0 for the emulator. */
  int32_t runtime_version;                  /* CUDA runtime that the library is linked with; 0 for the emulator. */
  int32_t compute_dtypes;                   /* Bit d: kernels compute on operands of mm1_dtype d. */
  int32_t math_modes;                       /* Bit m: mm1_gemm takes mm1_math_mode m for float32 operands. */
  int32_t supported;                        /* 0: the library has no kernels for this capability (below 8.0). */
  char pci_bus_id[32];                      /* "0000:3B:00.0"; "" for the emulator. */
} mm1_device_properties;
MM1_DEFAULT_(mm1_device_properties, (void)0)

/* Number of devices. A machine without a GPU or driver gives 0 and MM1_STATUS_OK from libmm1_kernels with a text that says why; the
 * emulator has one device. */
MM1_API mm1_status mm1_device_count(int32_t* count);

/* Properties of device 0 .. count - 1. */
MM1_API mm1_status mm1_device_get_properties(int32_t device, mm1_device_properties* properties);

/* Makes a device the calling thread's current one. MM1_STATUS_UNSUPPORTED where the library has no kernels for it. */
MM1_API mm1_status mm1_device_set_current(int32_t device);

/* The calling thread's current device. */
MM1_API mm1_status mm1_device_get_current(int32_t* device);

/* MM1_STATUS_OK while the device works, MM1_STATUS_DEVICE_LOST with the first failure's text after it failed. Does not wait. */
MM1_API mm1_status mm1_device_get_status(int32_t device);

/* Returns when all work of all streams of the current device is done, with the failure that it met. */
MM1_API mm1_status mm1_device_synchronize(void);

/* ------------------------------------------------------------------------------------------------------------------
 * streams and events
 * ------------------------------------------------------------------------------------------------------------------ */

/* A point in a stream's work. */
typedef struct mm1_event_opaque* mm1_event;

/* A stream of the current device that is ordered against no other stream. */
MM1_API mm1_status mm1_stream_create(mm1_stream* stream);

/* Gives a stream back; its queued work is still done. The library's own stream (NULL) stays. */
MM1_API mm1_status mm1_stream_destroy(mm1_stream stream);

/* Returns when the stream's work is done, with the failure that it met. */
MM1_API mm1_status mm1_stream_synchronize(mm1_stream stream);

/* Sets *done to 1 where the stream's work is done, else to 0. Does not wait. */
MM1_API mm1_status mm1_stream_query(mm1_stream stream, int32_t* done);

/* Work queued on the stream after this waits for the event's last record (before this call). An event that was never recorded is
 * waited for no time. */
MM1_API mm1_status mm1_stream_wait_event(mm1_stream stream, mm1_event event);

/* An event; timed: not 0 for mm1_event_elapsed_milliseconds. */
MM1_API mm1_status mm1_event_create(int32_t timed, mm1_event* event);

/* Gives an event back, also while work waits for it. */
MM1_API mm1_status mm1_event_destroy(mm1_event event);

/* Puts the event behind the work that the stream holds now. A second record replaces the first. */
MM1_API mm1_status mm1_event_record(mm1_event event, mm1_stream stream);

/* Returns when the work before the last record is done (at once if there was none). */
MM1_API mm1_status mm1_event_synchronize(mm1_event event);

/* Sets *done to 1 where the work before the last record is done, else to 0. Does not wait. */
MM1_API mm1_status mm1_event_query(mm1_event event, int32_t* done);

/* Milliseconds between two timed events that have passed; INVALID_ARGUMENT where one was not recorded, is not timed or has not passed. */
MM1_API mm1_status mm1_event_elapsed_milliseconds(mm1_event start, mm1_event end, float* milliseconds);

/* ------------------------------------------------------------------------------------------------------------------
 * memory
 * ------------------------------------------------------------------------------------------------------------------ */

/* Device memory with undefined content, 256-byte aligned. 0 bytes gives NULL. OUT_OF_MEMORY where there is not enough. May synchronize
 * the device: not for the middle of a step, and refused while a stream captures. */
MM1_API mm1_status mm1_memory_allocate(int64_t bytes, void** address);

/* Gives memory back after all work of the device. NULL does nothing. */
MM1_API mm1_status mm1_memory_free(void* address);

/* Page-locked host memory: copies from and to it overlap with other work. 0 bytes gives NULL. */
MM1_API mm1_status mm1_memory_allocate_pinned(int64_t bytes, void** address);

/* Gives page-locked host memory back after all work of the device. NULL does nothing. */
MM1_API mm1_status mm1_memory_free_pinned(void* address);

/* Device memory that is free now, and all of it. */
MM1_API mm1_status mm1_memory_get_info(int64_t* free_bytes, int64_t* total_bytes);

/* Queues a copy of host bytes to a device address. Pinned memory is read when the copy runs; other memory has been read when the call
 * returns. */
MM1_API mm1_status mm1_memory_copy_to_device(mm1_stream stream, void* destination, const void* source, int64_t bytes);

/* Queues a copy of device bytes to host memory. It is there when the stream has passed; with memory that is not pinned, when the call
 * returns. */
MM1_API mm1_status mm1_memory_copy_to_host(mm1_stream stream, void* destination, const void* source, int64_t bytes);

/* Queues a copy within the device. The ranges must not overlap. */
MM1_API mm1_status mm1_memory_copy_on_device(mm1_stream stream, void* destination, const void* source, int64_t bytes);

/* Queues setting device bytes to a value from 0 to 255. */
MM1_API mm1_status mm1_memory_fill(mm1_stream stream, void* destination, int32_t value, int64_t bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * graphs: a step's work recorded once and launched many times
 * ------------------------------------------------------------------------------------------------------------------ */

/* Recorded work, and a launchable instance of it. */
typedef struct mm1_graph_opaque* mm1_graph;
typedef struct mm1_graph_instance_opaque* mm1_graph_instance;

/* From here on work queued on the stream is recorded, not run, until mm1_graph_end_capture; so is work of streams that wait for an event
 * recorded in the capture, until they are joined by an event of theirs that the stream waits for. Addresses and arguments are
 * recorded as they are, contents are read at each launch: that is why verbs read what changes from device memory.
 * While a stream captures, what cannot be recorded is refused: synchronizing or querying it or its events, allocating and
 * freeing memory on the thread that captures, copies between unpinned host memory and the device, launching a graph, another begin. A
 * refused call ends the capture without a graph: mm1_graph_end_capture then fails. The thread that began a capture ends it. The library's own stream (NULL) can be captured like any other. */
MM1_API mm1_status mm1_graph_begin_capture(mm1_stream stream);

/* Ends the capture on the stream that began it and hands out its graph. */
MM1_API mm1_status mm1_graph_end_capture(mm1_stream stream, mm1_graph* graph);

/* Sets *capturing to 1 where work on the stream is being recorded, else to 0. */
MM1_API mm1_status mm1_graph_is_capturing(mm1_stream stream, int32_t* capturing);

/* A launchable instance. The graph may be destroyed before its instance. */
MM1_API mm1_status mm1_graph_instantiate(mm1_graph graph, mm1_graph_instance* instance);

/* Queues all the recorded work on a stream of the same device. Launches of one instance run one after another. All memory it uses must
 * still be there. */
MM1_API mm1_status mm1_graph_launch(mm1_graph_instance instance, mm1_stream stream);

/* Number of recorded pieces of work (kernels, copies, fills). */
MM1_API mm1_status mm1_graph_get_size(mm1_graph graph, int64_t* nodes);

/* Gives a graph, and an instance, back. An instance that still runs ends first. */
MM1_API mm1_status mm1_graph_destroy(mm1_graph graph);
MM1_API mm1_status mm1_graph_instance_destroy(mm1_graph_instance instance);

/* ------------------------------------------------------------------------------------------------------------------
 * modules: a user's own kernels beside the library's
 * ------------------------------------------------------------------------------------------------------------------ */

/* A user's compiled device code, and a kernel in it. */
typedef struct mm1_module_opaque* mm1_module;
typedef struct mm1_function_opaque* mm1_function;

/* How a module's function is launched. */
typedef struct mm1_module_launch_args {
  int64_t struct_size;        /* sizeof(mm1_module_launch_args). */
  mm1_function function;      /* The kernel. */
  int32_t grid_x;             /* Blocks. Default 1. */
  int32_t grid_y;             /* Default 1. */
  int32_t grid_z;             /* Default 1. */
  int32_t block_x;            /* Threads of a block. Default 1. */
  int32_t block_y;            /* Default 1. */
  int32_t block_z;            /* Default 1. */
  int64_t shared_bytes;       /* Dynamic shared memory of a block. */
  void** parameters;          /* Address of each of the kernel's parameters, in order; read before the call returns. NULL where it has
                               * none. */
} mm1_module_launch_args;
MM1_DEFAULT_(mm1_module_launch_args, (args.grid_x = 1, args.grid_y = 1, args.grid_z = 1, args.block_x = 1, args.block_y = 1, args.block_z = 1))

/* Loads PTX text (its terminating NUL counted in bytes), a cubin or a fatbin for the current device. The text of a failure holds what the
 * assembler said. The emulator runs C++, not PTX: MM1_STATUS_UNSUPPORTED. */
MM1_API mm1_status mm1_module_load(const void* image, int64_t bytes, mm1_module* module);

/* Unloads a module; its functions are gone. */
MM1_API mm1_status mm1_module_unload(mm1_module module);

/* A kernel of a module by its (mangled) name. */
MM1_API mm1_status mm1_module_get_function(mm1_module module, const char* name, mm1_function* function);

/* Queues a kernel of a module. Workspace and its size are NULL and 0. */
MM1_API mm1_status mm1_module_launch(mm1_stream stream, const mm1_module_launch_args* args);

#endif /* MM1_RUNTIME_H */
