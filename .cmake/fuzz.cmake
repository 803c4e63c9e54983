# CXX=clang++ cmake -C .cmake/fuzz.cmake -B build/fuzz: libFuzzer targets under both sanitizers.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(SLUICE_SANITIZE ON CACHE BOOL "")
set(SLUICE_FUZZ ON CACHE BOOL "")
set(SLUICE_LTO OFF CACHE BOOL "")
