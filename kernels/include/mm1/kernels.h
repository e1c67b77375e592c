/*
 * mm1/kernels.h: the kernel contract of MM1.Native as a C ABI.
 *
 * One verb, one argument record, one meaning on every device. This header is the C twin of the C# interface `IKernels`
 * (src/MM1.Native.Kernels/Contract): the same verbs, the same enumerators, records of the same fields in the same order and of
 * the same byte layout. A conformance test compares the two, field by field. Valid C99 and C++17; needs <stdint.h> only.
 *
 *   mm1_gemm_args args = mm1_gemm_args_default();       // zero everywhere, struct_size and the documented defaults set
 *   args.m = 2048; args.n = 1024; args.k = 256;
 *   args.a = ...; args.b = ...; args.output = ...;
 *   int64_t bytes = mm1_gemm_workspace_bytes(&args);
 *   mm1_status status = mm1_gemm(stream, &args, workspace, bytes);
 *   if (status != MM1_STATUS_OK) puts(mm1_get_last_error_message());
 *
 * CONVENTIONS (they hold for every verb; a verb's comment states only what differs)
 *
 * Shapes and strides. An operand (mm1_operand) is a matrix of rows in device memory whose columns are contiguous: element (r, c)
 *   lies at data + (r * row_stride + c) * element size. row_stride counts elements; it is at least the number of columns where
 *   there is more than one row, so rows never overlap. Comments give the shape: [rows, columns]; of [tokens, heads, head_size]
 *   the first is the row and the others are contiguous columns, so a row has heads * head_size columns. A vector [n] is one row
 *   of n contiguous elements (row_stride is not read). Because each operand has a stride of its own, query, key and value may be
 *   column ranges of one fused projection, and gate and up halves of another: pass the address of the first column and the
 *   fused buffer's width as row_stride. Images are NHWC: pixel (n, y, x) is row (n * height + y) * width + x.
 *   Extents are int64_t, never negative; 0 is allowed wherever nothing else is said and makes the operands empty. An empty operand may
 *   have any pointer. A call with an empty output writes nothing and succeeds; an empty reduction gives the sum of nothing (0).
 * Optional operands are absent when data is NULL; the comment says "Optional". Every other operand must be present unless empty.
 *
 * Dtypes. Operands whose comment names no dtype are compute operands: within one call they all have one floating-point dtype in which the
 *   device computes (cpu: float32; cuda: bfloat16 and float32). A comment that names dtypes ("float32 [rows]", "int32 [tokens]") means
 *   exactly these. "Compute or float32" outputs may be float32 beside bfloat16 inputs; on a float32 device that is the same.
 *   Sums, statistics and losses are kept in float32 at least, whatever the storage; a result is rounded once, when stored
 *   (to nearest, ties to even). float32 means float32 products too, never tf32, unless mm1_math_mode asks for it.
 *
 * Alignment. An operand's address is a multiple of its element size at least, and so are its rows. Kernels must be right for any such
 *   address and stride; they may be faster when address and row_stride are multiples of 16 bytes. Workspaces are 256-byte aligned.
 *
 * Memory. All pointers inside a record are device addresses (the CPU device's memory is host memory); the record itself is in host
 *   memory and is read before the call returns. Operands, workspace and device-resident parameters must live until the stream
 *   has passed the call.
 *
 * Workspace. mm1_<verb>_workspace_bytes(args) says how much scratch a call with these args needs: a pure function of the args and of
 *   the device's properties. Operand addresses, device-resident values and tensor contents are not read. It returns -1 (with an
 *   error text) for args that the call would reject. Verbs without that function need none: pass NULL, 0. The contents are
 *   undefined on entry (a kernel clears its own counters on the stream) and on return. The library never allocates, prints,
 *   synchronizes or exits behind the caller's back.
 *
 * Accumulation. A factor named beta applies to the old value of an output: 0 overwrites without reading (NaN or poison in the
 *   old value does not matter), any other value gives result + beta * old.
 * Aliasing. An output overlaps no other operand unless the verb's comment permits it. "May be x" means exactly the same
 *   address, dtype, shape and row stride; partial overlap is never allowed.
 *
 * Determinism and order. The same call on the same device kind gives the same bits. The summation order of one output row depends
 *   only on the reduced length (K, the columns, the key length), the dtype, the architecture and the allow_nondeterministic
 *   flag where there is one: never on the number of rows, the batch, the neighbours, the thread count or the number of
 *   SMs. So row r of a batch of 1, 7 or 512 is bitwise equal. Split sizes are constants; heuristics choose only tiles over
 *   rows and columns, and their order. Sums over rows (weight and bias gradients, losses) run in blocks of a
 *   constant number of rows, and the blocks are added in ascending order. No order-dependent atomics. Ties go to the lower index.
 *
 * What changes from step to step is read from device memory at execution, not from the record at launch: mm1_step_state, cuSeqlens,
 *   lengths, positions, placements. Grids depend on capacities (max tokens, documents) in the record. A captured graph of
 *   a whole training step therefore replays with new values, and the NaN guard is a device predicate on the optimizer.
 *
 * Packed documents. Several documents lie one after another in the rows of one operand. cuSeqlens is int32[documents + 1] in device
 *   memory, ascending from 0: document d has rows cuSeqlens[d] .. cuSeqlens[d + 1] - 1. Equal neighbours are an empty document,
 *   so a batch of fixed capacity is padded with empty documents. Rows from the last entry up to the operand's row count belong to none.
 *
 * Units. Angles are radians, logarithms natural, log-sum-exp is of the scaled scores, learning rates are per step, sizes in
 *   elements unless the name says bytes. Losses are in nats.
 *
 * Records. struct_size is the first field of every argument record: sizeof of the record the caller was compiled with.
 *   New fields are appended and zero means the old behaviour: a library reads a shorter record as if zero-filled, and takes a longer
 *   one if every byte that it does not know is zero (MM1_STATUS_UNSUPPORTED otherwise). Reserved fields are zero. Records that
 *   lie inside others (mm1_operand, and the forward's record in a backward's) and records in device memory never change their
 *   size within one MM1_ABI_VERSION. Fields of an enumerated type are int32_t. Flags are int32_t: 0 or not 0. Pointers are 64 bits
 *   wide, records have no hidden padding.
 *
 * Errors. Arguments are checked on the calling thread before anything is launched or written; a broken rule returns a status and
 *   leaves a text "verb: field and rule" for mm1_get_last_error_message() of that thread. Values in device memory (ids, targets,
 *   positions, lengths) cannot be checked so on a GPU; the verb says what a value out of range does there, and where it says
 *   nothing it is undefined behaviour. The CPU checks them like any argument. Failures of the device itself may surface in a
 *   later call. After a sticky device error the device is lost, and every later call says so (MM1_STATUS_DEVICE_LOST).
 *
 * Threads. Calls on different streams may come from different threads. One stream, and the CPU device as a whole, is
 *   driven by one thread at a time.
 */
#ifndef MM1_KERNELS_H
#define MM1_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Exported symbols; the library itself is built with hidden visibility and MM1_BUILDING_LIBRARY. */
#if defined(_WIN32) && defined(MM1_BUILDING_LIBRARY)
#define MM1_API __declspec(dllexport)
#elif defined(_WIN32) && !defined(MM1_STATIC_LIBRARY)
#define MM1_API __declspec(dllimport)
#elif defined(__GNUC__)
#define MM1_API __attribute__((visibility("default")))
#else
#define MM1_API
#endif

/* Version of the binary interface. Raised when a record or verb changes its meaning or a fixed record its size; appended fields and verbs
 * leave it. 0 until the first release: anything may change. */
#define MM1_ABI_VERSION 0

/* ------------------------------------------------------------------------------------------------------------------
 * Status, stream, operands
 * ------------------------------------------------------------------------------------------------------------------ */

/* What a call returns. Every value but MM1_STATUS_OK leaves a text for mm1_get_last_error_message(). */
typedef int32_t mm1_status;
enum {
  MM1_STATUS_OK = 0,                  /* Done, or launched on the stream. */
  MM1_STATUS_INVALID_ARGUMENT = 1,    /* A rule of the contract is broken; nothing was written. */
  MM1_STATUS_UNSUPPORTED = 2,         /* Allowed by the contract, but not by this device: a dtype, a math mode, an unknown field. */
  MM1_STATUS_WORKSPACE_TOO_SMALL = 3, /* workspace_bytes is below what the verb's function says; nothing was written. */
  MM1_STATUS_OUT_OF_MEMORY = 4,       /* The device or the host cannot give the memory that was asked for. */
  MM1_STATUS_DEVICE_ERROR = 5,        /* The device reported a failure; the text names it. Outputs are undefined. */
  MM1_STATUS_DEVICE_LOST = 6,         /* An earlier failure made the device unusable for this process. */
  MM1_STATUS_VERSION_MISMATCH = 7,    /* mm1_get_api was asked for an MM1_ABI_VERSION that the library does not have. */
  MM1_STATUS_INTERNAL_ERROR = 8       /* A mistake of the library itself. */
};

/* A queue of work on one device, executed in order: on CUDA a CUstream of the device's primary context, cast. NULL is the
 * library's own stream for the calling thread's current device, never CUDA's legacy stream. The CPU ignores it. */
typedef struct mm1_stream_opaque* mm1_stream;

/* Text of the calling thread's last error: UTF-8, NUL-terminated, "" if there was none. Owned by the library; valid until the thread's
 * next call into it. A successful call leaves it as it is. */
MM1_API const char* mm1_get_last_error_message(void);

/* Storage types. Which of them a device computes in is its own capability; cast, copy, fill and transpose_blocks take them all. */
typedef int32_t mm1_dtype;
enum {
  MM1_DTYPE_NONE = 0,     /* No type: the operand is absent. */
  MM1_DTYPE_FLOAT64 = 1,  /* IEEE 754 binary64. */
  MM1_DTYPE_FLOAT32 = 2,  /* IEEE 754 binary32, the master type of every parameter. */
  MM1_DTYPE_BFLOAT16 = 3, /* bfloat16: the upper half of a binary32. */
  MM1_DTYPE_FLOAT16 = 4,  /* IEEE 754 binary16. */
  MM1_DTYPE_INT64 = 5,    /* Signed 64-bit integer. */
  MM1_DTYPE_INT32 = 6,    /* Signed 32-bit integer. */
  MM1_DTYPE_UINT8 = 7,    /* Unsigned byte. */
  MM1_DTYPE_BOOL = 8      /* One byte, 0 or 1. */
};

/* One operand: rows of contiguous elements in device memory. See "Shapes and strides" above. */
typedef struct mm1_operand {
  void* data;          /* Device address of element (0, 0); NULL when the operand is absent. */
  mm1_dtype dtype;     /* Element type. */
  int32_t reserved;    /* Zero. */
  int64_t row_stride;  /* Elements from one row to the next. */
} mm1_operand;

/* What changes from one optimizer step to the next, in device memory (8-byte aligned). The host writes it before a step (an ordinary
 * copy on the stream); kernels find everything of the moment here, so a captured step replays with new values. */
typedef struct mm1_step_state {
  int64_t step;             /* Number of this optimizer step, from 1 (Adam's bias correction). */
  uint64_t random_counter;  /* Added to the offset of every mm1_random_fill that asks for it. */
  float learning_rate;      /* Learning rate of this step. */
  float gradient_norm;      /* Written by mm1_gradient_norm: the 2-norm of all gradients, before clipping. */
  float clip_factor;        /* Written by mm1_gradient_norm, read by the optimizers: factor on every gradient. 1 where there is no
                             * clipping. */
  float loss_denominator;   /* Targets that count in the whole optimizer step; losses and their gradients are divided by it. 0: each call
                             * counts its own. */
  int32_t skip;             /* Not 0: the optimizers leave every tensor as it is. */
  float skip_above_norm;    /* Read by mm1_gradient_norm: a norm above it sets skip. 0: no limit. */
} mm1_step_state;

/* How the rows of a smaller operand repeat over the rows of a larger one. small_rows is the row count of the smaller. */
typedef int32_t mm1_broadcast;
enum {
  MM1_BROADCAST_CYCLE = 0,   /* Row r meets row r % small_rows (a bias: one row; a position table: one period). */
  MM1_BROADCAST_REPEAT = 1,  /* Row r meets row r / (rows / small_rows) (one row per image over all its pixels). */
  MM1_BROADCAST_PER_ROW = 2  /* Row r meets one value, element (r, 0) of a [rows, 1] operand. */
};

/* Pointwise functions, evaluated in float32 at least. With the derivative where a verb says activation'(x); relu'(0) is 0. */
typedef int32_t mm1_activation;
enum {
  MM1_ACTIVATION_NONE = 0,       /* x. */
  MM1_ACTIVATION_RELU = 1,       /* max(x, 0). */
  MM1_ACTIVATION_GELU = 2,       /* x * (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016). */
  MM1_ACTIVATION_GELU_TANH = 3,  /* x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2. */
  MM1_ACTIVATION_QUICK_GELU = 4, /* x * sigmoid(1.702 x), OpenAI CLIP's. */
  MM1_ACTIVATION_SILU = 5,       /* x * sigmoid(x). */
  MM1_ACTIVATION_SIGMOID = 6,    /* 1 / (1 + exp(-x)). */
  MM1_ACTIVATION_TANH = 7        /* tanh(x). */
};

