# CXX=clang++ cmake -C .cmake/clang.cmake -B build/clang: for clang's warnings, which need no optimization.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-O0 -DNDEBUG" CACHE STRING "")
set(SLUICE_LTO OFF CACHE BOOL "")
set(SLUICE_JOIN_TESTS OFF CACHE BOOL "")
