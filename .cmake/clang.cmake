# CXX=clang++ cmake -C .cmake/clang.cmake -B build/clang: for clang's warnings, not for its speed.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELEASE "-O1 -DNDEBUG" CACHE STRING "")
set(SLUICE_LTO OFF CACHE BOOL "")
