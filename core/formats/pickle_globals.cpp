// SPDX-License-Identifier: Apache-2.0
#include "core/formats/pickle_globals.h"

#include <algorithm>
#include <iterator>

namespace espalier::formats {
namespace {

constexpr std::string_view kKnown[] = {
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.bool",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.set",
    "builtins.str",
    "builtins.tuple",
    "collections.OrderedDict",
    "collections.defaultdict",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "torch.BFloat16Storage",
    "torch.BoolStorage",
    "torch.ByteStorage",
    "torch.CharStorage",
    "torch.ComplexFloatStorage",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.IntStorage",
    "torch.LongStorage",
    "torch.ShortStorage",
    "torch.Size",
    "torch.Tensor",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch.bfloat16",
    "torch.bool",
    "torch.complex64",
    "torch.device",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.float8_e4m3fn",
    "torch.float8_e5m2",
    "torch.int16",
    "torch.int32",
    "torch.int64",
    "torch.int8",
    "torch.nn.parameter.Buffer",
    "torch.nn.parameter.Parameter",
    "torch.storage.UntypedStorage",
    "torch.torch_version.TorchVersion",
    "torch.uint16",
    "torch.uint32",
    "torch.uint64",
    "torch.uint8",
};
static_assert(std::is_sorted(std::begin(kKnown), std::end(kKnown)));

struct Renamed {
    std::string_view old, now;
};
/// Modules that Python, numpy and PyTorch called otherwise at some time.
constexpr Renamed kRenamed[] = {
    {"__builtin__", "builtins"},
    {"numpy.core.multiarray", "numpy._core.multiarray"},
    {"numpy.core.numeric", "numpy._core.numeric"},
    {"pathlib._local", "pathlib"},
    {"torch.cuda", "torch"},
};

} // namespace

std::string_view knownGlobal(std::string_view module, std::string_view name)
{
    for (const auto& [old, now] : kRenamed)
        if (module == old) {
            if (old == "torch.cuda" && !name.ends_with("Storage"))
                return {};
            module = now;
            break;
        }
    for (const std::string_view known : kKnown)
        if (known.size() == module.size() + 1 + name.size() && known.starts_with(module) && known[module.size()] == '.' &&
            known.ends_with(name))
            return known;
    return {};
}

} // namespace espalier::formats
