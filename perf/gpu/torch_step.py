#!/usr/bin/env python3
"""The decoder step of `MM1.Native.Benchmarks -- step` in PyTorch, eager and torch.compile: tokens/s, ms, MFU and peak memory, a JSON line each.

  python3 perf/gpu/torch_step.py [--model small|302m] [--precision bfloat16|float32] [--mode eager|compile|both] [--steps 15] [--peak-tflops N]
                                 [--layers N] [--width N] [--heads N] [--ffn N] [--seq N] [--batch N] [--vocab N]

RMSNorm, rotary causal attention (scaled_dot_product_attention), SwiGLU, no biases, an untied head; float32 masters, bfloat16 by autocast, clipping
to norm 1, fused AdamW. float32 is true float32 (no tf32). A step ends when its loss has come to the host. Exit code: 3 where PyTorch or a GPU is missing.
"""
import argparse
import json
import statistics
import sys
import time

from mm1_kernels import Missing, import_torch

MODELS = {
    "small": dict(layers=6, width=256, heads=8, ffn=704, seq=512, batch=4, vocab=512),
    "302m": dict(layers=24, width=1024, heads=16, ffn=2736, seq=2048, batch=8, vocab=32768),
}
# Dense peaks of data sheets in TFLOP/s (bfloat16, float32 without tensor cores), as in MM1.Native.Benchmarks/DevicePeak.cs.
DATA_SHEETS = [("NVIDIA H200", 989.4, 66.9), ("NVIDIA H100 80GB HBM3", 989.4, 66.9), ("NVIDIA H100 PCIe", 756.0, 51.2), ("NVIDIA H100 NVL", 835.0, 60.0),
               ("NVIDIA A100", 312.0, 19.5), ("NVIDIA A30", 165.0, 10.3)]
JSON_NAMES = {"ffn": "hidden", "seq": "sequence", "vocab": "vocabulary"}
WARM_UP_STEPS = 5


def flops_per_step(c):
    """2 per weight and token of every matrix product, causal attention counted half, backward twice the forward."""
    tokens = c["batch"] * c["seq"]
    weights = c["layers"] * (4 * c["width"]**2 + 3 * c["width"] * c["ffn"]) + c["vocab"] * c["width"]
    return 3 * (2 * tokens * weights + c["layers"] * 4 * c["batch"] * c["seq"]**2 * c["width"] // 2)


def build(torch, c):
    """The decoder, made here as its classes need torch."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention_norm, self.mlp_norm = nn.RMSNorm(c["width"], eps=1e-5), nn.RMSNorm(c["width"], eps=1e-5)
            self.qkv = nn.Linear(c["width"], 3 * c["width"], bias=False)
            self.out = nn.Linear(c["width"], c["width"], bias=False)
            self.gate_up = nn.Linear(c["width"], 2 * c["ffn"], bias=False)
            self.down = nn.Linear(c["ffn"], c["width"], bias=False)

        def forward(self, x, cosine, sine):
            batch, length, width = x.shape
            q, k, v = self.qkv(self.attention_norm(x)).view(batch, length, 3, c["heads"], -1).permute(2, 0, 3, 1, 4)

            def rotate(t):
                a, b = t.chunk(2, -1)
                return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1).to(v.dtype)
            attention = functional.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
            x = x + self.out(attention.transpose(1, 2).reshape(batch, length, width))
            gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, -1)
            return x + self.down(functional.silu(gate) * up)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(c["vocab"], c["width"])
            self.layers = nn.ModuleList(Block() for _ in range(c["layers"]))
            self.norm, self.head = nn.RMSNorm(c["width"], eps=1e-5), nn.Linear(c["width"], c["vocab"], bias=False)
            half = c["width"] // c["heads"] // 2
            angles = torch.arange(c["seq"])[:, None] * 10000.0 ** (-torch.arange(half) / half)
            self.register_buffer("cosine", angles.cos(), persistent=False)
            self.register_buffer("sine", angles.sin(), persistent=False)
            nn.init.normal_(self.embedding.weight, std=0.02)

        def forward(self, tokens, targets):
            x = self.embedding(tokens)
            if torch.is_autocast_enabled():
                x = x.to(torch.bfloat16)  # the residual stream is bfloat16 in our engine too
            for layer in self.layers:
                x = layer(x, self.cosine, self.sine)
            return functional.cross_entropy(self.head(self.norm(x)).float().flatten(0, 1), targets.flatten())
    return Decoder()


def measured_peak(torch, dtype):
    """torch.matmul of 8192 x 8192 x 8192, TFLOP/s."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=dtype) for _ in range(2))
    times = []
    for _ in range(8):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ b
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2e-12 * 8192**3 / statistics.median(times[3:])


def peak_of(torch, options):
    if options.peak_tflops:
        return options.peak_tflops, "given"
    name, low = torch.cuda.get_device_name(0), options.precision == "bfloat16"
    for prefix, bfloat16, float32 in DATA_SHEETS:
        if name.startswith(prefix):
            return (bfloat16 if low else float32), f"data sheet of {prefix}"
    return measured_peak(torch, torch.bfloat16 if low else torch.float32), "measured: torch.matmul 8192 x 8192 x 8192"


def measure(torch, options, config, mode, peak):
    torch.manual_seed(1)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = build(torch, config).cuda()
    parameters = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens, targets = (torch.randint(config["vocab"], (config["batch"], config["seq"]), device="cuda") for _ in range(2))
    forward = torch.compile(model) if mode == "compile" else model
    losses, times = [], []
    for step in range(WARM_UP_STEPS + options.steps):
        start = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=options.precision == "bfloat16"):
            loss = forward(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        torch.cuda.synchronize()
        if step >= WARM_UP_STEPS:
            times.append(time.perf_counter() - start)
    median, flops = statistics.median(times), flops_per_step(config)
    tflops = flops / median * 1e-12
    print(json.dumps({
        "engine": f"torch {torch.__version__}", "mode": mode, "ms_median": round(median * 1e3, 3), "ms_min": round(min(times) * 1e3, 3), "ms_max": round(max(times) * 1e3, 3),
        "tokens_per_s": round(config["batch"] * config["seq"] / median, 1), "tflops": float(f"{tflops:.4g}"), "mfu": float(f"{tflops / peak[0]:.4g}"),
        "peak_tflops": float(f"{peak[0]:.4g}"), "peak_source": peak[1], "peak_memory_mib": round(torch.cuda.max_memory_reserved() / 2**20, 1),
        "precision": options.precision, "steps": options.steps, "parameters": parameters, "gflop_per_step": round(flops * 1e-9, 3), "recorded_operations": 0,
        "loss_first": round(losses[0], 4), "loss_last": round(losses[-1], 4), "config": {JSON_NAMES.get(name, name): value for name, value in config.items()}, "device": torch.cuda.get_device_name(0), "driver": torch.version.cuda,
        "machine": {"date": time.strftime("%Y-%m-%d")}}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(MODELS), default="small")
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--mode", choices=["eager", "compile", "both"], default="both")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--peak-tflops", type=float)
    for name in MODELS["small"]:
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    try:
        torch = import_torch()
    except Missing as missing:
        print(f"torch_step.py: {missing}", file=sys.stderr)
        return 3
    torch.backends.cuda.matmul.allow_tf32 = False
    config = {name: getattr(options, name) or value for name, value in MODELS[options.model].items()}
    peak = peak_of(torch, options)
    for mode in ["eager", "compile"] if options.mode == "both" else [options.mode]:
        measure(torch, options, config, mode, peak)
    return 0


if __name__ == "__main__":
    sys.exit(main())
