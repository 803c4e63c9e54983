# CXX=clang++ cmake -C .cmake/coverage.cmake -B build/coverage: clang's source-based coverage. The
# counters live in a mapped file, so that processes which end by _exit or a signal are counted, too.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(SLUICE_LTO OFF CACHE BOOL "")
set(CMAKE_CXX_FLAGS
    "-O1 -fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation=true"
    CACHE STRING "")
