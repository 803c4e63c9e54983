# cmake -C .cmake/debug.cmake -B build/debug: no optimization, checks on the per-frame path.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
