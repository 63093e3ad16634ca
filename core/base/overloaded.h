// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace espalier {

/// Several lambdas as one visitor of a variant.
template <class... T>
struct Overloaded : T... {
    using T::operator()...;
};
template <class... T>
Overloaded(T...) -> Overloaded<T...>;

} // namespace espalier
