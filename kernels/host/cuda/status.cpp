#include "host/cuda/status.h"

#include <string>

#include "host/device.h"

namespace mm1::cuda {

bool is_sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorExternalDevice:
    case cudaErrorContextIsDestroyed:
      return true;
    default:
      return false;
  }
}

mm1_status status_of(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return MM1_STATUS_OK;
  const char* name = cudaGetErrorName(error);
  const char* text = cudaGetErrorString(error);
  // Takes an ordinary error from the thread, so that nobody else's check finds it. A sticky one is still there afterwards.
  cudaGetLastError();
  if (is_sticky(error) || cudaPeekAtLastError() != cudaSuccess) {
    int device = 0;
    cudaGetDevice(&device);
    return report_failure(call, device, (std::string(text) + " (" + name + ")").c_str());
  }
  switch (error) {
    case cudaErrorMemoryAllocation:
      return fail(MM1_STATUS_OUT_OF_MEMORY, "%s: %s (%s).", call, text, name);
    case cudaErrorInvalidValue:
    case cudaErrorInvalidDevice:
    case cudaErrorInvalidDevicePointer:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorNotReady:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureMerge:
    case cudaErrorStreamCaptureUnmatched:
    case cudaErrorStreamCaptureUnjoined:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorStreamCaptureWrongThread:
    case cudaErrorCapturedEvent:
      return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %s (%s).", call, text, name);
    default:
      return fail(MM1_STATUS_DEVICE_ERROR, "%s: %s (%s).", call, text, name);
  }
}

mm1_status released(cudaError_t error, const char* call) {
  const mm1_status status = status_of(error, call);
  return is_sticky(error) ? static_cast<mm1_status>(MM1_STATUS_OK) : status;
}

}  // namespace mm1::cuda
