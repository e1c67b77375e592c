// Loads and stores of dynamic shared memory by 32-bit address, as ldmatrix and cp.async name it.
#pragma once
#include "dev/device.cuh"

namespace mm1 {

DEV_FN char* shared_pointer(uint32_t address) { return dev::dynamic_smem() + (address - dev::smem_addr(dev::dynamic_smem())); }

DEV_FN float load_shared_float(uint32_t address) { return *reinterpret_cast<const float*>(shared_pointer(address)); }
DEV_FN float4 load_shared_float4(uint32_t address) { return *reinterpret_cast<const float4*>(shared_pointer(address)); }
DEV_FN void store_shared(uint32_t address, float value) { *reinterpret_cast<float*>(shared_pointer(address)) = value; }
DEV_FN void store_shared(uint32_t address, float2 value) { *reinterpret_cast<float2*>(shared_pointer(address)) = value; }
DEV_FN void store_shared(uint32_t address, uint4 value) { *reinterpret_cast<uint4*>(shared_pointer(address)) = value; }

}  // namespace mm1