/* mm1_<verb>_args_default(): struct_size and the documented defaults, every other field zero. */
#ifdef __cplusplus
#define MM1_ZERO_ {}
#else
#define MM1_ZERO_ {0}
#endif
#define MM1_DEFAULT_(type, assignments)       \
  static inline type type##_default(void) {   \
    type args = MM1_ZERO_;                    \
    args.struct_size = (int64_t)sizeof(type); \
    assignments;                              \
    return args;                              \
  }

/* Devices, streams, events, memory, graphs, modules: a file of their own, which needs the types above and is needed by the table below. */
#include <mm1/runtime.h>

/* ------------------------------------------------------------------------------------------------------------------
 * gemm: matrix products with fused epilogues
 * ------------------------------------------------------------------------------------------------------------------ */

/* Whether a matrix is read as it lies or transposed. */
typedef int32_t mm1_transpose;
enum {
  MM1_TRANSPOSE_NONE = 0,       /* As it lies. */
  MM1_TRANSPOSE_TRANSPOSED = 1  /* Rows and columns exchanged. */
};

/* Arithmetic of a float32 matrix product. */
typedef int32_t mm1_math_mode;
enum {
  MM1_MATH_MODE_DEFAULT = 0, /* True to the operands' dtype: float32 products for float32, exact products of bf16, float32 sums. */
  MM1_MATH_MODE_TF32 = 1     /* float32 operands rounded to tf32 on the tensor cores (about 10 mantissa bits). Devices without it refuse
                              * it. */
};

/* mm1_gemm: for each of `batch` problems
 *     t = alpha * op(a) op(b) + beta * output + bias
 *     output = activation(t) + residual
 * The product is summed in float32 over k ascending in constant blocks of k; k = 0 gives the epilogue of zero. With
 * activation_gradient the epilogue is the backward of the layer before, fused into the product that makes its gradient:
 *     output = t * activation'(pre_activation) + residual
 * Problem i finds a at a.data + i * batch_stride_a elements, and so on. Outputs of different problems must not overlap. residual may
 * be the output itself (exactly). pre_activation may be the output where activation is MM1_ACTIVATION_NONE. Rejected: an
 * activation_gradient without pre_activation, a math_mode that the device lacks (MM1_STATUS_UNSUPPORTED), a batch stride of the output
 * of 0 where batch exceeds 1. */
