# cmake -C .cmake/asan.cmake -B build/asan: AddressSanitizer and UndefinedBehaviorSanitizer. -Og
# takes half of -O2's time to build; the tests take no longer.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-Og" CACHE STRING "")
set(SLUICE_SANITIZE ON CACHE BOOL "")
set(SLUICE_LTO OFF CACHE BOOL "")