typedef struct mm1_gemm_args {
  int64_t struct_size;                  /* sizeof(mm1_gemm_args). */
  mm1_transpose transpose_a;            /* None: a is [m, k]; Transposed: a is [k, m]. */
  mm1_transpose transpose_b;            /* None: b is [k, n]; Transposed: b is [n, k] (a linear layer's weight). */
  mm1_activation activation;            /* Function applied before the residual is added. */
  int32_t activation_gradient;          /* Not 0: multiply by the activation's derivative at pre_activation (then an input) in place of
                                         * applying the activation. */
  mm1_math_mode math_mode;              /* Arithmetic. */
  int32_t reserved;                     /* Zero. */
  int64_t m;                            /* Rows of the output. */
  int64_t n;                            /* Columns of the output. */
  int64_t k;                            /* Reduced length. */
  int64_t batch;                        /* Number of problems; 1 for a plain product. Default 1. */
  mm1_operand a;                        /* Left operand: [m, k], or [k, m] transposed. */
  mm1_operand b;                        /* Right operand: [k, n], or [n, k] transposed. */
  mm1_operand output;                   /* Compute or float32, [m, n] per problem; read only when beta is not 0. */
  mm1_operand bias;                     /* Optional, compute or float32, [n], shared by the batch. */
  mm1_operand residual;                 /* Optional, [m, n] in the output's dtype; may be the output itself. */
  mm1_operand pre_activation;           /* Optional, [m, n]: receives t (an output), or with activation_gradient supplies it. */
  int64_t batch_stride_a;               /* Elements from one problem's a to the next; 0 shares it. */
  int64_t batch_stride_b;               /* Elements from one problem's b to the next; 0 shares it. */
  int64_t batch_stride_output;          /* Elements from one problem's output to the next; not 0 when batch exceeds 1. */
  int64_t batch_stride_residual;        /* Elements from one problem's residual to the next. */
  int64_t batch_stride_pre_activation;  /* Elements from one problem's pre-activation to the next. */
  float alpha;                          /* Factor on the product. Default 1. */
  float beta;                           /* Factor on the old output. */
} mm1_gemm_args;
MM1_DEFAULT_(mm1_gemm_args, (args.batch = 1, args.alpha = 1.0f))
MM1_API mm1_status mm1_gemm(mm1_stream stream, const mm1_gemm_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_gemm_workspace_bytes(const mm1_gemm_args* args);

/* mm1_bias_gradient: column sums of an output gradient, bias_gradient[n] = sum over m of output_gradient[m, n] + beta *
 * bias_gradient[n].
 * Rows are summed in blocks of a constant size in ascending order. rows = 0 gives beta * old. */
typedef struct mm1_bias_gradient_args {
  int64_t struct_size;          /* sizeof(mm1_bias_gradient_args). */
  int64_t rows;                 /* Rows summed over. */
  int64_t columns;              /* Columns. */
  mm1_operand output_gradient;  /* [rows, columns]. */
  mm1_operand bias_gradient;    /* Compute or float32, [columns]. */
  float beta;                   /* Factor on the old gradient. */
  int32_t reserved;             /* Zero. */
} mm1_bias_gradient_args;
MM1_DEFAULT_(mm1_bias_gradient_args, (void)0)
MM1_API mm1_status mm1_bias_gradient(mm1_stream stream, const mm1_bias_gradient_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_bias_gradient_workspace_bytes(const mm1_bias_gradient_args* args);

/* ------------------------------------------------------------------------------------------------------------------
 * attention: exact attention by tiles, decoding against a KV cache
 * ------------------------------------------------------------------------------------------------------------------ */

/* Which keys a query sees. i counts the queries and j the keys within one document, both from 0; offset = keys - queries of that
 * document, so that the last query sees the last key. With more queries than keys the first -offset queries of a causal document see
 * none. */
typedef int32_t mm1_attention_mask;
enum {
  MM1_ATTENTION_MASK_FULL = 0,   /* Every key of its document. */
  MM1_ATTENTION_MASK_CAUSAL = 1, /* j <= i + offset (bottom-right aligned). */
  MM1_ATTENTION_MASK_PREFIX = 2  /* j <= i + offset, or j < prefixLengths[document] (AIM, arXiv 2401.08541, section 3.2). */
};

/* mm1_flash_attention_forward: exact attention by tiles with an online softmax (Dao et al. 2022, FlashAttention), for each head and
 * document; saves only the log-sum-exp of each row:
 *     output = softmax(scale * query key^T + mask) value
 * Documents: with cu_seqlens the packed form of the conventions above; without, document d has queries d * max_query_length .. and
 * keys d * max_key_length .., and query_tokens = batch * max_query_length, key_tokens = batch * max_key_length. A query attends to
 * keys of its own document only. A row that sees no key gives output 0 and log_sum_exp -infinity, never NaN. Rows past the last
 * cu_seqlens entry: output 0, log_sum_exp -infinity. A document longer than max_query_length or max_key_length says is undefined
 * behaviour (within memory bounds): the lengths are capacities.
 * Order: a row's keys in ascending tiles of a constant size that depends on head_size, dtype and architecture only. Any head_size is
 * padded inside the tile; no padding is read from memory. Grouped heads: query head h reads key head h / (heads / key_value_heads). */
typedef struct mm1_flash_attention_forward_args {
  int64_t struct_size;              /* sizeof(mm1_flash_attention_forward_args). */
  mm1_attention_mask mask;          /* Which keys a query sees. */
  float scale;                      /* Factor on the scores, before the softmax; 1 / sqrt(head_size) as a rule. */
  int64_t batch;                    /* Documents (a capacity: trailing ones may be empty). */
  int64_t heads;                    /* Query heads. */
  int64_t key_value_heads;          /* Key and value heads; divides heads. Query head h reads key head h / (heads / key_value_heads). */
  int64_t head_size;                /* Head size: a multiple of 8 up to 256. */
  int64_t query_tokens;             /* Rows of query, output: all documents' tokens. */
  int64_t key_tokens;               /* Rows of key, value. */
  int64_t max_query_length;         /* Longest query of one document (grids are sized by it); without cuSeqlens every document has
                                     * exactly this many. */
  int64_t max_key_length;           /* Longest key of one document; without cuSeqlens every document has exactly this many. */
  const int32_t* cu_seqlens_query;  /* Optional, int32[batch + 1]: first query row of each document, ascending from 0; the last entry is
                                     * at most query_tokens. */
  const int32_t* cu_seqlens_key;    /* Optional, int32[batch + 1]: the same for keys. Given if and only if cu_seqlens_query is. */
  const int32_t* prefix_lengths;    /* int32[batch]: keys of each document that every query sees; for MM1_ATTENTION_MASK_PREFIX only. */
  mm1_operand query;                /* [query_tokens, heads, head_size], heads contiguous in a row. */
  mm1_operand key;                  /* [key_tokens, key_value_heads, head_size]. */
  mm1_operand value;                /* [key_tokens, key_value_heads, head_size]. */
  mm1_operand output;               /* [query_tokens, heads, head_size]. Rows past the last cuSeqlens entry are set to zero. */
  mm1_operand log_sum_exp;          /* Optional, float32 [heads, query_tokens] (row stride query_tokens or more): natural log-sum-exp of
                                     * the scaled scores. */
} mm1_flash_attention_forward_args;
MM1_DEFAULT_(mm1_flash_attention_forward_args, (void)0)
MM1_API mm1_status mm1_flash_attention_forward(
    mm1_stream stream, const mm1_flash_attention_forward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_flash_attention_forward_workspace_bytes(const mm1_flash_attention_forward_args* args);

/* mm1_flash_attention_backward: gradients of mm1_flash_attention_forward with respect to query, key and value, overwritten.
 *     P = exp(scale * query key^T - log_sum_exp)                  the forward's probabilities, rebuilt tile by tile
 *     D = rowsum(output_gradient * output)
 *     dS = scale * P * (output_gradient value^T - D)
 *     value_gradient = P^T output_gradient;  query_gradient = dS key;  key_gradient = dS^T query
 * Gradients of a key head sum over its query heads in ascending order. Rows without a key contribute and receive zero. Every gradient
 * row that belongs to a document is written; rows past the last cu_seqlens entry become zero. */
typedef struct mm1_flash_attention_backward_args {
  int64_t struct_size;                       /* sizeof(mm1_flash_attention_backward_args). */
  mm1_flash_attention_forward_args forward;  /* The forward call's arguments; its output and log_sum_exp are inputs here and must be
                                              * present. */
  mm1_operand output_gradient;               /* [query_tokens, heads, head_size]. */
  mm1_operand query_gradient;                /* [query_tokens, heads, head_size]; may be columns of one fused buffer with the two below. */
  mm1_operand key_gradient;                  /* [key_tokens, key_value_heads, head_size]. */
  mm1_operand value_gradient;                /* [key_tokens, key_value_heads, head_size]. */
  int32_t allow_nondeterministic;            /* Non-zero permits an order-dependent sum of the query gradient where that is faster. Zero:
                                              * deterministic. */
  int32_t reserved;                          /* Zero. */
} mm1_flash_attention_backward_args;
MM1_DEFAULT_(mm1_flash_attention_backward_args, (args.forward = mm1_flash_attention_forward_args_default()))
MM1_API mm1_status mm1_flash_attention_backward(
    mm1_stream stream, const mm1_flash_attention_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_flash_attention_backward_workspace_bytes(const mm1_flash_attention_backward_args* args);

/* mm1_flash_attention_decode: attention of a few new query tokens per sequence against a KV cache, causal and bottom-right aligned: of
 * sequence b's query_length tokens the last sees all lengths[b] keys, the one before it one key less, and so on. The new tokens are
 * already in the cache (mm1_key_value_cache_append).
 * Split sizes over keys are constants (partial results go to the workspace and are merged in ascending order), so a sequence's bits
 * depend neither on the others in the batch nor on its own place in it. A query that sees no key gives 0. */
typedef struct mm1_flash_attention_decode_args {
  int64_t struct_size;      /* sizeof(mm1_flash_attention_decode_args). */
  int64_t batch;            /* Sequences. */
  int64_t query_length;     /* New tokens per sequence (1 when decoding). */
  int64_t heads;            /* Query heads. */
  int64_t key_value_heads;  /* Key and value heads. */
  int64_t head_size;        /* Head size: a multiple of 8 up to 256. */
  int64_t max_length;       /* Capacity of the cache in tokens per sequence. */
  const int32_t* lengths;   /* int32[batch]: valid keys of each sequence, the new tokens included; 0 gives 0. */
  mm1_operand query;        /* [batch * query_length, heads, head_size]. */
  mm1_operand key_cache;    /* [batch, max_length, key_value_heads, head_size]; row stride from token to token, sequences max_length rows
                             * apart. */
  mm1_operand value_cache;  /* As key_cache. */
  mm1_operand output;       /* [batch * query_length, heads, head_size]. */
  float scale;              /* Factor on the scores. */
  int32_t reserved;         /* Zero. */
} mm1_flash_attention_decode_args;
MM1_DEFAULT_(mm1_flash_attention_decode_args, (void)0)
MM1_API mm1_status mm1_flash_attention_decode(
    mm1_stream stream, const mm1_flash_attention_decode_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_flash_attention_decode_workspace_bytes(const mm1_flash_attention_decode_args* args);

/* mm1_key_value_cache_append: writes new key and value tokens into a KV cache: row sequences[t] * max_length + positions[t] of each
 * cache becomes row t of key or value.
 * Tokens with a negative sequence are padding and skipped. Two tokens must not name the same place. A sequence or position out of
 * range is undefined behaviour on CUDA. KV pairs come from one fused projection as a rule: give each its own
 * address and the fused row stride. */
typedef struct mm1_key_value_cache_append_args {
  int64_t struct_size;       /* sizeof(mm1_key_value_cache_append_args). */
  int64_t tokens;            /* New tokens of all sequences. */
  int64_t batch;             /* Sequences in the cache. */
  int64_t max_length;        /* Capacity of the cache in tokens per sequence. */
  int64_t key_value_heads;   /* Key and value heads. */
  int64_t head_size;         /* Head size. */
  const int32_t* sequences;  /* int32[tokens]: sequence of each token; negative tokens are padding and skipped. */
  const int32_t* positions;  /* int32[tokens]: position of each token in its sequence, below max_length. */
  mm1_operand key;           /* [tokens, key_value_heads, head_size]. */
  mm1_operand value;         /* [tokens, key_value_heads, head_size]. */
  mm1_operand key_cache;     /* [batch, max_length, key_value_heads, head_size]. */
  mm1_operand value_cache;   /* [batch, max_length, key_value_heads, head_size]. */
} mm1_key_value_cache_append_args;
MM1_DEFAULT_(mm1_key_value_cache_append_args, (void)0)
MM1_API mm1_status mm1_key_value_cache_append(
    mm1_stream stream, const mm1_key_value_cache_append_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * normalization: layer norm, RMS norm (also fused with the residual add), unit rows
 * ------------------------------------------------------------------------------------------------------------------ */

/* mm1_layer_norm_forward: layer normalization over groups of columns (Ba et al. 2016), optionally of a sum:
 *     s = x + residual;  sum_output = s
 *     output = activation((s - mean) / sqrt(variance + epsilon) * weight + bias)
 * The variance is the biased one, of the centred values (two passes, never E[s^2] - E[s]^2).
 * Each (row, group) is independent: mean and inverse_standard_deviation hold one value for each. Statistics are float32, from s as it
 * is stored in sum_output. An absent weight is 1, an absent bias 0. Rejected: an activation other than MM1_ACTIVATION_NONE and
 * MM1_ACTIVATION_SILU. */
typedef struct mm1_layer_norm_forward_args {
  int64_t struct_size;                     /* sizeof(mm1_layer_norm_forward_args). */
  int64_t rows;                            /* Rows. */
  int64_t groups;                          /* Independently normalized groups in a row, contiguous; 1 for a plain layer norm. Default 1. */
  int64_t columns;                         /* Columns of one group. */
  mm1_operand x;                           /* [rows, groups, columns]. */
  mm1_operand residual;                    /* Optional, as x. */
  mm1_operand sum_output;                  /* As x: receives s. Present if residual is; may be x or residual itself. */
  mm1_operand weight;                      /* Optional, compute or float32, [columns], shared by groups. */
  mm1_operand bias;                        /* Optional, compute or float32, [columns], shared by groups. */
  mm1_operand output;                      /* As x; may be x when no backward follows. */
  mm1_operand mean;                        /* Optional float32 [rows, groups], for the backward, without gaps. */
  mm1_operand inverse_standard_deviation;  /* Optional float32 [rows, groups], for the backward, without gaps. */
  float epsilon;                           /* Added to the variance. Default 1e-5. */
  mm1_activation activation;               /* Applied last: MM1_ACTIVATION_NONE or MM1_ACTIVATION_SILU. */
} mm1_layer_norm_forward_args;
MM1_DEFAULT_(mm1_layer_norm_forward_args, (args.groups = 1, args.epsilon = 1e-5f))
MM1_API mm1_status mm1_layer_norm_forward(
    mm1_stream stream, const mm1_layer_norm_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_layer_norm_backward: with n = (x - mean) * inverse_standard_deviation, d = output_gradient * activation'(n * weight + bias) and
 * g = d * weight,
 *     input_gradient = inverse_standard_deviation * (g - mean(g) - n * mean(g * n)) + sum_gradient + beta_input * input_gradient
 *     weight_gradient = sum over rows and groups of d * n + beta_parameters * weight_gradient
 *     bias_gradient = sum over rows and groups of d + beta_parameters * bias_gradient
 * n * weight + bias is computed again, so that the forward saves nothing for the activation.
 * input_gradient is the gradient of s, which is that of x and that of residual. Parameter gradients are summed in row blocks of a
 * constant size, in order. */
typedef struct mm1_layer_norm_backward_args {
  int64_t struct_size;                     /* sizeof(mm1_layer_norm_backward_args). */
  int64_t rows;                            /* Rows. */
  int64_t groups;                          /* Groups in a row. Default 1. */
  int64_t columns;                         /* Columns of one group. */
  mm1_operand output_gradient;             /* [rows, groups, columns]. */
  mm1_operand sum_gradient;                /* Optional, as x: gradient that reaches s by other ways (the residual stream), added to
                                            * input_gradient. May be input_gradient. */
  mm1_operand x;                           /* What was normalized: x, or sum_output where there was a residual. */
  mm1_operand weight;                      /* Optional, [columns]. */
  mm1_operand mean;                        /* float32 [rows, groups], without gaps. */
  mm1_operand inverse_standard_deviation;  /* float32 [rows, groups], without gaps. */
  mm1_operand input_gradient;              /* [rows, groups, columns]: gradient of s; may be output_gradient. */
  mm1_operand weight_gradient;             /* Optional float32 [columns]. */
  mm1_operand bias_gradient;               /* Optional float32 [columns]. */
  float beta_input;                        /* Factor on the old input_gradient. */
  float beta_parameters;                   /* Factor on the old weight and bias gradients. */
  mm1_operand bias;                        /* Optional, [columns]: the forward's. Read where there is an activation. */
  mm1_activation activation;               /* The forward's. */
  int32_t reserved;                        /* Zero. */
} mm1_layer_norm_backward_args;
MM1_DEFAULT_(mm1_layer_norm_backward_args, (args.groups = 1))
MM1_API mm1_status mm1_layer_norm_backward(
    mm1_stream stream, const mm1_layer_norm_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_layer_norm_backward_workspace_bytes(const mm1_layer_norm_backward_args* args);

/* mm1_rms_norm_forward: root-mean-square normalization over groups of columns (Zhang and Sennrich 2019), optionally of a sum:
 *     s = x + residual;  sum_output = s
 *     output = s / sqrt(mean(s^2) + epsilon) * weight
 * With groups = heads it is the per-head QK-norm, read straight from a fused projection. An absent weight is 1. */
typedef struct mm1_rms_norm_forward_args {
  int64_t struct_size;                   /* sizeof(mm1_rms_norm_forward_args). */
  int64_t rows;                          /* Rows. */
  int64_t groups;                        /* Independently normalized groups in a row, contiguous; heads for the QK-norm. Default 1. */
  int64_t columns;                       /* Columns of one group. */
  mm1_operand x;                         /* [rows, groups, columns]. */
  mm1_operand residual;                  /* Optional, as x. */
  mm1_operand sum_output;                /* As x: receives s. Present if residual is; may be x or residual itself. */
  mm1_operand weight;                    /* Optional, compute or float32, [columns], shared by groups. */
  mm1_operand output;                    /* As x; may be x when no backward follows. */
  mm1_operand inverse_root_mean_square;  /* Optional float32 [rows, groups], for the backward, without gaps. */
  float epsilon;                         /* Added to the mean square. Default 1e-5. */
  int32_t reserved;                      /* Zero. */
} mm1_rms_norm_forward_args;
MM1_DEFAULT_(mm1_rms_norm_forward_args, (args.groups = 1, args.epsilon = 1e-5f))
MM1_API mm1_status mm1_rms_norm_forward(mm1_stream stream, const mm1_rms_norm_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_rms_norm_backward: with r = inverse_root_mean_square, n = x * r and g = output_gradient * weight,
 *     input_gradient = r * (g - n * mean(g * n)) + sum_gradient + beta_input * input_gradient
 *     weight_gradient = sum over rows and groups of output_gradient * n + beta_parameters * weight_gradient
 * The weight gradient is summed in row blocks of a constant size, in order. */
typedef struct mm1_rms_norm_backward_args {
  int64_t struct_size;                   /* sizeof(mm1_rms_norm_backward_args). */
  int64_t rows;                          /* Rows. */
  int64_t groups;                        /* Groups in a row. Default 1. */
  int64_t columns;                       /* Columns of one group. */
  mm1_operand output_gradient;           /* [rows, groups, columns]. */
  mm1_operand sum_gradient;              /* Optional, as x: gradient that reaches s by other ways (the residual stream), added to
                                          * input_gradient. May be input_gradient. */
  mm1_operand x;                         /* What was normalized: x, or sum_output where there was a residual. */
  mm1_operand weight;                    /* Optional, [columns]. */
  mm1_operand inverse_root_mean_square;  /* float32 [rows, groups], without gaps. */
  mm1_operand input_gradient;            /* [rows, groups, columns]: gradient of s; may be output_gradient. */
  mm1_operand weight_gradient;           /* Optional float32 [columns]. */
  float beta_input;                      /* Factor on the old input_gradient. */
  float beta_parameters;                 /* Factor on the old weight gradient. */
} mm1_rms_norm_backward_args;
MM1_DEFAULT_(mm1_rms_norm_backward_args, (args.groups = 1))
MM1_API mm1_status mm1_rms_norm_backward(
    mm1_stream stream, const mm1_rms_norm_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_rms_norm_backward_workspace_bytes(const mm1_rms_norm_backward_args* args);

/* mm1_l2_normalize_forward: unit rows, output = x / max(|x|, epsilon) with |x| the 2-norm of the row; saves the inverse norm. */
typedef struct mm1_l2_normalize_forward_args {
  int64_t struct_size;       /* sizeof(mm1_l2_normalize_forward_args). */
  int64_t rows;              /* Rows. */
  int64_t columns;           /* Columns. */
  mm1_operand x;             /* [rows, columns]. */
  mm1_operand output;        /* [rows, columns]. */
  mm1_operand inverse_norm;  /* Optional float32 [rows, 1] without gaps: 1 / max(norm, epsilon). */
  float epsilon;             /* Least norm. Default 1e-12. */
  int32_t reserved;          /* Zero. */
} mm1_l2_normalize_forward_args;
MM1_DEFAULT_(mm1_l2_normalize_forward_args, (args.epsilon = 1e-12f))
MM1_API mm1_status mm1_l2_normalize_forward(
    mm1_stream stream, const mm1_l2_normalize_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_l2_normalize_backward: input_gradient = inverse_norm * (output_gradient - output * sum(output_gradient * output)) + beta *
 * input_gradient.
 * A row whose norm was clamped by epsilon has gradient output_gradient * inverse_norm. */
typedef struct mm1_l2_normalize_backward_args {
  int64_t struct_size;          /* sizeof(mm1_l2_normalize_backward_args). */
  int64_t rows;                 /* Rows. */
  int64_t columns;              /* Columns. */
  mm1_operand output_gradient;  /* [rows, columns]. */
  mm1_operand output;           /* The forward's output. */
  mm1_operand inverse_norm;     /* float32 [rows, 1], without gaps. */
  mm1_operand input_gradient;   /* [rows, columns]. */
  float epsilon;                /* The forward's: a row that was clamped has gradient output_gradient * inverse_norm. Default 1e-12. */
  float beta;                   /* Factor on the old input_gradient. */
} mm1_l2_normalize_backward_args;
MM1_DEFAULT_(mm1_l2_normalize_backward_args, (args.epsilon = 1e-12f))
MM1_API mm1_status mm1_l2_normalize_backward(
    mm1_stream stream, const mm1_l2_normalize_backward_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * elementwise: pointwise arithmetic, activations, rotary embedding, casts and copies
 * ------------------------------------------------------------------------------------------------------------------ */

/* How rotary embedding pairs the elements of a head. */
typedef int32_t mm1_rotary_style;
enum {
  MM1_ROTARY_STYLE_HALF = 0,        /* Element i with element i + rotary_size / 2 (Llama as in Hugging Face). */
  MM1_ROTARY_STYLE_INTERLEAVED = 1  /* Element 2i with element 2i + 1 (the paper; Llama as released). */
};

/* mm1_add: output = alpha * a + beta * b, b broadcast over the rows of a. Output may be a; it may be b where nothing is broadcast
 * (rows_b = rows).
 * Here beta is a factor on b, not on the old output. */
typedef struct mm1_add_args {
  int64_t struct_size;      /* sizeof(mm1_add_args). */
  mm1_broadcast broadcast;  /* How b's rows repeat. */
  float alpha;              /* Factor on a. Default 1. */
  float beta;               /* Factor on b. Default 1. */
  int32_t reserved;         /* Zero. */
  int64_t rows;             /* Rows of a and of the output. */
  int64_t columns;          /* Columns. */
  int64_t rows_b;           /* Rows of b; divides rows. With MM1_BROADCAST_PER_ROW it is rows. */
  mm1_operand a;            /* [rows, columns]. */
  mm1_operand b;            /* [rows_b, columns], or [rows, 1] with MM1_BROADCAST_PER_ROW. */
  mm1_operand output;       /* [rows, columns]. */
} mm1_add_args;
MM1_DEFAULT_(mm1_add_args, (args.alpha = 1.0f, args.beta = 1.0f))
MM1_API mm1_status mm1_add(mm1_stream stream, const mm1_add_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_multiply: output = a * b + output_beta * output, b broadcast over the rows of a. Output may be a.
 * One row of b with MM1_BROADCAST_CYCLE is a factor per channel (layer scale); one row per image with MM1_BROADCAST_REPEAT a
 * squeeze-and-excitation gate. */
typedef struct mm1_multiply_args {
  int64_t struct_size;      /* sizeof(mm1_multiply_args). */
  mm1_broadcast broadcast;  /* How b's rows repeat. */
  float output_beta;        /* Factor on the old output. */
  int64_t rows;             /* Rows of a and of the output. */
  int64_t columns;          /* Columns. */
  int64_t rows_b;           /* Rows of b; divides rows. With MM1_BROADCAST_PER_ROW it is rows. */
  mm1_operand a;            /* [rows, columns]. */
  mm1_operand b;            /* [rows_b, columns], or [rows, 1] with MM1_BROADCAST_PER_ROW. */
  mm1_operand output;       /* [rows, columns]. */
} mm1_multiply_args;
MM1_DEFAULT_(mm1_multiply_args, (void)0)
MM1_API mm1_status mm1_multiply(mm1_stream stream, const mm1_multiply_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_scale: output = x * factor * (factor_pointer ? *factor_pointer : 1) + beta * output. Output may be x. */
typedef struct mm1_scale_args {
  int64_t struct_size;          /* sizeof(mm1_scale_args). */
  int64_t rows;                 /* Rows. */
  int64_t columns;              /* Columns. */
  mm1_operand x;                /* [rows, columns]. */
  mm1_operand output;           /* [rows, columns]. */
  const float* factor_pointer;  /* Optional float32[1] in device memory. */
  float factor;                 /* Factor. Default 1. */
  float beta;                   /* Factor on the old output. */
} mm1_scale_args;
MM1_DEFAULT_(mm1_scale_args, (args.factor = 1.0f))
MM1_API mm1_status mm1_scale(mm1_stream stream, const mm1_scale_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_activation_forward: output = activation(x). Output may be x. */
typedef struct mm1_activation_forward_args {
  int64_t struct_size;        /* sizeof(mm1_activation_forward_args). */
  mm1_activation activation;  /* Function. */
  int32_t reserved;           /* Zero. */
  int64_t rows;               /* Rows. */
  int64_t columns;            /* Columns. */
  mm1_operand x;              /* [rows, columns]. */
  mm1_operand output;         /* [rows, columns]. */
} mm1_activation_forward_args;
MM1_DEFAULT_(mm1_activation_forward_args, (void)0)
MM1_API mm1_status mm1_activation_forward(
    mm1_stream stream, const mm1_activation_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_activation_backward: input_gradient = output_gradient * activation'(x) + beta * input_gradient. input_gradient may be
 * output_gradient. */
typedef struct mm1_activation_backward_args {
  int64_t struct_size;          /* sizeof(mm1_activation_backward_args). */
  mm1_activation activation;    /* Function. */
  float beta;                   /* Factor on the old input_gradient. */
  int64_t rows;                 /* Rows. */
  int64_t columns;              /* Columns. */
  mm1_operand output_gradient;  /* [rows, columns]. */
  mm1_operand x;                /* The forward's input. */
  mm1_operand input_gradient;   /* [rows, columns]. */
} mm1_activation_backward_args;
MM1_DEFAULT_(mm1_activation_backward_args, (void)0)
MM1_API mm1_status mm1_activation_backward(
    mm1_stream stream, const mm1_activation_backward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_gated_activation_forward: output = activation(gate) * up (Shazeer 2020, GLU variants): MM1_ACTIVATION_SILU gives SwiGLU,
 * MM1_ACTIVATION_GELU GEGLU.
 * gate and up may be the two halves of one fused projection [rows, 2 * columns]: two addresses, one row stride. */
typedef struct mm1_gated_activation_forward_args {
  int64_t struct_size;        /* sizeof(mm1_gated_activation_forward_args). */
  mm1_activation activation;  /* Function of the gate. */
  int32_t reserved;           /* Zero. */
  int64_t rows;               /* Rows. */
  int64_t columns;            /* Columns of one half. */
  mm1_operand gate;           /* [rows, columns]. */
  mm1_operand up;             /* [rows, columns]. */
  mm1_operand output;         /* [rows, columns]. */
} mm1_gated_activation_forward_args;
MM1_DEFAULT_(mm1_gated_activation_forward_args, (void)0)
MM1_API mm1_status mm1_gated_activation_forward(
    mm1_stream stream, const mm1_gated_activation_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_gated_activation_backward: gate_gradient = output_gradient * up * activation'(gate), up_gradient = output_gradient *
 * activation(gate).
 * gate_gradient may be gate, and up_gradient may be up. Optionally rebuilds the forward's output on the way (for the weight gradient
 * of the next layer), so that it need not be saved; output may be output_gradient. */
typedef struct mm1_gated_activation_backward_args {
  int64_t struct_size;          /* sizeof(mm1_gated_activation_backward_args). */
  mm1_activation activation;    /* Function of the gate. */
  int32_t reserved;             /* Zero. */
  int64_t rows;                 /* Rows. */
  int64_t columns;              /* Columns of one half. */
  mm1_operand output_gradient;  /* [rows, columns]. */
  mm1_operand gate;             /* The forward's. */
  mm1_operand up;               /* The forward's. */
  mm1_operand gate_gradient;    /* [rows, columns]. */
  mm1_operand up_gradient;      /* [rows, columns]. */
  mm1_operand output;           /* Optional: receives the forward's output again, so that it need not be saved; may be output_gradient. */
} mm1_gated_activation_backward_args;
MM1_DEFAULT_(mm1_gated_activation_backward_args, (void)0)
MM1_API mm1_status mm1_gated_activation_backward(
    mm1_stream stream, const mm1_gated_activation_backward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_rotary_embedding: rotates the first rotary_size elements of each head by its token's angles (Su et al. 2021, RoPE): a pair (x,
 * y) with angle index i becomes (x c - y s, x s + y c), c = cosine_sine[p, i], s = cosine_sine[p, rotary_size / 2 + i], p =
 * positions[token]. With inverse it becomes (x c + y s, y c - x s), which is the backward.
 * Output may be x (in place). The other head_size - rotary_size elements are copied. Positions restart in every packed document: they
 * are data, not row numbers. A position out of range is an error on the CPU and gives NaN on CUDA. */
typedef struct mm1_rotary_embedding_args {
  int64_t struct_size;       /* sizeof(mm1_rotary_embedding_args). */
  mm1_rotary_style style;    /* Pairing. */
  int32_t inverse;           /* Non-zero rotates by the negative angle. */
  int64_t tokens;            /* Tokens. */
  int64_t heads;             /* Heads in a row, contiguous. */
  int64_t head_size;         /* Head size. */
  int64_t rotary_size;       /* Rotated elements of each head: even, at most head_size; the rest is copied. */
  int64_t max_position;      /* Rows of the table; every position is below it. */
  mm1_operand x;             /* [tokens, heads, head_size]. */
  mm1_operand output;        /* [tokens, heads, head_size]. */
  mm1_operand cosine_sine;   /* float32 [max_position, rotary_size]. */
  const int32_t* positions;  /* int32[tokens] in device memory. */
} mm1_rotary_embedding_args;
MM1_DEFAULT_(mm1_rotary_embedding_args, (void)0)
MM1_API mm1_status mm1_rotary_embedding(mm1_stream stream, const mm1_rotary_embedding_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_cast: output = x in another dtype, any pair of different ones (mm1_copy is the verb for the same).
 * Floating-point results are rounded to nearest, ties to even, overflow to infinity, NaN stays NaN (quiet). Floats to integers
 * truncate towards zero and saturate; NaN gives 0. Integers to a narrower integer saturate. To bool is x != 0 (NaN gives 1); from bool
 * is 0 or 1. */
typedef struct mm1_cast_args {
  int64_t struct_size;  /* sizeof(mm1_cast_args). */
  int64_t rows;         /* Rows. */
  int64_t columns;      /* Columns. */
  mm1_operand x;        /* [rows, columns]. */
  mm1_operand output;   /* [rows, columns] of another dtype. */
} mm1_cast_args;
MM1_DEFAULT_(mm1_cast_args, (void)0)
MM1_API mm1_status mm1_cast(mm1_stream stream, const mm1_cast_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_fill: every element of output becomes value, converted to its dtype by the rules of mm1_cast. Any dtype. Writes nothing between
 * the rows. */
typedef struct mm1_fill_args {
  int64_t struct_size;  /* sizeof(mm1_fill_args). */
  int64_t rows;         /* Rows. */
  int64_t columns;      /* Columns. */
  mm1_operand output;   /* [rows, columns]. */
  double value;         /* The value. */
} mm1_fill_args;
MM1_DEFAULT_(mm1_fill_args, (void)0)
MM1_API mm1_status mm1_fill(mm1_stream stream, const mm1_fill_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_copy: output = x, of the same dtype (any), row by row: only the row strides may differ. */
typedef struct mm1_copy_args {
  int64_t struct_size;  /* sizeof(mm1_copy_args). */
  int64_t rows;         /* Rows. */
  int64_t columns;      /* Columns. */
  mm1_operand x;        /* [rows, columns]. */
  mm1_operand output;   /* [rows, columns]. */
} mm1_copy_args;
MM1_DEFAULT_(mm1_copy_args, (void)0)
MM1_API mm1_status mm1_copy(mm1_stream stream, const mm1_copy_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_transpose_blocks: output[b, c, r, :] = x[b, r, c, :]: exchanges rows and columns of blocks of `inner` contiguous elements. Any
 * dtype, the same on both sides. */
typedef struct mm1_transpose_blocks_args {
  int64_t struct_size;  /* sizeof(mm1_transpose_blocks_args). */
  int64_t batch;        /* Independent matrices of blocks. Default 1. */
  int64_t rows;         /* Rows of blocks of x. */
  int64_t columns;      /* Columns of blocks of x. */
  int64_t inner;        /* Contiguous elements of one block. Default 1. */
  mm1_operand x;        /* [batch * rows, columns * inner]. */
  mm1_operand output;   /* [batch * columns, rows * inner]. */
} mm1_transpose_blocks_args;
MM1_DEFAULT_(mm1_transpose_blocks_args, (args.batch = 1, args.inner = 1))
MM1_API mm1_status mm1_transpose_blocks(mm1_stream stream, const mm1_transpose_blocks_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * embedding: rows by id, and image tokens in their places
 * ------------------------------------------------------------------------------------------------------------------ */

/* mm1_embedding_gather: output[t] = table[ids[t]]. An id outside the table is an error on the CPU and a row of NaN on CUDA. */
typedef struct mm1_embedding_gather_args {
  int64_t struct_size;  /* sizeof(mm1_embedding_gather_args). */
  int64_t tokens;       /* Tokens. */
  int64_t vocabulary;   /* Rows of the table. */
  int64_t width;        /* Columns. */
  mm1_operand ids;      /* int32 or int64 [tokens]. */
  mm1_operand table;    /* [vocabulary, width]. */
  mm1_operand output;   /* [tokens, width]. */
} mm1_embedding_gather_args;
MM1_DEFAULT_(mm1_embedding_gather_args, (void)0)
MM1_API mm1_status mm1_embedding_gather(mm1_stream stream, const mm1_embedding_gather_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_embedding_scatter_add: table_gradient[id] = sum over the tokens t with ids[t] = id, in ascending t, of output_gradient[t], +
 * beta * table_gradient[id].
 * Deterministic: no atomics on values; tokens are grouped by id in the workspace first. Every row of the table gradient is written
 * when beta is not 1. Ids outside the table are an error on the CPU and skipped on CUDA. */
typedef struct mm1_embedding_scatter_add_args {
  int64_t struct_size;          /* sizeof(mm1_embedding_scatter_add_args). */
  int64_t tokens;               /* Tokens. */
  int64_t vocabulary;           /* Rows of the table. */
  int64_t width;                /* Columns. */
  mm1_operand ids;              /* int32 or int64 [tokens]. */
  mm1_operand output_gradient;  /* [tokens, width]. */
  mm1_operand table_gradient;   /* float32 [vocabulary, width]. */
  float beta;                   /* Factor on the old gradient. */
  int32_t reserved;             /* Zero. */
} mm1_embedding_scatter_add_args;
MM1_DEFAULT_(mm1_embedding_scatter_add_args, (void)0)
MM1_API mm1_status mm1_embedding_scatter_add(
    mm1_stream stream, const mm1_embedding_scatter_add_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_embedding_scatter_add_workspace_bytes(const mm1_embedding_scatter_add_args* args);

/* mm1_image_token_placement_forward: output[t] = placement[t] < 0 ? text[t] : image[placement[t]]: the connector's tokens take the
 * places of placeholders.
 * Output may be text (then only image rows are written). A placement of image_tokens or above is an error on the CPU and a row of NaN
 * on CUDA. */
typedef struct mm1_image_token_placement_forward_args {
  int64_t struct_size;    /* sizeof(mm1_image_token_placement_forward_args). */
  int64_t tokens;         /* Tokens of the sequences. */
  int64_t image_tokens;   /* Rows of image. */
  int64_t width;          /* Columns. */
  mm1_operand placement;  /* int32 [tokens]: -1 for text, else a row of image. */
  mm1_operand text;       /* [tokens, width]. */
  mm1_operand image;      /* [image_tokens, width]. */
  mm1_operand output;     /* [tokens, width]. */
} mm1_image_token_placement_forward_args;
MM1_DEFAULT_(mm1_image_token_placement_forward_args, (void)0)
MM1_API mm1_status mm1_image_token_placement_forward(
    mm1_stream stream, const mm1_image_token_placement_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_image_token_placement_backward: text_gradient[t] = placement[t] < 0 ? output_gradient[t] : 0; image_gradient[placement[t]] =
 * output_gradient[t].
 * Each image row is named by one token at most; rows that no token names (padding images) become zero. text_gradient may be
 * output_gradient. */
typedef struct mm1_image_token_placement_backward_args {
  int64_t struct_size;          /* sizeof(mm1_image_token_placement_backward_args). */
  int64_t tokens;               /* Tokens of the sequences. */
  int64_t image_tokens;         /* Rows of the image gradient. */
  int64_t width;                /* Columns. */
  mm1_operand placement;        /* int32 [tokens]. */
  mm1_operand output_gradient;  /* [tokens, width]. */
  mm1_operand text_gradient;    /* Optional, [tokens, width]. */
  mm1_operand image_gradient;   /* Optional, [image_tokens, width]. */
} mm1_image_token_placement_backward_args;
MM1_DEFAULT_(mm1_image_token_placement_backward_args, (void)0)
MM1_API mm1_status mm1_image_token_placement_backward(
    mm1_stream stream, const mm1_image_token_placement_backward_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * convolution (NHWC), pooling, interpolation of position grids
 * ------------------------------------------------------------------------------------------------------------------ */

/* mm1_convolution_forward: two-dimensional convolution (cross-correlation, as everywhere in the field), NHWC:
 *     output[n, y, x, o] = activation(bias[o] + sum over (i, j, c) of
 *                                     x[n, y * stride + i - padding, x * stride + j - padding, c] * weight[o, i, j, c])
 * Pixels outside the input are zero. 1x1 with stride 1 is a matrix product; kernel = stride with no padding is a patch embedding;
 * groups = channels is depthwise: then weight is [output_channels, kernel_height * kernel_width] and c is the output channel. Other
 * group counts are rejected. The sum runs over (i, j, c) ascending. */
typedef struct mm1_convolution_forward_args {
  int64_t struct_size;        /* sizeof(mm1_convolution_forward_args). */
  int64_t batch;              /* Images. */
  int64_t input_height;       /* Input rows of pixels. */
  int64_t input_width;        /* Input columns of pixels. */
  int64_t input_channels;     /* Input channels. */
  int64_t output_height;      /* (input_height + 2 * padding - kernel_height) / stride + 1. */
  int64_t output_width;       /* (input_width + 2 * padding - kernel_width) / stride + 1. */
  int64_t output_channels;    /* Output channels. */
  int64_t kernel_height;      /* Kernel rows. */
  int64_t kernel_width;       /* Kernel columns. */
  int64_t stride;             /* Step in both directions; kernel_height = stride is a patch embedding. Default 1. */
  int64_t padding;            /* Zero pixels on each of the four sides. */
  int64_t groups;             /* 1 (dense) or input_channels = output_channels (depthwise). Default 1. */
  mm1_operand x;              /* [batch * input_height * input_width, input_channels]. */
  mm1_operand weight;         /* [output_channels, kernel_height * kernel_width * input_channels / groups]. */
  mm1_operand bias;           /* Optional, [output_channels]. */
  mm1_operand output;         /* [batch * output_height * output_width, output_channels]. */
  mm1_activation activation;  /* Applied last. */
  int32_t reserved;           /* Zero. */
} mm1_convolution_forward_args;
MM1_DEFAULT_(mm1_convolution_forward_args, (args.stride = 1, args.groups = 1))
MM1_API mm1_status mm1_convolution_forward(
    mm1_stream stream, const mm1_convolution_forward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_convolution_forward_workspace_bytes(const mm1_convolution_forward_args* args);

/* mm1_convolution_backward_data: input_gradient = transposed convolution of output_gradient with weight, + beta * input_gradient.
 * Input pixels that no output pixel saw get 0 + beta * old. The activation is not part of it: give the gradient before it
 * (mm1_activation_backward). */
typedef struct mm1_convolution_backward_data_args {
  int64_t struct_size;          /* sizeof(mm1_convolution_backward_data_args). */
  int64_t batch;                /* Images. */
  int64_t input_height;         /* Input rows of pixels. */
  int64_t input_width;          /* Input columns of pixels. */
  int64_t input_channels;       /* Input channels. */
  int64_t output_height;        /* (input_height + 2 * padding - kernel_height) / stride + 1. */
  int64_t output_width;         /* (input_width + 2 * padding - kernel_width) / stride + 1. */
  int64_t output_channels;      /* Output channels. */
  int64_t kernel_height;        /* Kernel rows. */
  int64_t kernel_width;         /* Kernel columns. */
  int64_t stride;               /* Step in both directions; kernel_height = stride is a patch embedding. Default 1. */
  int64_t padding;              /* Zero pixels on each side. */
  int64_t groups;               /* 1 (dense) or input_channels = output_channels (depthwise). Default 1. */
  mm1_operand output_gradient;  /* [batch * output_height * output_width, output_channels]. */
  mm1_operand weight;           /* As in the forward. */
  mm1_operand input_gradient;   /* [batch * input_height * input_width, input_channels]. */
  float beta;                   /* Factor on the old gradient. */
  int32_t reserved;             /* Zero. */
} mm1_convolution_backward_data_args;
MM1_DEFAULT_(mm1_convolution_backward_data_args, (args.stride = 1, args.groups = 1))
MM1_API mm1_status mm1_convolution_backward_data(
    mm1_stream stream, const mm1_convolution_backward_data_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_convolution_backward_data_workspace_bytes(const mm1_convolution_backward_data_args* args);

/* mm1_convolution_backward_weight: weight_gradient and bias_gradient, each + beta * old, summed over images and pixels in ascending
 * blocks of a constant size. */
typedef struct mm1_convolution_backward_weight_args {
  int64_t struct_size;          /* sizeof(mm1_convolution_backward_weight_args). */
  int64_t batch;                /* Images. */
  int64_t input_height;         /* Input rows of pixels. */
  int64_t input_width;          /* Input columns of pixels. */
  int64_t input_channels;       /* Input channels. */
  int64_t output_height;        /* (input_height + 2 * padding - kernel_height) / stride + 1. */
  int64_t output_width;         /* (input_width + 2 * padding - kernel_width) / stride + 1. */
  int64_t output_channels;      /* Output channels. */
  int64_t kernel_height;        /* Kernel rows. */
  int64_t kernel_width;         /* Kernel columns. */
  int64_t stride;               /* Step in both directions; kernel_height = stride is a patch embedding. Default 1. */
  int64_t padding;              /* Zero pixels on each side. */
  int64_t groups;               /* 1 (dense) or input_channels = output_channels (depthwise). Default 1. */
  mm1_operand x;                /* The forward's input. */
  mm1_operand output_gradient;  /* [batch * output_height * output_width, output_channels]. */
  mm1_operand weight_gradient;  /* Optional float32, as weight. */
  mm1_operand bias_gradient;    /* Optional float32 [output_channels]. */
  float beta;                   /* Factor on the old gradients. */
  int32_t reserved;             /* Zero. */
} mm1_convolution_backward_weight_args;
MM1_DEFAULT_(mm1_convolution_backward_weight_args, (args.stride = 1, args.groups = 1))
MM1_API mm1_status mm1_convolution_backward_weight(
    mm1_stream stream, const mm1_convolution_backward_weight_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_convolution_backward_weight_workspace_bytes(const mm1_convolution_backward_weight_args* args);

/* mm1_adaptive_average_pool_forward: averages over bins; bin i of `out` over `in` pixels starts at floor(i * in / out) and ends before
 * ceil((i + 1) * in / out), so bins may overlap (27 to 12). An output of 1 x 1 is global average pooling. */
typedef struct mm1_adaptive_average_pool_forward_args {
  int64_t struct_size;    /* sizeof(mm1_adaptive_average_pool_forward_args). */
  int64_t batch;          /* Images. */
  int64_t input_height;   /* Input rows of pixels. */
  int64_t input_width;    /* Input columns of pixels. */
  int64_t output_height;  /* Output rows of pixels. */
  int64_t output_width;   /* Output columns of pixels. */
  int64_t channels;       /* Channels. */
  mm1_operand x;          /* [batch * input_height * input_width, channels]. */
  mm1_operand output;     /* [batch * output_height * output_width, channels]. */
} mm1_adaptive_average_pool_forward_args;
MM1_DEFAULT_(mm1_adaptive_average_pool_forward_args, (void)0)
MM1_API mm1_status mm1_adaptive_average_pool_forward(
    mm1_stream stream, const mm1_adaptive_average_pool_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_adaptive_average_pool_backward: each input pixel receives the sum over the bins that hold it, ascending, of output_gradient /
 * bin size, + beta * old. */
typedef struct mm1_adaptive_average_pool_backward_args {
  int64_t struct_size;          /* sizeof(mm1_adaptive_average_pool_backward_args). */
  int64_t batch;                /* Images. */
  int64_t input_height;         /* Input rows of pixels. */
  int64_t input_width;          /* Input columns of pixels. */
  int64_t output_height;        /* Output rows of pixels. */
  int64_t output_width;         /* Output columns of pixels. */
  int64_t channels;             /* Channels. */
  mm1_operand output_gradient;  /* [batch * output_height * output_width, channels]. */
  mm1_operand input_gradient;   /* [batch * input_height * input_width, channels]. */
  float beta;                   /* Factor on the old gradient. */
  int32_t reserved;             /* Zero. */
} mm1_adaptive_average_pool_backward_args;
MM1_DEFAULT_(mm1_adaptive_average_pool_backward_args, (void)0)
MM1_API mm1_status mm1_adaptive_average_pool_backward(
    mm1_stream stream, const mm1_adaptive_average_pool_backward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_grid_interpolation_forward: bicubic interpolation of a grid of position embeddings, half-pixel centres (align_corners false),
 * border samples repeated.
 * Without antialias: cubic coefficient -0.75 and four taps, as in PyTorch. With antialias: coefficient -0.5, the support scaled by the
 * shrink factor where the grid shrinks, weights outside the grid dropped and the rest normalized. prefix_rows (a class token) are
 * copied. */
typedef struct mm1_grid_interpolation_forward_args {
  int64_t struct_size;    /* sizeof(mm1_grid_interpolation_forward_args). */
  int64_t input_height;   /* Rows of the source grid. */
  int64_t input_width;    /* Columns of the source grid. */
  int64_t output_height;  /* Rows of the new grid. */
  int64_t output_width;   /* Columns of the new grid. */
  int64_t channels;       /* Width of one position. */
  int64_t prefix_rows;    /* Rows before the grid, copied as they are. */
  mm1_operand x;          /* [prefix_rows + input_height * input_width, channels]. */
  mm1_operand output;     /* [prefix_rows + output_height * output_width, channels]. */
  int32_t antialias;      /* Non-zero widens the filter when shrinking (open_clip); zero is plain bicubic (Hugging Face). */
  int32_t reserved;       /* Zero. */
} mm1_grid_interpolation_forward_args;
MM1_DEFAULT_(mm1_grid_interpolation_forward_args, (void)0)
MM1_API mm1_status mm1_grid_interpolation_forward(
    mm1_stream stream, const mm1_grid_interpolation_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_grid_interpolation_backward: the transposed map of mm1_grid_interpolation_forward, + beta * input_gradient; each sum in
 * ascending output order. */
typedef struct mm1_grid_interpolation_backward_args {
  int64_t struct_size;          /* sizeof(mm1_grid_interpolation_backward_args). */
  int64_t input_height;         /* Rows of the source grid. */
  int64_t input_width;          /* Columns of the source grid. */
  int64_t output_height;        /* Rows of the new grid. */
  int64_t output_width;         /* Columns of the new grid. */
  int64_t channels;             /* Width of one position. */
  int64_t prefix_rows;          /* Rows before the grid. */
  mm1_operand output_gradient;  /* [prefix_rows + output_height * output_width, channels]. */
  mm1_operand input_gradient;   /* [prefix_rows + input_height * input_width, channels]. */
  int32_t antialias;            /* As in the forward. */
  float beta;                   /* Factor on the old gradient. */
} mm1_grid_interpolation_backward_args;
MM1_DEFAULT_(mm1_grid_interpolation_backward_args, (void)0)
MM1_API mm1_status mm1_grid_interpolation_backward(
    mm1_stream stream, const mm1_grid_interpolation_backward_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * loss: cross-entropy, fused linear + cross-entropy, contrastive, pixel regression
 * ------------------------------------------------------------------------------------------------------------------ */

/* mm1_cross_entropy_forward: softmax cross-entropy. For a token with logits z and target y
 *     l = L - z[y] + z_loss_weight * L^2,  L = log(sum(exp(z)))       (z-loss: PaLM, arXiv 2204.02311)
 *     loss = sum of l over the tokens whose target is not ignore_index / denominator
 * The denominator is step_state->loss_denominator if step_state is given and that is not 0, else the number of counted targets, 1 at
 * least.
 * Tokens are summed in ascending blocks of a constant size. A counted target outside [0, vocabulary) is an error on the CPU and makes
 * the loss NaN on CUDA. */
typedef struct mm1_cross_entropy_forward_args {
  int64_t struct_size;               /* sizeof(mm1_cross_entropy_forward_args). */
  int64_t tokens;                    /* Tokens. */
  int64_t vocabulary;                /* Columns of the logits. */
  mm1_operand logits;                /* Compute or float32, [tokens, vocabulary]. */
  mm1_operand targets;               /* int32 [tokens]. */
  mm1_operand loss;                  /* float32 [1]. */
  mm1_operand token_losses;          /* Optional float32 [tokens]: L - z[y], without z-loss, not divided; ignored tokens give 0. */
  mm1_operand log_sum_exp;           /* Optional float32 [tokens], for the backward. */
  const mm1_step_state* step_state;  /* Optional: device address of the step state whose loss_denominator divides. */
  int32_t ignore_index;              /* Target that does not count. Default -100. */
  float z_loss_weight;               /* 0 for none; 1e-4 in PaLM. */
} mm1_cross_entropy_forward_args;
MM1_DEFAULT_(mm1_cross_entropy_forward_args, (args.ignore_index = -100))
MM1_API mm1_status mm1_cross_entropy_forward(
    mm1_stream stream, const mm1_cross_entropy_forward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_cross_entropy_forward_workspace_bytes(const mm1_cross_entropy_forward_args* args);

/* mm1_cross_entropy_backward: the denominator as in the forward; ignored tokens give zero rows. logits_gradient may be logits.
 *     logits_gradient = loss_gradient / denominator * (softmax - onehot(target) + 2 z_loss_weight * log_sum_exp * softmax) */
typedef struct mm1_cross_entropy_backward_args {
  int64_t struct_size;               /* sizeof(mm1_cross_entropy_backward_args). */
  int64_t tokens;                    /* Tokens. */
  int64_t vocabulary;                /* Columns of the logits. */
  mm1_operand logits;                /* Compute or float32, [tokens, vocabulary]. */
  mm1_operand targets;               /* int32 [tokens]. */
  mm1_operand log_sum_exp;           /* float32 [tokens]. */
  mm1_operand loss_gradient;         /* Optional float32 [1]; 1 when absent. */
  mm1_operand logits_gradient;       /* [tokens, vocabulary], the logits' dtype. */
  const mm1_step_state* step_state;  /* As in the forward. */
  int32_t ignore_index;              /* As in the forward. Default -100. */
  float z_loss_weight;               /* As in the forward. */
} mm1_cross_entropy_backward_args;
MM1_DEFAULT_(mm1_cross_entropy_backward_args, (args.ignore_index = -100))
MM1_API mm1_status mm1_cross_entropy_backward(
    mm1_stream stream, const mm1_cross_entropy_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_cross_entropy_backward_workspace_bytes(const mm1_cross_entropy_backward_args* args);

/* mm1_linear_cross_entropy_forward: mm1_cross_entropy_forward of logits = x weight^T, made in chunks of tokens (in the workspace): all
 * logits never exist together.
 * Saves the log-sum-exp. Logits are float32. A token's log-sum-exp does not depend on chunk_tokens. */
typedef struct mm1_linear_cross_entropy_forward_args {
  int64_t struct_size;               /* sizeof(mm1_linear_cross_entropy_forward_args). */
  int64_t tokens;                    /* Tokens. */
  int64_t width;                     /* Columns of x. */
  int64_t vocabulary;                /* Rows of weight. */
  int64_t chunk_tokens;              /* Tokens per chunk; 0 for the device's constant. */
  mm1_operand x;                     /* [tokens, width]. */
  mm1_operand weight;                /* [vocabulary, width]. */
  mm1_operand targets;               /* int32 [tokens]. */
  mm1_operand loss;                  /* float32 [1]. */
  mm1_operand token_losses;          /* Optional float32 [tokens], as for mm1_cross_entropy_forward. */
  mm1_operand log_sum_exp;           /* float32 [tokens]. */
  const mm1_step_state* step_state;  /* Optional, as for mm1_cross_entropy_forward. */
  int32_t ignore_index;              /* Target that does not count. Default -100. */
  float z_loss_weight;               /* 0 for none. */
} mm1_linear_cross_entropy_forward_args;
MM1_DEFAULT_(mm1_linear_cross_entropy_forward_args, (args.ignore_index = -100))
MM1_API mm1_status mm1_linear_cross_entropy_forward(
    mm1_stream stream, const mm1_linear_cross_entropy_forward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_linear_cross_entropy_forward_workspace_bytes(const mm1_linear_cross_entropy_forward_args* args);

/* mm1_linear_cross_entropy_backward: gradients of mm1_linear_cross_entropy_forward with respect to x and weight; recomputes each
 * chunk's logits.
 * The weight gradient accumulates in float32 over chunks in ascending order; its bits may depend on chunk_tokens. */
typedef struct mm1_linear_cross_entropy_backward_args {
  int64_t struct_size;               /* sizeof(mm1_linear_cross_entropy_backward_args). */
  int64_t tokens;                    /* Tokens. */
  int64_t width;                     /* Columns of x. */
  int64_t vocabulary;                /* Rows of weight. */
  int64_t chunk_tokens;              /* As in the forward. */
  mm1_operand x;                     /* [tokens, width]. */
  mm1_operand weight;                /* [vocabulary, width]. */
  mm1_operand targets;               /* int32 [tokens]. */
  mm1_operand log_sum_exp;           /* float32 [tokens]. */
  mm1_operand loss_gradient;         /* Optional float32 [1]; 1 when absent. */
  mm1_operand input_gradient;        /* Optional, [tokens, width]. */
  mm1_operand weight_gradient;       /* Optional float32 [vocabulary, width]. */
  const mm1_step_state* step_state;  /* As in the forward. */
  int32_t ignore_index;              /* As in the forward. Default -100. */
  float z_loss_weight;               /* As in the forward. */
  float beta_input;                  /* Factor on the old input_gradient. */
  float beta_weight;                 /* Factor on the old weight_gradient. */
} mm1_linear_cross_entropy_backward_args;
MM1_DEFAULT_(mm1_linear_cross_entropy_backward_args, (args.ignore_index = -100))
MM1_API mm1_status mm1_linear_cross_entropy_backward(
    mm1_stream stream, const mm1_linear_cross_entropy_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_linear_cross_entropy_backward_workspace_bytes(const mm1_linear_cross_entropy_backward_args* args);

/* mm1_contrastive_loss_forward: symmetric InfoNCE of n = pairs unit image and text rows (CLIP, arXiv 2103.00020):
 *     logits = min(exp(log_scale), max_scale) * image text^T
 *     loss = mean over i of (CE(row i, i) + CE(column i, i)) / 2;  0 for pairs = 0 */
typedef struct mm1_contrastive_loss_forward_args {
  int64_t struct_size;              /* sizeof(mm1_contrastive_loss_forward_args). */
  int64_t pairs;                    /* n. */
  int64_t width;                    /* Columns. */
  mm1_operand image;                /* [pairs, width], unit rows. */
  mm1_operand text;                 /* [pairs, width], unit rows. */
  mm1_operand log_scale;            /* float32 [1]. */
  mm1_operand loss;                 /* float32 [1]. */
  mm1_operand log_sum_exp_rows;     /* float32 [pairs]. */
  mm1_operand log_sum_exp_columns;  /* float32 [pairs]. */
  float max_scale;                  /* Largest scale (CLIP: 100). Default 100. */
  int32_t reserved;                 /* Zero. */
} mm1_contrastive_loss_forward_args;
MM1_DEFAULT_(mm1_contrastive_loss_forward_args, (args.max_scale = 100.0f))
MM1_API mm1_status mm1_contrastive_loss_forward(
    mm1_stream stream, const mm1_contrastive_loss_forward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_contrastive_loss_forward_workspace_bytes(const mm1_contrastive_loss_forward_args* args);

/* mm1_contrastive_loss_backward: gradients of mm1_contrastive_loss_forward with respect to image rows, text rows and log_scale (zero
 * where the scale is clamped). */
typedef struct mm1_contrastive_loss_backward_args {
  int64_t struct_size;              /* sizeof(mm1_contrastive_loss_backward_args). */
  int64_t pairs;                    /* n. */
  int64_t width;                    /* Columns. */
  mm1_operand image;                /* [pairs, width]. */
  mm1_operand text;                 /* [pairs, width]. */
  mm1_operand log_scale;            /* float32 [1]. */
  mm1_operand log_sum_exp_rows;     /* float32 [pairs]. */
  mm1_operand log_sum_exp_columns;  /* float32 [pairs]. */
  mm1_operand loss_gradient;        /* Optional float32 [1]; 1 when absent. */
  mm1_operand image_gradient;       /* Optional, [pairs, width], overwritten. */
  mm1_operand text_gradient;        /* Optional, [pairs, width], overwritten. */
  mm1_operand log_scale_gradient;   /* Optional float32 [1]. */
  float max_scale;                  /* As in the forward. Default 100. */
  float beta_log_scale;             /* Factor on the old log_scale_gradient. */
} mm1_contrastive_loss_backward_args;
MM1_DEFAULT_(mm1_contrastive_loss_backward_args, (args.max_scale = 100.0f))
MM1_API mm1_status mm1_contrastive_loss_backward(
    mm1_stream stream, const mm1_contrastive_loss_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_contrastive_loss_backward_workspace_bytes(const mm1_contrastive_loss_backward_args* args);

/* mm1_patch_regression_forward: AIM's pixel loss (arXiv 2401.08541): mean over a patch of (prediction - target)^2, the target
 * normalized per patch to zero mean and unit variance, (target - mean) / sqrt(unbiased variance + epsilon), summed over the patches
 * that count and divided by the denominator: step_state->loss_denominator if step_state is given and that is not 0, else their number,
 * 1 at least. A patch of one value has variance 0. */
typedef struct mm1_patch_regression_forward_args {
  int64_t struct_size;               /* sizeof(mm1_patch_regression_forward_args). */
  int64_t patches;                   /* Rows. */
  int64_t columns;                   /* Values of one patch. */
  mm1_operand prediction;            /* [patches, columns]. */
  mm1_operand target;                /* [patches, columns]: pixels, compute or float32. */
  mm1_operand mask;                  /* Optional uint8 [patches]: non-zero counts. */
  mm1_operand loss;                  /* float32 [1]. */
  const mm1_step_state* step_state;  /* Optional, as for mm1_cross_entropy_forward. */
  int32_t normalize_target;          /* Zero compares with the pixels as they are. Default 1. */
  float epsilon;                     /* Added to the variance. Default 1e-6. */
} mm1_patch_regression_forward_args;
MM1_DEFAULT_(mm1_patch_regression_forward_args, (args.normalize_target = 1, args.epsilon = 1e-6f))
MM1_API mm1_status mm1_patch_regression_forward(
    mm1_stream stream, const mm1_patch_regression_forward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_patch_regression_forward_workspace_bytes(const mm1_patch_regression_forward_args* args);

/* mm1_patch_regression_backward: prediction_gradient = loss_gradient / denominator * 2 (prediction - target) / columns; patches that
 * do not count give zero rows. */
typedef struct mm1_patch_regression_backward_args {
  int64_t struct_size;               /* sizeof(mm1_patch_regression_backward_args). */
  int64_t patches;                   /* Rows. */
  int64_t columns;                   /* Values of one patch. */
  mm1_operand prediction;            /* [patches, columns]. */
  mm1_operand target;                /* [patches, columns]. */
  mm1_operand mask;                  /* Optional uint8 [patches]. */
  mm1_operand loss_gradient;         /* Optional float32 [1]; 1 when absent. */
  mm1_operand prediction_gradient;   /* [patches, columns], overwritten. */
  const mm1_step_state* step_state;  /* As in the forward. */
  int32_t normalize_target;          /* As in the forward. Default 1. */
  float epsilon;                     /* As in the forward. Default 1e-6. */
} mm1_patch_regression_backward_args;
MM1_DEFAULT_(mm1_patch_regression_backward_args, (args.normalize_target = 1, args.epsilon = 1e-6f))
MM1_API mm1_status mm1_patch_regression_backward(
    mm1_stream stream, const mm1_patch_regression_backward_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_patch_regression_backward_workspace_bytes(const mm1_patch_regression_backward_args* args);

/* ------------------------------------------------------------------------------------------------------------------
 * optimizer: global gradient norm, AdamW, Adafactor over many tensors at once
 * ------------------------------------------------------------------------------------------------------------------ */

/* One parameter tensor of a multi-tensor optimizer call. An array of these lies in device memory (8-byte aligned). All its buffers are
 * contiguous, count elements long if nothing else is said, and overlap nothing else. A tensor with count 0 is left alone. */
typedef struct mm1_optimizer_tensor {
  float* master;                /* float32 master values, updated. */
  void* shadow;                 /* Optional compute copy, written in the same pass; see shadow_dtype. */
  const float* gradient;        /* float32 gradient. */
  float* first_moment;          /* float32 first moment; NULL where the optimizer keeps none. */
  float* second_moment;         /* float32 second moment (AdamW; Adafactor when not factored). */
  float* second_moment_row;     /* Adafactor, factored: float32[rows], means over the columns. */
  float* second_moment_column;  /* Adafactor, factored: float32[columns], means over the rows. */
  int64_t count;                /* Elements: rows * columns. */
  int64_t rows;                 /* First dimension. */
  int64_t columns;              /* Product of the others (1 for a vector). */
  float learning_rate_scale;    /* Factor on the learning rate. */
  float weight_decay;           /* Decoupled weight decay lambda. */
  mm1_dtype shadow_dtype;       /* Dtype of the shadow: bfloat16, float16 or float32. */
  int32_t reserved;             /* Zero. */
} mm1_optimizer_tensor;

/* mm1_gradient_norm: the 2-norm of all gradients together into step_state->gradient_norm, squares summed in fixed blocks in float64;
 * sets step_state->clip_factor = min(1, max_norm / (norm + 1e-6)), or 1 where max_norm is 0; and where skip_non_finite is set and the
 * norm is NaN or infinite, step_state->skip = 1. A norm above step_state->skip_above_norm, where that is not 0, sets skip too (the
 * norm as it is written, in float32).
 * No norm clears skip: the host does, before the step. Tensors are summed in ascending order. */
typedef struct mm1_gradient_norm_args {
  int64_t struct_size;                  /* sizeof(mm1_gradient_norm_args). */
  int64_t tensor_count;                 /* Tensors. */
  const mm1_optimizer_tensor* tensors;  /* mm1_optimizer_tensor[tensor_count] in device memory; gradient and count are read. */
  mm1_step_state* step_state;           /* Device address of the step state. */
  float max_norm;                       /* Clipping threshold; 0 for none. */
  int32_t skip_non_finite;              /* Non-zero: a NaN or infinite norm sets skip. */
} mm1_gradient_norm_args;
MM1_DEFAULT_(mm1_gradient_norm_args, (void)0)
MM1_API mm1_status mm1_gradient_norm(mm1_stream stream, const mm1_gradient_norm_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_gradient_norm_workspace_bytes(const mm1_gradient_norm_args* args);

/* mm1_adam_w: AdamW with decoupled decay (Loshchilov and Hutter 2019; torch.optim.AdamW), all tensors in one call. With g =
 * step_state->clip_factor * gradient, lr = step_state->learning_rate * learning_rate_scale, t = step_state->step:
 *     m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *     p = p (1 - lr weight_decay) - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
 * Writes the shadow (p rounded to shadow_dtype) in the same pass. step_state->skip leaves masters, moments and shadows untouched.
 * Gradients are not cleared. */
typedef struct mm1_adam_w_args {
  int64_t struct_size;                  /* sizeof(mm1_adam_w_args). */
  int64_t tensor_count;                 /* Tensors. */
  const mm1_optimizer_tensor* tensors;  /* mm1_optimizer_tensor[tensor_count] in device memory. */
  const mm1_step_state* step_state;     /* Device address of the step state. */
  float beta1;                          /* Decay of the first moment. Default 0.9. */
  float beta2;                          /* Decay of the second moment (AXLearn's default). Default 0.95. */
  float epsilon;                        /* Added to the root of the second moment. Default 1e-8. */
  int32_t reserved;                     /* Zero. */
} mm1_adam_w_args;
MM1_DEFAULT_(mm1_adam_w_args, (args.beta1 = 0.9f, args.beta2 = 0.95f, args.epsilon = 1e-8f))
MM1_API mm1_status mm1_adam_w(mm1_stream stream, const mm1_adam_w_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_adafactor: Adafactor (Shazeer and Stern 2018, algorithm 4 with an external learning rate). Tensors with second_moment_row and
 * second_moment_column keep a factored second moment (means over columns and over rows of g^2 + epsilon), the others a full one; decay
 * rate b2 = 1 - t^decay_exponent; the update is divided by max(1, RMS(update) / clip_threshold); the step is scaled by
 * max(epsilon_scale, RMS(p)) where scale_parameter is set; decay is decoupled; skip as in mm1_adam_w. */
typedef struct mm1_adafactor_args {
  int64_t struct_size;                  /* sizeof(mm1_adafactor_args). */
  int64_t tensor_count;                 /* Tensors. */
  const mm1_optimizer_tensor* tensors;  /* mm1_optimizer_tensor[tensor_count] in device memory. */
  const mm1_step_state* step_state;     /* Device address of the step state. */
  float decay_exponent;                 /* Exponent of the second moment's decay. Default -0.8. */
  float epsilon;                        /* Added to the squared gradient. Default 1e-30. */
  float epsilon_scale;                  /* Least parameter scale. Default 1e-3. */
  float clip_threshold;                 /* Largest root mean square of an update. Default 1. */
  float beta1;                          /* First-moment decay; 0 keeps none. */
  int32_t scale_parameter;              /* Non-zero: steps are relative to the parameter's root mean square. Default 1. */
} mm1_adafactor_args;
MM1_DEFAULT_(mm1_adafactor_args,
             (args.decay_exponent = -0.8f, args.epsilon = 1e-30f, args.epsilon_scale = 1e-3f, args.clip_threshold = 1.0f,
              args.scale_parameter = 1))
MM1_API mm1_status mm1_adafactor(mm1_stream stream, const mm1_adafactor_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_adafactor_workspace_bytes(const mm1_adafactor_args* args);

/* ------------------------------------------------------------------------------------------------------------------
 * reduction: one value per row, rows that share, top-k, softmax
 * ------------------------------------------------------------------------------------------------------------------ */

/* What mm1_reduce computes. */
typedef int32_t mm1_reduction;
enum {
  MM1_REDUCTION_SUM = 0,  /* Sum; 0 for no columns. */
  MM1_REDUCTION_MEAN = 1, /* Sum / columns; NaN for no columns. */
  MM1_REDUCTION_MAX = 2   /* Maximum; -infinity for no columns; NaN wins. */
};

/* mm1_reduce: one value per row, the sum, mean or maximum of its columns, + beta * old. Sums run in constant blocks. */
typedef struct mm1_reduce_args {
  int64_t struct_size;      /* sizeof(mm1_reduce_args). */
  mm1_reduction reduction;  /* What is computed. */
  float beta;               /* Factor on the old output. */
  int64_t rows;             /* Rows. */
  int64_t columns;          /* Columns. */
  mm1_operand x;            /* [rows, columns]. */
  mm1_operand output;       /* float32 [rows]. */
} mm1_reduce_args;
MM1_DEFAULT_(mm1_reduce_args, (void)0)
MM1_API mm1_status mm1_reduce(mm1_stream stream, const mm1_reduce_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_reduce_rows: the backward of a broadcast: output[s] = sum of x[r] (* multiplier[r]) over the rows r that `broadcast` maps to s,
 * ascending, + beta * output[s].
 * With MM1_BROADCAST_PER_ROW: output[r] = sum over the columns of x[r] (* multiplier[r]) + beta * output[r]. */
typedef struct mm1_reduce_rows_args {
  int64_t struct_size;      /* sizeof(mm1_reduce_rows_args). */
  mm1_broadcast broadcast;  /* Which rows share an output row. */
  float beta;               /* Factor on the old output. */
  int64_t rows;             /* Rows of x. */
  int64_t columns;          /* Columns. */
  int64_t output_rows;      /* Rows of the output; divides rows. */
  mm1_operand x;            /* [rows, columns]. */
  mm1_operand multiplier;   /* Optional, [rows, columns]. */
  mm1_operand output;       /* [output_rows, columns], or [rows, 1] with MM1_BROADCAST_PER_ROW. */
} mm1_reduce_rows_args;
MM1_DEFAULT_(mm1_reduce_rows_args, (void)0)
MM1_API mm1_status mm1_reduce_rows(mm1_stream stream, const mm1_reduce_rows_args* args, void* workspace, int64_t workspace_bytes);
MM1_API int64_t mm1_reduce_rows_workspace_bytes(const mm1_reduce_rows_args* args);

/* mm1_arg_max: index of the largest element of each row; ties to the lower index. NaN counts as largest. columns = 0 with rows above 0
 * is rejected. */
typedef struct mm1_arg_max_args {
  int64_t struct_size;  /* sizeof(mm1_arg_max_args). */
  int64_t rows;         /* Rows. */
  int64_t columns;      /* Columns, 1 at least. */
  mm1_operand x;        /* [rows, columns]. */
  mm1_operand indices;  /* int32 [rows]. */
  mm1_operand values;   /* Optional, [rows]. */
} mm1_arg_max_args;
MM1_DEFAULT_(mm1_arg_max_args, (void)0)
MM1_API mm1_status mm1_arg_max(mm1_stream stream, const mm1_arg_max_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_top_k: the k largest elements of each row, descending; ties to the lower index first. NaN counts as largest. */
typedef struct mm1_top_k_args {
  int64_t struct_size;  /* sizeof(mm1_top_k_args). */
  int64_t rows;         /* Rows. */
  int64_t columns;      /* Columns. */
  int64_t k;            /* From 1 to columns. */
  mm1_operand x;        /* [rows, columns]. */
  mm1_operand values;   /* [rows, k]. */
  mm1_operand indices;  /* int32 [rows, k]. */
} mm1_top_k_args;
MM1_DEFAULT_(mm1_top_k_args, (void)0)
MM1_API mm1_status mm1_top_k(mm1_stream stream, const mm1_top_k_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_softmax_forward: softmax of each row of scale * x. Rows of -infinity alone give zeros. Output may be x. */
typedef struct mm1_softmax_forward_args {
  int64_t struct_size;  /* sizeof(mm1_softmax_forward_args). */
  int64_t rows;         /* Rows. */
  int64_t columns;      /* Columns. */
  mm1_operand x;        /* [rows, columns]. */
  mm1_operand output;   /* [rows, columns]. */
  float scale;          /* Factor on x. Default 1. */
  int32_t reserved;     /* Zero. */
} mm1_softmax_forward_args;
MM1_DEFAULT_(mm1_softmax_forward_args, (args.scale = 1.0f))
MM1_API mm1_status mm1_softmax_forward(mm1_stream stream, const mm1_softmax_forward_args* args, void* workspace, int64_t workspace_bytes);

/* mm1_softmax_backward: input_gradient = scale * output * (output_gradient - sum(output_gradient * output)) + beta * input_gradient.
 * input_gradient may be output_gradient. */
typedef struct mm1_softmax_backward_args {
  int64_t struct_size;          /* sizeof(mm1_softmax_backward_args). */
  int64_t rows;                 /* Rows. */
  int64_t columns;              /* Columns. */
  mm1_operand output;           /* The forward's output. */
  mm1_operand output_gradient;  /* [rows, columns]. */
  mm1_operand input_gradient;   /* [rows, columns]. */
  float scale;                  /* As in the forward. Default 1. */
  float beta;                   /* Factor on the old input_gradient. */
} mm1_softmax_backward_args;
MM1_DEFAULT_(mm1_softmax_backward_args, (args.scale = 1.0f))
MM1_API mm1_status mm1_softmax_backward(mm1_stream stream, const mm1_softmax_backward_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * random: Philox4x32-10, the same bits on every device
 * ------------------------------------------------------------------------------------------------------------------ */

/* Distributions of mm1_random_fill. */
typedef int32_t mm1_distribution;
enum {
  MM1_DISTRIBUTION_UNIFORM = 0,          /* Uniform in [low, high). */
  MM1_DISTRIBUTION_NORMAL = 1,           /* Normal with mean and standard_deviation. */
  MM1_DISTRIBUTION_TRUNCATED_NORMAL = 2  /* Normal with mean and standard_deviation, restricted to [low, high] by inversion (torch's
                                          * trunc_normal_). */
};

/* mm1_random_fill: counter-based random numbers, Philox4x32-10 (Salmon et al. 2011). Element i of the stream is word i % 4 of the
 * block with counter (i / 4 low, i / 4 high, purpose low, purpose high), 32 bits each, and key (seed low, seed high); the output holds
 * the elements from offset (+ step_state->random_counter) on.
 * The same bits on every device and for any split into calls: from word to float only IEEE-exact operations in a fixed order, given
 * step by step in docs/architecture.md ("Random numbers"). Uniform with low = high gives low. Rejected: high below low; a bound that is NaN
 * or, for uniform, infinite; a truncation range that holds no value of the distribution; a mean or standard_deviation that is not
 * finite, a negative standard_deviation; a negative offset. */
typedef struct mm1_random_fill_args {
  int64_t struct_size;               /* sizeof(mm1_random_fill_args). */
  mm1_distribution distribution;     /* Distribution. */
  int32_t reserved;                  /* Zero. */
  int64_t count;                     /* Elements. */
  mm1_operand output;                /* float32 [count], contiguous. */
  uint64_t seed;                     /* Key. */
  uint64_t purpose;                  /* Upper half of the counter: a hash of purpose and dotted name. */
  int64_t offset;                    /* First element's index in the stream. */
  const mm1_step_state* step_state;  /* Optional: its random_counter is added to offset. */
  float mean;                        /* Mean (normal kinds). */
  float standard_deviation;          /* Standard deviation (normal kinds). Default 1. */
  float low;                         /* Lower bound (uniform: included; truncated normal: may be -infinity). */
  float high;                        /* Upper bound (uniform: excluded; truncated normal: included, may be infinity). Default 1. */
} mm1_random_fill_args;
MM1_DEFAULT_(mm1_random_fill_args, (args.standard_deviation = 1.0f, args.high = 1.0f))
MM1_API mm1_status mm1_random_fill(mm1_stream stream, const mm1_random_fill_args* args, void* workspace, int64_t workspace_bytes);

/* ------------------------------------------------------------------------------------------------------------------
 * The table
 * ------------------------------------------------------------------------------------------------------------------ */

/* Every function of this header and of mm1/runtime.h as a pointer, so that several libraries (cuda and its emulator) can live in one
 * process. Entries are only ever appended. A verb that the library does not have is NULL. */
typedef struct mm1_api {
  int64_t struct_size; /* In: sizeof(mm1_api) of the caller. Out: bytes that the library filled, at most that. */
  int32_t abi_version; /* Out: the library's MM1_ABI_VERSION. */
  int32_t reserved;    /* Zero. */
  const char* (*get_last_error_message)(void);
  mm1_status (*gemm)(mm1_stream, const mm1_gemm_args*, void*, int64_t);
  int64_t (*gemm_workspace_bytes)(const mm1_gemm_args*);
  mm1_status (*bias_gradient)(mm1_stream, const mm1_bias_gradient_args*, void*, int64_t);
  int64_t (*bias_gradient_workspace_bytes)(const mm1_bias_gradient_args*);
  mm1_status (*flash_attention_forward)(mm1_stream, const mm1_flash_attention_forward_args*, void*, int64_t);
  int64_t (*flash_attention_forward_workspace_bytes)(const mm1_flash_attention_forward_args*);
  mm1_status (*flash_attention_backward)(mm1_stream, const mm1_flash_attention_backward_args*, void*, int64_t);
  int64_t (*flash_attention_backward_workspace_bytes)(const mm1_flash_attention_backward_args*);
  mm1_status (*flash_attention_decode)(mm1_stream, const mm1_flash_attention_decode_args*, void*, int64_t);
  int64_t (*flash_attention_decode_workspace_bytes)(const mm1_flash_attention_decode_args*);
  mm1_status (*key_value_cache_append)(mm1_stream, const mm1_key_value_cache_append_args*, void*, int64_t);
  mm1_status (*layer_norm_forward)(mm1_stream, const mm1_layer_norm_forward_args*, void*, int64_t);
  mm1_status (*layer_norm_backward)(mm1_stream, const mm1_layer_norm_backward_args*, void*, int64_t);
  int64_t (*layer_norm_backward_workspace_bytes)(const mm1_layer_norm_backward_args*);
  mm1_status (*rms_norm_forward)(mm1_stream, const mm1_rms_norm_forward_args*, void*, int64_t);
  mm1_status (*rms_norm_backward)(mm1_stream, const mm1_rms_norm_backward_args*, void*, int64_t);
  int64_t (*rms_norm_backward_workspace_bytes)(const mm1_rms_norm_backward_args*);
  mm1_status (*l2_normalize_forward)(mm1_stream, const mm1_l2_normalize_forward_args*, void*, int64_t);
  mm1_status (*l2_normalize_backward)(mm1_stream, const mm1_l2_normalize_backward_args*, void*, int64_t);
  mm1_status (*add)(mm1_stream, const mm1_add_args*, void*, int64_t);
  mm1_status (*multiply)(mm1_stream, const mm1_multiply_args*, void*, int64_t);
  mm1_status (*scale)(mm1_stream, const mm1_scale_args*, void*, int64_t);
  mm1_status (*activation_forward)(mm1_stream, const mm1_activation_forward_args*, void*, int64_t);
  mm1_status (*activation_backward)(mm1_stream, const mm1_activation_backward_args*, void*, int64_t);
  mm1_status (*gated_activation_forward)(mm1_stream, const mm1_gated_activation_forward_args*, void*, int64_t);
  mm1_status (*gated_activation_backward)(mm1_stream, const mm1_gated_activation_backward_args*, void*, int64_t);
  mm1_status (*rotary_embedding)(mm1_stream, const mm1_rotary_embedding_args*, void*, int64_t);
  mm1_status (*cast)(mm1_stream, const mm1_cast_args*, void*, int64_t);
  mm1_status (*fill)(mm1_stream, const mm1_fill_args*, void*, int64_t);
  mm1_status (*copy)(mm1_stream, const mm1_copy_args*, void*, int64_t);
  mm1_status (*transpose_blocks)(mm1_stream, const mm1_transpose_blocks_args*, void*, int64_t);
  mm1_status (*embedding_gather)(mm1_stream, const mm1_embedding_gather_args*, void*, int64_t);
  mm1_status (*embedding_scatter_add)(mm1_stream, const mm1_embedding_scatter_add_args*, void*, int64_t);
  int64_t (*embedding_scatter_add_workspace_bytes)(const mm1_embedding_scatter_add_args*);
  mm1_status (*image_token_placement_forward)(mm1_stream, const mm1_image_token_placement_forward_args*, void*, int64_t);
  mm1_status (*image_token_placement_backward)(mm1_stream, const mm1_image_token_placement_backward_args*, void*, int64_t);
  mm1_status (*convolution_forward)(mm1_stream, const mm1_convolution_forward_args*, void*, int64_t);
  int64_t (*convolution_forward_workspace_bytes)(const mm1_convolution_forward_args*);
  mm1_status (*convolution_backward_data)(mm1_stream, const mm1_convolution_backward_data_args*, void*, int64_t);
  int64_t (*convolution_backward_data_workspace_bytes)(const mm1_convolution_backward_data_args*);
  mm1_status (*convolution_backward_weight)(mm1_stream, const mm1_convolution_backward_weight_args*, void*, int64_t);
  int64_t (*convolution_backward_weight_workspace_bytes)(const mm1_convolution_backward_weight_args*);
  mm1_status (*adaptive_average_pool_forward)(mm1_stream, const mm1_adaptive_average_pool_forward_args*, void*, int64_t);
  mm1_status (*adaptive_average_pool_backward)(mm1_stream, const mm1_adaptive_average_pool_backward_args*, void*, int64_t);
  mm1_status (*grid_interpolation_forward)(mm1_stream, const mm1_grid_interpolation_forward_args*, void*, int64_t);
  mm1_status (*grid_interpolation_backward)(mm1_stream, const mm1_grid_interpolation_backward_args*, void*, int64_t);
  mm1_status (*cross_entropy_forward)(mm1_stream, const mm1_cross_entropy_forward_args*, void*, int64_t);
  int64_t (*cross_entropy_forward_workspace_bytes)(const mm1_cross_entropy_forward_args*);
  mm1_status (*cross_entropy_backward)(mm1_stream, const mm1_cross_entropy_backward_args*, void*, int64_t);
  int64_t (*cross_entropy_backward_workspace_bytes)(const mm1_cross_entropy_backward_args*);
  mm1_status (*linear_cross_entropy_forward)(mm1_stream, const mm1_linear_cross_entropy_forward_args*, void*, int64_t);
  int64_t (*linear_cross_entropy_forward_workspace_bytes)(const mm1_linear_cross_entropy_forward_args*);
  mm1_status (*linear_cross_entropy_backward)(mm1_stream, const mm1_linear_cross_entropy_backward_args*, void*, int64_t);
  int64_t (*linear_cross_entropy_backward_workspace_bytes)(const mm1_linear_cross_entropy_backward_args*);
  mm1_status (*contrastive_loss_forward)(mm1_stream, const mm1_contrastive_loss_forward_args*, void*, int64_t);
  int64_t (*contrastive_loss_forward_workspace_bytes)(const mm1_contrastive_loss_forward_args*);
  mm1_status (*contrastive_loss_backward)(mm1_stream, const mm1_contrastive_loss_backward_args*, void*, int64_t);
  int64_t (*contrastive_loss_backward_workspace_bytes)(const mm1_contrastive_loss_backward_args*);
  mm1_status (*patch_regression_forward)(mm1_stream, const mm1_patch_regression_forward_args*, void*, int64_t);
  int64_t (*patch_regression_forward_workspace_bytes)(const mm1_patch_regression_forward_args*);
  mm1_status (*patch_regression_backward)(mm1_stream, const mm1_patch_regression_backward_args*, void*, int64_t);
  int64_t (*patch_regression_backward_workspace_bytes)(const mm1_patch_regression_backward_args*);
  mm1_status (*gradient_norm)(mm1_stream, const mm1_gradient_norm_args*, void*, int64_t);
  int64_t (*gradient_norm_workspace_bytes)(const mm1_gradient_norm_args*);
  mm1_status (*adam_w)(mm1_stream, const mm1_adam_w_args*, void*, int64_t);
  mm1_status (*adafactor)(mm1_stream, const mm1_adafactor_args*, void*, int64_t);
  int64_t (*adafactor_workspace_bytes)(const mm1_adafactor_args*);
  mm1_status (*reduce)(mm1_stream, const mm1_reduce_args*, void*, int64_t);
  mm1_status (*reduce_rows)(mm1_stream, const mm1_reduce_rows_args*, void*, int64_t);
  int64_t (*reduce_rows_workspace_bytes)(const mm1_reduce_rows_args*);
  mm1_status (*arg_max)(mm1_stream, const mm1_arg_max_args*, void*, int64_t);
  mm1_status (*top_k)(mm1_stream, const mm1_top_k_args*, void*, int64_t);
  mm1_status (*softmax_forward)(mm1_stream, const mm1_softmax_forward_args*, void*, int64_t);
  mm1_status (*softmax_backward)(mm1_stream, const mm1_softmax_backward_args*, void*, int64_t);
  mm1_status (*random_fill)(mm1_stream, const mm1_random_fill_args*, void*, int64_t);
  /* mm1/runtime.h. */
  mm1_status (*device_count)(int32_t*);
  mm1_status (*device_get_properties)(int32_t, mm1_device_properties*);
  mm1_status (*device_set_current)(int32_t);
  mm1_status (*device_get_current)(int32_t*);
  mm1_status (*device_get_status)(int32_t);
  mm1_status (*device_synchronize)(void);
  mm1_status (*stream_create)(mm1_stream*);
  mm1_status (*stream_destroy)(mm1_stream);
  mm1_status (*stream_synchronize)(mm1_stream);
  mm1_status (*stream_query)(mm1_stream, int32_t*);
  mm1_status (*stream_wait_event)(mm1_stream, mm1_event);
  mm1_status (*event_create)(int32_t, mm1_event*);
  mm1_status (*event_destroy)(mm1_event);
  mm1_status (*event_record)(mm1_event, mm1_stream);
  mm1_status (*event_synchronize)(mm1_event);
  mm1_status (*event_query)(mm1_event, int32_t*);
  mm1_status (*event_elapsed_milliseconds)(mm1_event, mm1_event, float*);
  mm1_status (*memory_allocate)(int64_t, void**);
  mm1_status (*memory_free)(void*);
  mm1_status (*memory_allocate_pinned)(int64_t, void**);
  mm1_status (*memory_free_pinned)(void*);
  mm1_status (*memory_get_info)(int64_t*, int64_t*);
  mm1_status (*memory_copy_to_device)(mm1_stream, void*, const void*, int64_t);
  mm1_status (*memory_copy_to_host)(mm1_stream, void*, const void*, int64_t);
  mm1_status (*memory_copy_on_device)(mm1_stream, void*, const void*, int64_t);
  mm1_status (*memory_fill)(mm1_stream, void*, int32_t, int64_t);
  mm1_status (*graph_begin_capture)(mm1_stream);
  mm1_status (*graph_end_capture)(mm1_stream, mm1_graph*);
  mm1_status (*graph_is_capturing)(mm1_stream, int32_t*);
  mm1_status (*graph_instantiate)(mm1_graph, mm1_graph_instance*);
  mm1_status (*graph_launch)(mm1_graph_instance, mm1_stream);
  mm1_status (*graph_get_size)(mm1_graph, int64_t*);
  mm1_status (*graph_destroy)(mm1_graph);
  mm1_status (*graph_instance_destroy)(mm1_graph_instance);
  mm1_status (*module_load)(const void*, int64_t, mm1_module*);
  mm1_status (*module_unload)(mm1_module);
  mm1_status (*module_get_function)(mm1_module, const char*, mm1_function*);
  mm1_status (*module_launch)(mm1_stream, const mm1_module_launch_args*);
} mm1_api;

/* Fills *table for a caller compiled against MM1_ABI_VERSION `version`: entries up to table->struct_size that the library has; entries of a
 * newer caller that it lacks, and verbs that it does not implement, become NULL. MM1_STATUS_VERSION_MISMATCH if the library does not have that version. */
MM1_API mm1_status mm1_get_api(int32_t version, mm1_api* table);

#ifdef __cplusplus
}
#endif

#endif /* MM1_KERNELS_H */
